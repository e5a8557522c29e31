"""Corrects the times of sessions that have records from the future.

If the clock was ahead when an agent wrote a record, the time of the record can be years in the
future. The modification time of the file is then used instead. The stored time is not changed: it
becomes valid when the clock has passed it.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from agtop_exporter.model import NANOSECONDS, Cursor, SessionState, is_ahead

WrittenAt = Callable[[SessionState], float | None]
"""Returns the modification time of a session's transcript in unix seconds; None if unknown."""


def written_at(cursors: Mapping[str, Mapping[str, Cursor]], session: SessionState) -> float | None:
    """Return the modification time that a transcript had when it was last read; None if unknown."""
    cursor = cursors.get(session.agent, {}).get(session.facts.data_path)
    return cursor.mtime_ns / NANOSECONDS if cursor and cursor.mtime_ns else None


def last_active_of(session: SessionState, now: float, written: WrittenAt) -> float | None:
    """Return the time of the last record in unix seconds.

    If it is in the future, the modification time of the file is returned. The result is None if the
    session has no times, or if the modification time is in the future as well.
    """
    time = session.facts.last_active
    if time is None or not is_ahead(time, now):
        return time
    modified = written(session)
    return None if modified is None or is_ahead(modified, now) else modified


def dated(session: SessionState, now: float, written: WrittenAt) -> SessionState:
    """Return the session without times in the future: `last_active` and `started_at` are corrected.

    `last_active_of` returns the corrected time. The session started at that time or earlier.
    """
    last, start = last_active_of(session, now, written), session.facts.started_at
    if last == session.facts.last_active:
        return session
    if start is not None and (is_ahead(start, now) or (last is not None and start > last)):
        start = last
    facts = msgspec.structs.replace(session.facts, last_active=last, started_at=start)
    return msgspec.structs.replace(session, facts=facts)


def certain_time(members: Iterable[SessionState], now: float) -> float | None:
    """Return the latest time of these sessions that is not in the future; None without one."""
    times = (member.facts.last_active for member in members)
    return max(
        (time for time in times if time is not None and not is_ahead(time, now)), default=None
    )
