"""Reads Antigravity's conversations: databases of newer versions have every response's tokens.

Those of older versions (`.pb`) are encrypted: that they exist, and when they were written to, is
all that is known.
"""

from pathlib import Path

import msgspec

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.agents.antigravity.state import EARLIEST, LATEST, NAME, NANOSECONDS
from agtop_exporter.decoding import MAX_COUNT, Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.file_group import FileGroup
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent
from agtop_exporter.tail_sqlite import Database, TableRow, Watermark

TABLE = "gen_metadata"
REOPENED = 8  # of the latest rows, which may still be changed in place
# Fields of a row: the chat model, and of that the usage, what is known of the generation (with its
# time) and the names of the model, the best first.
CHAT_MODEL, USAGE, GENERATION, TIME = 1, 4, 9, 4
MODEL_NAMES = (19, 21, 3)
# Fields of the usage.
SYSTEM_INPUT, INPUT, OUTPUT, CACHE_READ, TEXT, THINKING, RESPONSE_ID = 1, 2, 3, 5, 9, 10, 11


class Row(TableRow):
    """One response."""

    idx: int = 0
    data: object = None


class Identity(TableRow):
    """Whose database it is."""

    cascade_id: str = ""


class Memory(msgspec.Struct, array_like=True):
    """How far the table has been read."""

    watermark: Watermark = Watermark()
    open: list[int] = []
    model: str = ""
    latest: float = 0.0


class _Reader:
    """Turns the rows of one conversation into events and one session update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        self.memory = memory
        self.errors = errors
        self.session = SessionUpdate(session_id=Path(path).stem, data_path=path)
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes()  # rows without a chat model, by their first field

    def read(self, database: Database) -> None:
        """Read whose it is, the rows that may have changed, and the new ones."""
        for identity in database.find("trajectory_meta", Identity, where="1", values=(), limit=1):
            self.session.session_id = identity.cascade_id or self.session.session_id
        opened = self.memory.open
        if opened:
            marks = ",".join("?" * len(opened))
            for row in database.find(TABLE, Row, where=f"idx IN ({marks})", values=opened):
                self._take(row)
        last = None
        for rowid, row in database.after(TABLE, self.memory.watermark, Row, key="idx"):
            last = (rowid, str(row.idx))
            self._take(row)
            self.memory.open = [*self.memory.open, row.idx][-REOPENED:]
        if last is not None:
            base = Watermark() if database.reset else self.memory.watermark
            self.memory.watermark = base.moved_to(*last)

    def _take(self, row: Row) -> None:
        if not isinstance(row.data, bytes):
            return
        try:
            fields = protobuf.fields(row.data)
        except ValueError:
            self.errors.add("schema", row.idx)
            return
        if CHAT_MODEL not in fields:
            self.unknown.see(f"field.{min(fields)}" if fields else "")
        chat_model = protobuf.message_at(fields, CHAT_MODEL)
        names = (protobuf.text(chat_model, field).strip() for field in MODEL_NAMES)
        self.memory.model = next(filter(None, names), self.memory.model)
        usage = protobuf.message_at(chat_model, USAGE)
        tokens = token_counts(usage)
        if tokens is None:
            self.errors.add("schema", row.idx)
        elif tokens.total:
            response = protobuf.text(usage, RESPONSE_ID) or str(row.idx)
            self._respond(response, moment(chat_model), tokens)

    def _respond(self, response: str, time: float, tokens: TokenCounts) -> None:
        session, memory = self.session, self.memory
        memory.latest = max(memory.latest, time)
        if memory.latest:
            session.seen(time or memory.latest)
        session.model = memory.model
        session.context_used_tokens = tokens.total
        session.context_peak_tokens = max(tokens.total, session.context_peak_tokens or 0)
        self.events.append(
            UsageEvent(
                key=f"{session.session_id}:{response}",
                session_id=session.session_id,
                time=time or memory.latest,
                model=memory.model,
                tokens=tokens,
                requests=1,
            )
        )


def token_counts(usage: Fields) -> TokenCounts | None:
    """Make the counts disjoint: they are so already, but for thinking, which is output.

    None where the output is not the sum of its parts: then the numbers mean something else.
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
    """Return the time of a response; 0 where it does not say."""
    time = protobuf.message_at(protobuf.message_at(chat_model, GENERATION), TIME)
    seconds = protobuf.number(time, 1)
    if not EARLIEST < seconds < LATEST:
        return 0.0
    return seconds + protobuf.number(time, 2) % NANOSECONDS / NANOSECONDS


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one conversation. Raises OSError."""
    return _read_database(path, cursor) if path.endswith(".db") else _look_at(path)


def _read_database(path: str, cursor: Cursor) -> Batch:
    errors = Errors(path)
    with Database(path, cursor, errors=errors) as database:
        if database.unchanged:
            return Batch(agent=NAME, path=path, cursor=cursor)
        memory = msgspec.msgpack.decode(cursor.state, type=Memory) if cursor.state else Memory()
        reader = _Reader(path, memory, errors)
        reader.read(database)
    return Batch(
        agent=NAME,
        path=path,
        cursor=database.cursor(msgspec.msgpack.encode(memory)),
        events=tuple(reader.events),
        sessions=(reader.session,) if memory.open else (),
        errors=errors.all(),
        unknown=reader.unknown.all(),
        records=database.records,
        bytes_read=database.bytes_read,
        reset=database.reset,
        more=database.more,
    )


def _look_at(path: str) -> Batch:
    """Tell of a conversation that cannot be read when it was last written to."""
    now = FileGroup(path).cursor()
    written = now.mtime_ns / NANOSECONDS
    session = SessionUpdate(session_id=Path(path).stem.lower(), data_path=path, last_active=written)
    return Batch(agent=NAME, path=path, cursor=now, sessions=(session,))
