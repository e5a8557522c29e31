"""Adds the names of the sessions to the rows of usage by hour."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import HourlyUsage, SessionState, TokenCounts, UsageSum


class SessionNames(NamedTuple):
    """The agent, the ids, the project and the git branch of a session, for `HourlyUsage`."""

    agent: str
    session_id: str
    parent_session_id: str
    project: str
    git_branch: str


def names_of(session: SessionState) -> SessionNames:
    """Return the agent, the ids, the project and the git branch of a session."""
    facts = session.facts
    return SessionNames(
        session.agent,
        session.session_id,
        facts.parent_session_id,
        session.project,
        facts.git_branch,
    )


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
    def pair_of(number: int) -> tuple[SessionNames, SessionNames]:
        names = by_number(number)
        return names, _top(names, by_key)

    try:
        usage = rows.hours_of(found)
        return [
            HourlyUsage(
                agent=names.agent,
                session_id=names.session_id,
                top_session_id=top.session_id,
                project=names.project,
                git_branch=names.git_branch,
                model=model,
                hour=hour,
                usage=UsageSum(requests, TokenCounts(*tokens), cost, unpriced),
                top_project=top.project,
            )
            for number, model, hour, requests, *tokens, cost, unpriced in usage
            for names, top in (pair_of(number),)
        ]
    except (*rows.BAD_ROW, LookupError) as error:
        raise DamagedError(f"a row of hourly: {error}") from error


def _top(names: SessionNames, by_key: Callable[[Key], SessionNames | None]) -> SessionNames:
    """Return the top-level session of a session."""
    line = [names]
    while parent_id := line[-1].parent_session_id:
        parent = by_key((names.agent, parent_id))
        if parent is None or parent in line:  # records may form a loop
            break
        line.append(parent)
    return line[-1]
