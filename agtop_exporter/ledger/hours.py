"""Adds the names of the sessions to the rows of usage by hour."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import HourlyUsage, TokenCounts, UsageSum


class SessionNames(NamedTuple):
    """The names of a session that `HourlyUsage` contains, or from which it is derived."""

    agent: str
    session_id: str
    parent_session_id: str
    project: str
    git_branch: str


def named(
    found: Iterable[Row],
    by_number: Callable[[int], SessionNames],
    by_key: Callable[[Key], SessionNames | None],
) -> list[HourlyUsage]:
    """Return the usage in rows of the table `hourly`.

    `by_number` returns the names of the session with a number, and may raise LookupError. `by_key`
    returns the names of the session with an agent and a session id. Raises DamagedError.
    """

    @cache
    def names_of(number: int) -> tuple[str, str, str, str, str]:
        names = by_number(number)
        top = _top_session_id(names, by_key)
        return names.agent, names.session_id, top, names.project, names.git_branch

    try:
        return [
            HourlyUsage(
                *names_of(number), model, hour, UsageSum(requests, TokenCounts(*tokens), cost, rest)
            )
            for number, model, hour, requests, *tokens, cost, rest in rows.hours_of(found)
        ]
    except (*rows.BAD_ROW, LookupError) as error:
        raise DamagedError(f"a row of hourly: {error}") from error


def _top_session_id(names: SessionNames, by_key: Callable[[Key], SessionNames | None]) -> str:
    line: list[str] = []
    session: SessionNames | None = names
    while session is not None and session.session_id not in line:  # records may form a loop
        line.append(session.session_id)
        parent = session.parent_session_id
        session = by_key((session.agent, parent)) if parent else None
    return line[-1]
