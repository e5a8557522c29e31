"""Reads the sessions in the database of one of the user's OpenClaw agents."""

from agtop_exporter.agents.openclaw.records import (
    KNOWN_TYPES,
    Event,
    EventRow,
    NodeRow,
    WindowRow,
)
from agtop_exporter.agents.openclaw.transcript import Transcript
from agtop_exporter.model import SessionUpdate
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import decoder, seconds_of
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.sources import decompressed
from agtop_exporter.reading.sqlite import DatabaseParser
from agtop_exporter.reading.state import ReaderState

EVENTS, WINDOWS, NODES = "transcript_events", "session_windows", "session_nodes"
SUBAGENT = ":subagent:"  # in the key of a session
LABEL_RANK = 3


class DatabaseState(ReaderState):
    """The reader state: the positions in the tables."""

    events: Watermark = Watermark()
    updated: int = 0  # latest `updated_at` of a session


class AgentParser(DatabaseParser[DatabaseState]):
    """The parser of one database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._decode = decoder(Event, batch.errors)
        self._transcripts: dict[str, Transcript] = {}

    def read(self, database: Database) -> None:
        """Read the changed sessions and the new events."""
        self.database = database
        self.state.updated = self.latest(seconds_of, self.state.updated)
        where, values = "updated_at >= ? ORDER BY updated_at", (self.state.updated,)
        for window in database.find(WINDOWS, WindowRow, where=where, values=values):
            self.state.updated = self.latest(seconds_of, self.state.updated, window.updated_at)
            self._describe(window)
        known, last = self.state.events, None
        for rowid, row in database.after(EVENTS, known, EventRow, key="created_at"):
            last = (rowid, str(row.created_at))
            event = self._event(row, rowid)
            if event is not None and row.session_id:
                self._transcript(row.session_id).add(event, rowid)
        if last is not None:
            self.state.events = known.moved_to(*last, reset=database.reset)

    def _event(self, row: EventRow, rowid: int) -> Event | None:
        """Return the decoded event in a row. If it is invalid, count an error and return None."""
        text: str | bytes | None = row.event_json
        if row.event_zstd is not None:
            text, problem = decompressed(row.event_zstd)
            if problem:
                self.batch.error(problem, rowid)
        if not text:
            return None
        return self._decode(memoryview(text) if isinstance(text, bytes) else text, rowid)

    def _describe(self, window: WindowRow) -> SessionUpdate:
        """Update a session from its row, and from the row of its conversation."""
        session = self.batch.session(window.session_id)
        session.model = window.model or session.model
        where, values = "session_key = ?", (window.session_key,)
        for node in self.database.find(NODES, NodeRow, where=where, values=values, limit=1):
            session.set_title(node.label or node.display_name, LABEL_RANK)
            parent = window.spawned_by or node.spawned_by
            session.subagent = bool(parent) or SUBAGENT in window.session_key
            session.parent_session_id = self._current_session(parent) if parent else ""
        return session

    def _current_session(self, key: str) -> str:
        """Return the id of the current session of a conversation; "" if it is unknown."""
        where, values = "session_key = ?", (key,)
        nodes = self.database.find(NODES, NodeRow, where=where, values=values, limit=1)
        return next((node.current_session_id for node in nodes), "")

    def _transcript(self, session_id: str) -> Transcript:
        """Return the transcript of a session, with the known facts about the session."""
        if session_id not in self._transcripts:
            session = self.batch.sessions.get(session_id) or self._described(session_id)
            began, model = self._beginning(session_id), session.model
            self._transcripts[session_id] = Transcript(self, session, began=began, model=model)
        return self._transcripts[session_id]

    def _described(self, session_id: str) -> SessionUpdate:
        where, values = "session_id = ?", (session_id,)
        windows = self.database.find(WINDOWS, WindowRow, where=where, values=values, limit=1)
        return self._describe(next(iter(windows), WindowRow(session_id)))

    def _beginning(self, session_id: str) -> float:
        """Return the time at which a session began, in unix seconds; 0 if it is unknown."""
        where, values = "session_id = ? ORDER BY seq", (session_id,)
        rows = self.database.find(EVENTS, EventRow, where=where, values=values, limit=1)
        first = next((self._event(row, 0) for row in rows), None)
        return first.time if first is not None and first.type == "session" else 0.0
