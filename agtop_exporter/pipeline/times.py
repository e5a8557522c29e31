"""The time of a session's last record, if some of its records are from the future.

A clock that was ahead when an agent wrote a record leaves a time that can be years away. Such a
record is taken for no newer than its file. The stored time is not changed: it is right again once
the clock has passed it.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from agtop_exporter.model import NANOSECONDS, Cursor, SessionState, is_ahead

WrittenAt = Callable[[SessionState], float | None]
"""Returns when the transcript of a session was last written, in unix seconds; None if unknown."""


def written_at(cursors: Mapping[str, Mapping[str, Cursor]], session: SessionState) -> float | None:
    """Return the modification time of a transcript as it was when it was last read."""
    cursor = cursors.get(session.agent, {}).get(session.facts.data_path)
    return cursor.mtime_ns / NANOSECONDS if cursor and cursor.mtime_ns else None


def last_active_of(session: SessionState, now: float, written: WrittenAt) -> float | None:
    """Return the time of the last record; that of its file if the record is from the future.

    None if the session has no times, or if the file is from the future as well.
    """
    time = session.facts.last_active
    if time is None or not is_ahead(time, now):
        return time
    modified = written(session)
    return None if modified is None or is_ahead(modified, now) else modified


def dated(session: SessionState, now: float, written: WrittenAt) -> SessionState:
    """Return the session with the time that `last_active_of` returns. It started no later."""
    last, start = last_active_of(session, now, written), session.facts.started_at
    if last == session.facts.last_active:
        return session
    if start is not None and (is_ahead(start, now) or (last is not None and start > last)):
        start = last
    facts = msgspec.structs.replace(session.facts, last_active=last, started_at=start)
    return msgspec.structs.replace(session, facts=facts)


def certain_time(members: Iterable[SessionState], now: float) -> float | None:
    """Return the latest time of a session and its subagents that is not in the future."""
    times = (member.facts.last_active for member in members)
    return max(
        (time for time in times if time is not None and not is_ahead(time, now)), default=None
    )
