"""Finds which of several processes wrote the latest record of a session. Performs no I/O.

Two processes of one agent in one directory can have the same properties, and an agent may start a
new session in the same process (`/new`). The number of written bytes distinguishes these processes:
a process that has written nothing since the last round has not written the record.
"""

from collections.abc import Collection, Mapping

from agtop_exporter.processes.facts import ProcessId, Written

LEAST_RECORD_BYTES = 100
"""Smallest size of a record in a transcript.

A process that is waiting writes fewer bytes than this, only to wake its threads.
"""

Growth = Mapping[ProcessId, Written]
"""The bytes that each process wrote since an earlier round."""


def growth(before: Mapping[ProcessId, Written], now: Mapping[ProcessId, Written]) -> Growth:
    """Return the bytes written between two rounds, for the processes that are in both rounds."""
    return {
        process: Written(
            _difference(before[process].characters, written.characters),
            _difference(before[process].disk_bytes, written.disk_bytes),
        )
        for process, written in now.items()
        if process in before
    }


def writer(candidates: Collection[ProcessId], written: Growth, *, new: bool) -> ProcessId | None:
    """Return the candidate that wrote a record, or None if that cannot be determined.

    `written` has the bytes that each process wrote since a time before the record was written. The
    result is None if a candidate is missing in it, or unless exactly one candidate can be the
    writer. `new` is true if the record is the first one of its session. If several candidates
    remain then, those that wrote no bytes to disk are excluded, unless this excludes all of them.
    """
    if not written.keys() >= set(candidates):
        return None
    able = [process for process in candidates if _wrote_record(written[process])]
    if len(able) > 1 and new:
        # The first record of a file changes a disk block. Output to a terminal does not.
        able = [process for process in able if written[process].disk_bytes != 0] or able
    return able[0] if len(able) == 1 else None


def _wrote_record(written: Written) -> bool:
    return written.characters is None or written.characters >= LEAST_RECORD_BYTES


def _difference(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else max(0, now - before)
