"""The journal of a workflow, `<session>/subagents/workflows/<run>/journal.jsonl` (2.1).

It lists the subagents of a run with their results. It has neither usage nor times.
"""

import msgspec

from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

JOURNAL = "journal.jsonl"


class Line(msgspec.Struct):
    """One line; no member is used."""


class JournalParser(RecordParser[Line, NoState]):
    """Reads a journal without using it, so that the file is not reported as unread."""

    record = Line
    state_type = NoState

    def feed(self, record: Line, offset: int) -> None:
        """Ignore the record."""
