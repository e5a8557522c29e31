"""Reads the files of OpenClaw's sessions: transcripts of older versions, and archives."""

from pathlib import Path

from agtop_exporter.agents.openclaw.records import KNOWN_TYPES, Event, Line
from agtop_exporter.agents.openclaw.transcript import Transcript
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import decoder
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState

SUFFIX = ".jsonl"  # the session id precedes it in the name of a file


class FileState(ReaderState):
    """The reader state of one file. Times are in unix seconds."""

    session_id: str = ""
    began: float = 0.0
    latest: float = 0.0
    model: str = ""


class FileParser(RecordParser[Line, FileState]):
    """The parser of one file, which has the events of one session."""

    record = Line
    state_type = FileState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: FileState) -> None:
        super().__init__(batch, state)
        session = batch.session(state.session_id, last_active=state.latest or None)
        self.transcript = Transcript(self, session, began=state.began, model=state.model)
        self.transcript.time = state.latest
        self._archived = decoder(Event, batch.errors)

    def feed(self, record: Line, offset: int) -> None:
        """Process one line; `offset` is the byte offset after it."""
        event: Event | None = record
        if record.kind:
            text = record.row.event_json if record.row else ""
            event = self._archived(text, offset) if text else None
        self._select_session(record, event)
        if event is not None:
            self.transcript.add(event, offset)
        self._keep()

    def _select_session(self, record: Line, event: Event | None) -> None:
        """Set the id of the session, from the first line or from the name of the file."""
        state = self.state
        header = event.id if event is not None and event.type == "session" else ""
        if not state.session_id:
            stem = Path(self.path).name.partition(SUFFIX)[0]
            # The name of an imported file begins with the key of the session and a dot.
            state.session_id = record.session_id or header or stem.rpartition(".")[2]
        self.transcript.session.session_id = state.session_id

    def _keep(self) -> None:
        """Store the data that the next read needs in the reader state."""
        transcript = self.transcript
        self.state.began = transcript.began
        self.state.model = transcript.model
        self.state.latest = max(self.state.latest, transcript.time)
