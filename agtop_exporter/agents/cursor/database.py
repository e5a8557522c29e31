"""Reads the tokens that Cursor's application keeps: a key-value table of conversations.

Of the settings only the kind of subscription is read, because they also have credentials.
"""

import msgspec

from agtop_exporter.agents.cursor.transcripts import NAME, seconds
from agtop_exporter.model import Batch, Cursor, TokenCounts
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Count, Moment, decoder
from agtop_exporter.reading.rows import TableRow, Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

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
    """The key of a row; most values are long and not used."""

    key: str = ""


class Value(TableRow):
    """The value of a row: text, or its bytes."""

    value: object = None


class ModelChoice(msgspec.Struct, rename="camel"):
    """The model of a conversation or of one answer."""

    model_name: str | None = None


class Breakdown(msgspec.Struct, rename="camel"):
    """The tokens in the context."""

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
    """The tokens of an answer; both are 0 if Cursor does not know them."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0


class Bubble(msgspec.Struct, rename="camel"):
    """The value of `bubbleId:<conversation>:<bubble>`: one message."""

    type: int | None = None
    created_at: Moment | float | None = None
    model_info: ModelChoice | None = None
    token_count: TokenCount | None = None


class DatabaseState(ReaderState):
    """How far the table has been read, and which rows may still change."""

    watermark: Watermark = Watermark()
    open: list[str] = msgspec.field(default_factory=list)


class ApplicationParser(DatabaseParser[DatabaseState]):
    """The parser of the application's database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._conversation = decoder(Conversation, batch.errors)
        self._bubble = decoder(Bubble, batch.errors)
        self._known: dict[str, Conversation] = {}

    def read(self, database: Database) -> None:
        """Read the rows that may have changed, then the new ones."""
        opened, self.state.open = self.state.open, []
        for key in opened:
            self._read_row(database, key)
        watermark = self.state.watermark
        last = None
        for rowid, row in database.after(TABLE, watermark, Key, key="key"):
            last = (rowid, row.key)
            if row.key not in opened:
                self._read_row(database, row.key)
        if last is not None:
            base = Watermark() if database.reset else watermark
            self.state.watermark = base.moved_to(*last)
        plan = subscription(database) if self.batch.sessions else ""
        for session in self.batch.sessions.values():
            session.subscription = plan

    def _read_row(self, database: Database, key: str) -> None:
        if key.startswith(CONVERSATION):
            self._describe(database, key.removeprefix(CONVERSATION))
        elif key.startswith(BUBBLE) and key.count(":") == BUBBLE.count(":") + 1:
            _, conversation_id, _ = key.split(":")
            self._add_response(database, conversation_id, key)
        else:
            return
        self.state.open = [*self.state.open, key][-REMEMBERED:]

    def _look_up(self, database: Database, session_id: str) -> Conversation:
        if session_id not in self._known:
            value = value_of(database, TABLE, CONVERSATION + session_id)
            found = self._conversation(value, 0) if value is not None else None
            self._known[session_id] = found or Conversation()
        return self._known[session_id]

    def _describe(self, database: Database, session_id: str) -> None:
        """Use the facts of a conversation."""
        conversation = self._look_up(database, session_id)
        session = self.batch.session(session_id)
        for moment in (conversation.created_at, conversation.last_updated_at):
            if time := seconds(moment):
                session.observe_time(time)
        session.set_title(conversation.name or "", NAME_RANK)
        model, breakdown = conversation.model_config, conversation.prompt_token_breakdown
        used = conversation.context_tokens_used
        used = used or (breakdown.total_used_tokens if breakdown else None) or None
        session.model = (model.model_name if model else None) or session.model
        session.context_used_tokens = session.context_peak_tokens = used
        session.context_window_tokens = conversation.context_token_limit or None

    def _add_response(self, database: Database, session_id: str, key: str) -> None:
        """Add an answer that has tokens; one without may have been billed, but is unknown."""
        value = value_of(database, TABLE, key)
        bubble = self._bubble(value, 0) if value is not None else None
        if bubble is None:
            return
        if bubble.type is not None:
            self.batch.unknown.observe(f"bubble.{bubble.type}")
        tokens = token_counts(bubble.token_count)
        if not tokens.total:
            return
        conversation = self._look_up(database, session_id)
        own, default = bubble.model_info, conversation.model_config
        model = (own.model_name if own else None) or (default.model_name if default else None)
        times = (bubble.created_at, conversation.last_updated_at, conversation.created_at)
        time = next(filter(None, map(seconds, times)), 0.0)
        self.batch.event(
            key, session_id=session_id, time=time, model=model or "", tokens=tokens, requests=1
        )
        session = self.batch.session(session_id)
        if time:
            session.observe_time(time)


def value_of(database: Database, table: str, key: str) -> memoryview | None:
    """Return the value of a key as bytes; None if there is none, or it is no text."""
    for row in database.find(table, Value, where="key = ?", values=(key,), limit=1):
        text = row.value.encode() if isinstance(row.value, str) else row.value
        return memoryview(text) if isinstance(text, bytes) else None
    return None


def subscription(database: Database) -> str:
    """Return the name of the subscription; "" if unknown."""
    value = value_of(database, SETTINGS, MEMBERSHIP)
    plan = value.tobytes().decode("utf-8", "replace").strip().strip('"') if value else ""
    return SUBSCRIPTIONS.get(plan.lower(), plan)


def token_counts(count: TokenCount | None) -> TokenCounts:
    """Return the counts; Cursor has no separate figures for cached and reasoning tokens."""
    if count is None:
        return TokenCounts()
    return TokenCounts(input=count.input_tokens or 0, output=count.output_tokens or 0)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in the database. Raises OSError."""
    return read_sqlite(NAME, ApplicationParser, path, cursor)
