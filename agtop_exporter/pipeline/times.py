"""Corrects the times of sessions whose records have times in the future.

If the clock was ahead when an agent wrote a record, the time of the record can be years in the
future. The functions then return the modification time of the transcript instead. The time in the
ledger is not changed, because it becomes valid when the clock reaches it. A time is in the future
if it is more than FUTURE_SECONDS after `now` (unix seconds).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from agtop_exporter.model import NANOSECONDS, Cursor, SessionState, is_ahead

WrittenAt = Callable[[SessionState], float | None]
"""A function that returns the modification time of a session's transcript in unix seconds.

The result is None if the time is unknown.
"""


def written_at(cursors: Mapping[str, Mapping[str, Cursor]], session: SessionState) -> float | None:
    """Return the modification time that a session's transcript had when it was last read.

    The result is in unix seconds, and None if the time is unknown. `cursors` has the cursors by
    agent and path.
    """
    cursor = cursors.get(session.agent, {}).get(session.facts.data_path)
    return cursor.mtime_ns / NANOSECONDS if cursor and cursor.mtime_ns else None


def last_active_of(session: SessionState, now: float, written: WrittenAt) -> float | None:
    """Return the time of the last record of a session in unix seconds.

    If this time is in the future, the function returns the modification time of the transcript,
    which `written` returns. The result is None if the session has no times. It is also None if the
    modification time is unknown or also in the future.
    """
    time = session.facts.last_active
    if time is None or not is_ahead(time, now):
        return time
    modified = written(session)
    return None if modified is None or is_ahead(modified, now) else modified


def dated(session: SessionState, now: float, written: WrittenAt) -> SessionState:
    """Return the session with corrected `last_active` and `started_at`.

    The session is returned unchanged if `last_active` is not in the future. Otherwise the result
    of `last_active_of` replaces `last_active`. The result also replaces `started_at` if
    `started_at` is in the future or later than the result.
    """
    last, start = last_active_of(session, now, written), session.facts.started_at
    if last == session.facts.last_active:
        return session
    if start is not None and (is_ahead(start, now) or (last is not None and start > last)):
        start = last
    facts = msgspec.structs.replace(session.facts, last_active=last, started_at=start)
    return msgspec.structs.replace(session, facts=facts)


def certain_time(members: Iterable[SessionState], now: float) -> float | None:
    """Return the time of the latest record of several sessions, in unix seconds.

    Times in the future are ignored. If no time is left, the result is None.
    """
    times = (member.facts.last_active for member in members)
    return max(
        (time for time in times if time is not None and not is_ahead(time, now)), default=None
    )
