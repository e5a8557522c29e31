"""Adds the names of the sessions to the rows of usage by hour."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import msgspec

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.changes import Place
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.sessions import Key, Sessions
from agtop_exporter.ledger.state import BILLED, LedgerState
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import HourlyUsage, SessionState, TokenCounts, UsageSum, hour_of


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


def usage_between(state: LedgerState, start: int, end: int) -> list[HourlyUsage]:
    """Return the usage from the hour `start` to the one before `end`. Raises DamagedError."""
    return _named(state.store.hours(start, end), state.sessions)


def bills(state: LedgerState) -> list[HourlyUsage]:
    """Return what agents recorded as billed, minus the costs (`HourlyUsage.billed_difference`).

    Amounts of events that are older than the retention time have the hour 0. Raises DamagedError.
    """
    amounts: Counter[Place] = Counter()
    for name in state.metadata:
        agent, _, session_id = name.removeprefix(f"{BILLED}/").partition("/")
        if name.startswith(f"{BILLED}/") and (agent, session_id) in state.sessions:
            record = state.sessions[agent, session_id]
            amounts.update({(record.id, model, 0): bill for model, bill in record.billed.items()})
    for _, entry in state.store.all_entries("WHERE agent_cost IS NOT NULL"):
        amounts[entry.session, entry.model, 0] -= entry.billed
        amounts[entry.session, entry.model, hour_of(entry.time)] += entry.billed
    no_usage = (0, *(0,) * len(TokenCounts.__struct_fields__))
    found = [(*place, *no_usage, amount, 0) for place, amount in amounts.items() if amount]
    return [
        msgspec.structs.replace(one, usage=UsageSum(billed_difference=one.usage.cost))
        for one in _named(found, state.sessions)
    ]


def _named(found: Iterable[Row], sessions: Sessions) -> list[HourlyUsage]:
    return named(
        found,
        lambda number: names_of(sessions.numbered(number)),
        lambda key: names_of(sessions[key]) if key in sessions else None,
    )


def named(
    found: Iterable[Row],
    by_number: Callable[[int], SessionNames],
    by_key: Callable[[Key], SessionNames | None],
) -> list[HourlyUsage]:
    """Return the usage in rows of the table `hourly`, with the names of the sessions.

    `by_number` takes the number of a session and returns its names. It may raise LookupError.
    `by_key` takes an agent and a session id and returns the names of that session. Raises
    DamagedError.
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
    """Return the names of the top-level session to which a session belongs."""
    line = [names]
    while parent_id := line[-1].parent_session_id:
        parent = by_key((names.agent, parent_id))
        if parent is None or parent in line:  # records may form a loop
            break
        line.append(parent)
    return line[-1]
