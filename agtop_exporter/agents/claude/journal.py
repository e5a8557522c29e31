"""The reader of files beside the transcripts that contain no usage. It ignores their records.

A workflow journal is `<session>/subagents/workflows/<run>/journal.jsonl`. Claude Code writes
journals since version 2.1. A journal lists the subagents of a workflow run with their results.

A resume head is `<session>/resume-head.jsonl`. Claude Code 2.1.332 writes it beside a transcript
with more than 4 MB before its latest compaction. It has positions in the transcript.
"""

import msgspec

from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

NO_TRANSCRIPTS = frozenset({"journal.jsonl", "resume-head.jsonl"})


class Line(msgspec.Struct):
    """One line of such a file. No member of the line is decoded."""


class JournalParser(RecordParser[Line, NoState]):
    """The parser of such a file. It ignores all records.

    The parser exists so that the file is not reported as an unread file.
    """

    record = Line
    state_type = NoState

    def feed(self, record: Line, offset: int) -> None:
        """Ignore the record."""
