"""Reads the tokens that Cursor's application keeps: a key-value table of conversations.

Of the table with the settings only the kind of subscription is looked at: it also has credentials.
"""

from collections.abc import Iterator

import msgspec

from agtop_exporter.agents.cursor.transcripts import NAME, seconds
from agtop_exporter.decoding import Count, Errors, Moment, decoder
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent
from agtop_exporter.tail_sqlite import Database, TableRow, Watermark

TABLE = "cursorDiskKV"
SETTINGS = "ItemTable"
MEMBERSHIP = "cursorAuth/stripeMembershipType"
CONVERSATION, BUBBLE = "composerData:", "bubbleId:"
NAME_RANK = 5
KNOWN_TYPES = frozenset({"bubble.1", "bubble.2"})  # of the user, of the model
REMEMBERED = 128  # rows that may still be changed in place
SUBSCRIPTIONS = {
    "free": "Free",
    "free_trial": "Free Trial",
    "pro": "Pro",
    "pro_plus": "Pro+",
    "ultra": "Ultra",
    "enterprise": "Enterprise",
}


class Key(TableRow):
    """The key of a row: most have values that are long and of no use here."""

    key: str = ""


class Value(TableRow):
    """The value of a row: text, or its bytes."""

    value: object = None


class ModelChoice(msgspec.Struct, rename="camel"):
    """The model of a conversation, or of one answer."""

    model_name: str | None = None


class Breakdown(msgspec.Struct, rename="camel"):
    """What the context holds."""

    total_used_tokens: Count | None = None


class Conversation(msgspec.Struct, rename="camel"):
    """The value of `composerData:<id>`."""

    name: str | None = None
    created_at: Moment | float | None = None
    last_updated_at: Moment | float | None = None
    model_config: ModelChoice | None = None
    context_tokens_used: Count | None = None
    context_token_limit: Count | None = None
    prompt_token_breakdown: Breakdown | None = None


class TokenCount(msgspec.Struct, rename="camel"):
    """The tokens of an answer; both 0 where Cursor has not told."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0


class Bubble(msgspec.Struct, rename="camel"):
    """The value of `bubbleId:<conversation>:<bubble>`: one message."""

    type: int | None = None
    created_at: Moment | float | None = None
    model_info: ModelChoice | None = None
    token_count: TokenCount | None = None


class Memory(msgspec.Struct, array_like=True):
    """How far the table has been read, and which rows may still change."""

    watermark: Watermark = Watermark()
    open: list[str] = []


class _Reader:
    """Turns rows into events and session updates."""

    def __init__(self, database: Database, memory: Memory, errors: Errors) -> None:
        self.database = database
        self.memory = memory
        self.events: list[UsageEvent] = []
        self.sessions: dict[str, SessionUpdate] = {}
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self._conversation = decoder(Conversation, errors)
        self._bubble = decoder(Bubble, errors)
        self._known: dict[str, Conversation] = {}

    def read(self) -> None:
        """Read the rows that may have changed, then the new ones."""
        opened, self.memory.open = self.memory.open, []
        for key in opened:
            self._take(key)
        watermark = self.memory.watermark
        last = None
        for rowid, row in self.database.after(TABLE, watermark, Key, key="key"):
            last = (rowid, row.key)
            if row.key not in opened:
                self._take(row.key)
        if last is not None:
            base = Watermark() if self.database.reset else watermark
            self.memory.watermark = base.moved_to(*last)
        plan = self._subscription()
        for session in self.sessions.values():
            session.subscription = plan

    def _take(self, key: str) -> None:
        if key.startswith(CONVERSATION):
            self._describe(key.removeprefix(CONVERSATION))
        elif key.startswith(BUBBLE) and key.count(":") == BUBBLE.count(":") + 1:
            _, conversation_id, _ = key.split(":")
            self._answer(conversation_id, key)
        else:
            return
        self.memory.open = [*self.memory.open, key][-REMEMBERED:]

    def _value(self, table: str, key: str) -> memoryview | None:
        rows: Iterator[Value] = self.database.find(
            table, Value, where="key = ?", values=(key,), limit=1
        )
        for row in rows:
            text = row.value.encode() if isinstance(row.value, str) else row.value
            return memoryview(text) if isinstance(text, bytes) else None
        return None

    def _session(self, session_id: str) -> SessionUpdate:
        update = SessionUpdate(session_id=session_id, data_path=self.database.path)
        return self.sessions.setdefault(session_id, update)

    def _look_up(self, session_id: str) -> Conversation:
        if session_id not in self._known:
            value = self._value(TABLE, CONVERSATION + session_id)
            found = self._conversation(value, 0) if value is not None else None
            self._known[session_id] = found or Conversation()
        return self._known[session_id]

    def _describe(self, session_id: str) -> None:
        conversation, session = self._look_up(session_id), self._session(session_id)
        for moment in (conversation.created_at, conversation.last_updated_at):
            if time := seconds(moment):
                session.seen(time)
        session.entitle(conversation.name or "", NAME_RANK)
        model, breakdown = conversation.model_config, conversation.prompt_token_breakdown
        used = conversation.context_tokens_used
        used = used or (breakdown.total_used_tokens if breakdown else None) or None
        session.model = (model.model_name if model else None) or session.model
        session.context_used_tokens = session.context_peak_tokens = used
        session.context_window_tokens = conversation.context_token_limit or None

    def _answer(self, session_id: str, key: str) -> None:
        value = self._value(TABLE, key)
        bubble = self._bubble(value, 0) if value is not None else None
        if bubble is None:
            return
        if bubble.type is not None:
            self.unknown.see(f"bubble.{bubble.type}")
        tokens = token_counts(bubble.token_count)
        if not tokens.total:
            return  # not told is not nothing
        conversation = self._look_up(session_id)
        own, default = bubble.model_info, conversation.model_config
        model = (own.model_name if own else None) or (default.model_name if default else None)
        told = (bubble.created_at, conversation.last_updated_at, conversation.created_at)
        time = next(filter(None, map(seconds, told)), 0.0)
        self.events.append(
            UsageEvent(
                key=key,
                session_id=session_id,
                time=time,
                model=model or "",
                tokens=tokens,
                requests=1,
            )
        )
        session = self._session(session_id)
        if time:
            session.seen(time)

    def _subscription(self) -> str:
        value = self._value(SETTINGS, MEMBERSHIP) if self.sessions else None
        plan = value.tobytes().decode("utf-8", "replace").strip().strip('"') if value else ""
        return SUBSCRIPTIONS.get(plan.lower(), plan)


def token_counts(count: TokenCount | None) -> TokenCounts:
    """Return the counts; Cursor tells neither cached nor reasoning tokens apart."""
    if count is None:
        return TokenCounts()
    return TokenCounts(input=count.input_tokens or 0, output=count.output_tokens or 0)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in the database. Raises OSError."""
    errors = Errors(path)
    with Database(path, cursor, errors=errors) as database:
        if database.unchanged:
            return Batch(agent=NAME, path=path, cursor=cursor)
        memory = msgspec.msgpack.decode(cursor.state, type=Memory) if cursor.state else Memory()
        reader = _Reader(database, memory, errors)
        reader.read()
    return Batch(
        agent=NAME,
        path=path,
        cursor=database.cursor(msgspec.msgpack.encode(memory)),
        events=tuple(reader.events),
        sessions=tuple(reader.sessions.values()),
        errors=errors.all(),
        unknown=reader.unknown.all(),
        records=database.records,
        bytes_read=database.bytes_read,
        reset=database.reset,
        more=database.more,
    )
