"""Reads Antigravity's conversations. In newer versions these are databases with all tokens.

Those of older versions (`.pb`) are encrypted; only their existence and modification time are known.
"""

from pathlib import Path

import msgspec

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.agents.antigravity.state import EARLIEST, LATEST, NAME, NANOSECONDS
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import MAX_COUNT
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.rows import TableRow, Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

TABLE = "gen_metadata"
REOPENED = 8  # the latest rows, which may still be changed in place
# A row has the chat model. The chat model has the usage, the generation (with its time) and the
# names of the model, the most exact first.
CHAT_MODEL, USAGE, GENERATION, TIME = 1, 4, 9, 4
MODEL_NAMES = (19, 21, 3)
# Fields of the usage.
SYSTEM_INPUT, INPUT, OUTPUT, CACHE_READ, TEXT, THINKING, RESPONSE_ID = 1, 2, 3, 5, 9, 10, 11


class Row(TableRow):
    """One response."""

    idx: int = 0
    data: object = None


class Identity(TableRow):
    """The id of the conversation."""

    cascade_id: str = ""


class ConversationState(ReaderState):
    """How far the table has been read, and which rows may still change."""

    watermark: Watermark = Watermark()
    open: list[int] = msgspec.field(default_factory=list)
    model: str = ""
    latest: float = 0.0  # unix seconds


class ConversationParser(DatabaseParser[ConversationState]):
    """The parser of one conversation. Unknown types are rows without a chat model."""

    state_type = ConversationState

    def read(self, database: Database) -> None:
        """Read the session id, the rows that may have changed, and the new ones."""
        state = self.state
        session_id = Path(self.path).stem
        for identity in database.find("trajectory_meta", Identity, where="1", values=(), limit=1):
            session_id = identity.cascade_id or session_id
        session = self.batch.session(session_id)
        if opened := state.open:
            marks = ",".join("?" * len(opened))
            for row in database.find(TABLE, Row, where=f"idx IN ({marks})", values=opened):
                self._read_row(row, session)
        last = None
        for rowid, row in database.after(TABLE, state.watermark, Row, key="idx"):
            last = (rowid, str(row.idx))
            self._read_row(row, session)
            state.open = [*state.open, row.idx][-REOPENED:]
        if last is not None:
            base = Watermark() if database.reset else state.watermark
            state.watermark = base.moved_to(*last)
        if not state.open:  # a conversation without rows is no session
            self.batch.sessions.clear()

    def _read_row(self, row: Row, session: SessionUpdate) -> None:
        if not isinstance(row.data, bytes):
            return
        try:
            fields = protobuf.fields(row.data)
        except ValueError:
            self.batch.error("schema", row.idx)
            return
        if CHAT_MODEL not in fields:
            self.batch.unknown.observe(f"field.{min(fields)}" if fields else "")
        chat_model = protobuf.message_at(fields, CHAT_MODEL)
        names = (protobuf.text(chat_model, field).strip() for field in MODEL_NAMES)
        self.state.model = next(filter(None, names), self.state.model)
        usage = protobuf.message_at(chat_model, USAGE)
        tokens = token_counts(usage)
        if tokens is None:
            self.batch.error("schema", row.idx)
        elif tokens.total:
            response = protobuf.text(usage, RESPONSE_ID) or str(row.idx)
            self._add_response(session, response, moment(chat_model), tokens)

    def _add_response(
        self, session: SessionUpdate, response: str, time: float, tokens: TokenCounts
    ) -> None:
        state = self.state
        state.latest = max(state.latest, time)
        if state.latest:
            session.observe_time(time or state.latest)
        session.model = state.model
        session.context_used_tokens = tokens.total
        session.context_peak_tokens = max(tokens.total, session.context_peak_tokens or 0)
        self.batch.event(
            f"{session.session_id}:{response}",
            session_id=session.session_id,
            time=time or state.latest,
            model=state.model,
            tokens=tokens,
            requests=1,
        )


def token_counts(usage: Fields) -> TokenCounts | None:
    """Return disjoint counts; the fields are disjoint except for thinking, which is output.

    None if the output is not the sum of its parts, because the fields then mean something else.
    """
    wanted = (SYSTEM_INPUT, INPUT, OUTPUT, CACHE_READ, TEXT, THINKING)
    counts = {field: protobuf.number(usage, field) for field in wanted}
    parts = counts[TEXT] + counts[THINKING]
    if max(counts.values()) > MAX_COUNT or (parts and counts[OUTPUT] not in (0, parts)):
        return None
    return TokenCounts(
        input=counts[SYSTEM_INPUT] + counts[INPUT],
        cache_read=counts[CACHE_READ],
        output=counts[OUTPUT] or parts,
        reasoning=counts[THINKING],
    )


def moment(chat_model: Fields) -> float:
    """Return the time of a response in unix seconds; 0 if it has none."""
    time = protobuf.message_at(protobuf.message_at(chat_model, GENERATION), TIME)
    seconds = protobuf.number(time, 1)
    if not EARLIEST < seconds < LATEST:
        return 0.0
    return seconds + protobuf.number(time, 2) % NANOSECONDS / NANOSECONDS


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one conversation. Raises OSError."""
    if path.endswith(".db"):
        return read_sqlite(NAME, ConversationParser, path, cursor)
    return _read_time(path)


def _read_time(path: str) -> Batch:
    """Return the session of an encrypted conversation, with the time when it was last written."""
    now = FileGroup(path).cursor()
    batch = BatchBuilder(NAME, path)
    batch.session(Path(path).stem.lower(), last_active=now.mtime_ns / NANOSECONDS)
    return batch.build(now)
