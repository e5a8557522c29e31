"""Reads the usage by hour from the rows on disk and from the changes in memory."""

from functools import cache, partial

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import HourlyUsage, SessionState, TokenCounts, UsageSum


def usage_between(state: LedgerState, start: int, end: int) -> list[HourlyUsage]:
    """Return the usage from the hour `start` to the one before `end`. Raises DamagedError."""
    session_of = cache(state.sessions.numbered)
    top_of = cache(partial(_top_session_id, state))
    found = []
    try:
        for row in map(rows.hour_of_row, state.store.hours(start, end)):
            number, model, hour, requests, *tokens, cost, unpriced = row
            session = session_of(number)
            found.append(
                HourlyUsage(
                    agent=session.agent,
                    session_id=session.session_id,
                    top_session_id=top_of(number),
                    project=session.project,
                    git_branch=session.facts.git_branch,
                    model=model,
                    hour=hour,
                    usage=UsageSum(requests, TokenCounts(*tokens), cost, unpriced),
                )
            )
    except rows.BAD_ROW as error:
        raise DamagedError(f"a row of hourly: {error}") from error
    return found


def _top_session_id(state: LedgerState, number: int) -> str:
    """Return the id of the top-level session of the session `number`."""
    session: SessionState | None = state.sessions.numbered(number)
    line: list[str] = []
    while session is not None and session.session_id not in line:  # records may form a loop
        line.append(session.session_id)
        session = state.sessions.get((session.agent, session.facts.parent_session_id))
    return line[-1]
