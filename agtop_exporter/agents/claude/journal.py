"""The reader of workflow journals, which ignores their records.

Claude Code writes journals since version 2.1. A journal is
`<session>/subagents/workflows/<run>/journal.jsonl`. It lists the subagents of a workflow run with
their results, and contains neither usage nor times.
"""

import msgspec

from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

JOURNAL = "journal.jsonl"


class Line(msgspec.Struct):
    """One line of a journal. No member of the line is decoded."""


class JournalParser(RecordParser[Line, NoState]):
    """The parser of a journal. It ignores all records.

    The parser exists so that the journal is not reported as an unread file.
    """

    record = Line
    state_type = NoState

    def feed(self, record: Line, offset: int) -> None:
        """Ignore the record."""
