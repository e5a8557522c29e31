"""Reads transcripts of Gemini CLI: JSON Lines, and the JSON documents of older versions."""

from agtop_exporter.agents.gemini.chat import NAME, ChatReader, ChatState
from agtop_exporter.agents.gemini.records import KNOWN_TYPES, Conversation, Record
from agtop_exporter.model import Batch, Cursor, Signal
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState


class LineParser(RecordParser[Record, ChatState]):
    """The parser of a transcript in JSON Lines format."""

    record = Record
    state_type = ChatState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: ChatState) -> None:
        super().__init__(batch, state)
        self.chat = ChatReader(batch, state)
        self.is_empty = True

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it."""
        chat, self.is_empty = self.chat, False
        chat.describe(record, offset)
        if record.change is not None:
            chat.describe(record.change, offset)
            chat.add_compactions(record.change.messages or ())
            for index, message in enumerate(record.change.messages or ()):
                chat.add_message(message, f"{offset}.{index}", repeated=True)
        if record.rewind_to is not None:
            chat.session.signal = Signal("idle", "", "gemini.rewind")
        for index, message in enumerate(record.messages or ()):
            chat.add_message(message, f"{offset}.{index}")
        if record.type or not record.is_about_session:
            chat.add_message(record, str(offset))

    def finish(self) -> None:
        """Complete the session if this read had any record."""
        if not self.is_empty:
            self.chat.finish()


class DocumentParser(RecordParser[Conversation, NoState]):
    """The parser of a transcript that is one JSON document, as written by older versions."""

    record = Conversation
    state_type = NoState
    known_types = KNOWN_TYPES

    def feed(self, record: Conversation, offset: int) -> None:
        """Process the document; each of its messages counts as a record."""
        chat = ChatReader(self.batch, ChatState())
        chat.describe(record, offset)
        messages = record.messages or ()
        for index, message in enumerate(messages):
            chat.add_message(message, str(index))
        chat.finish()
        self.batch.records = len(messages)


def read(path: str, cursor: Cursor) -> Batch:
    """Read one transcript after a cursor. Raises OSError."""
    if path.endswith(".json"):
        return read_document(NAME, DocumentParser, path, cursor)
    return read_jsonl(NAME, LineParser, path, cursor)
