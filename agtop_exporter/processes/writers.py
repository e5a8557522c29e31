"""Finds which of several processes wrote the latest record of a session. Performs no I/O.

Two processes of an agent in one directory look alike, and an agent may begin a new session without
a new process (`/new`). What each process wrote since the last round distinguishes them: only a
process that wrote something can have written the record.
"""

from collections.abc import Collection, Mapping

from agtop_exporter.processes.facts import ProcessId, Written

LEAST_RECORD_BYTES = 100
"""No record of a session is smaller.

A process that waits writes a few bytes to wake its threads.
"""

Growth = Mapping[ProcessId, Written]
"""What each process wrote since an earlier round."""


def growth(before: Mapping[ProcessId, Written], now: Mapping[ProcessId, Written]) -> Growth:
    """Return what the processes of both rounds wrote between them."""
    return {
        process: Written(
            _difference(before[process].characters, written.characters),
            _difference(before[process].disk_bytes, written.disk_bytes),
        )
        for process, written in now.items()
        if process in before
    }


def writer(candidates: Collection[ProcessId], written: Growth, *, new: bool) -> ProcessId | None:
    """Return the only candidate that can have written a record; None if several can have.

    `written` is what the candidates wrote since a time before the record was written. A candidate
    whose writes are unknown can have written it. The record is the first of its session if `new`.
    """
    if not written.keys() >= set(candidates):
        return None
    able = [process for process in candidates if _wrote_record(written[process])]
    if len(able) > 1 and new:
        # The first record of a file changes a block of the disk; a terminal has none.
        able = [process for process in able if written[process].disk_bytes != 0] or able
    return able[0] if len(able) == 1 else None


def _wrote_record(written: Written) -> bool:
    return written.characters is None or written.characters >= LEAST_RECORD_BYTES


def _difference(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else max(0, now - before)
