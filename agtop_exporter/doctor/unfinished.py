"""Finds files that end with half a record and that nobody writes to any more."""

from collections.abc import Mapping

from agtop_exporter.model import Cursor

QUIET_SECONDS = 3600.0  # after this time without a change, the record will not be completed
NANOSECONDS = 1e9


def unfinished_records(cursors: Mapping[str, Cursor], *, now: float) -> list[str]:
    """Return where the half records begin, as path and byte offset: `/home/ada/a.jsonl:8812`.

    `cursors` are the read positions of an agent's files by path, `now` is in unix seconds. Whatever
    follows the position of a file that was read to its end is half a record.
    """
    return [
        f"{path}:{cursor.offset}"
        for path, cursor in sorted(cursors.items())
        if cursor.offset < cursor.size and cursor.mtime_ns / NANOSECONDS < now - QUIET_SECONDS
    ]
