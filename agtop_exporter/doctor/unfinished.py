"""Finds files that end with an incomplete record and have not changed for an hour."""

from collections.abc import Mapping

from agtop_exporter.model import NANOSECONDS, Cursor
from agtop_exporter.reading.sources import is_at_end

QUIET_SECONDS = 3600.0  # time without a change after which a record counts as incomplete


def unfinished_records(cursors: Mapping[str, Cursor], *, now: float) -> list[str]:
    """Return the position of each incomplete record: path and byte offset, `/home/a.jsonl:8812`.

    `cursors` maps the paths of an agent's files to the read positions. `now` is in unix seconds.
    The unread bytes at the end of a file are an incomplete record if the file has not changed for
    QUIET_SECONDS.
    """
    return [
        f"{path}:{cursor.offset}"
        for path, cursor in sorted(cursors.items())
        if not is_at_end(path, cursor) and cursor.mtime_ns / NANOSECONDS < now - QUIET_SECONDS
    ]
