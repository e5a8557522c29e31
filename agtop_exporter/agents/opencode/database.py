"""OpenCode from 1.2 on: `opencode.db`, a SQLite database of all sessions.

Reads no table of accounts, credentials or shares, and not the event log, which repeats messages.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents.opencode.events import (
    CALLED,
    NAME,
    UNSETTLED,
    Context,
    Sightings,
    compaction_event,
    is_copy,
    prompt_event,
    signal_of,
    token_counts,
    tool_event,
    typed_text,
    unnamed_call,
    usage_event,
)
from agtop_exporter.agents.opencode.limits import rate_limits
from agtop_exporter.agents.opencode.records import (
    KNOWN_TYPES,
    Message,
    Model,
    Part,
    Times,
    seconds,
)
from agtop_exporter.agents.opencode.rows import MessageRow, PartRow, SessionRow, as_context
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.decoding import Errors, decoder
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, RateLimit, UsageEvent
from agtop_exporter.tail_sqlite import Database, Watermark

SESSIONS = ("session", "session_v2")  # OpenCode 2 renamed them
MESSAGES = ("message", "session_message")
REMEMBERED = 256  # rows that are still being written
WAITING = 64
FIRST_MESSAGES = 20  # among them is the prompt that chose the effort
MESSAGE_PARTS = 64
LONG_PARTS = ('{"type":"text"', '{"type":"reasoning"', '{"type":"file"')  # of no use here


Row = TypeVar("Row", SessionRow, MessageRow, PartRow)


class Memory(msgspec.Struct, array_like=True):
    """How far the tables have been read, and which rows will still change."""

    updated: float = 0.0  # milliseconds: the latest change of a session
    rows: dict[str, Watermark] = {}
    open: dict[str, list[str]] = {}  # ids by table
    waiting: dict[str, list[str]] = {}  # the same of rows whose session is not there yet


class _Reader:
    """Turns the new rows into events and session updates."""

    def __init__(self, database: Database, memory: Memory, errors: Errors) -> None:
        self.database = database
        self.memory = memory
        accounts = provider_accounts(Path(database.path).parent)
        self.sightings = Sightings(database.path, accounts, errors)
        self.events: list[UsageEvent] = []
        self.limits: dict[str, RateLimit] = {}
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self._errors = errors
        self._contexts: dict[str, Context | None] = {}
        self._message = decoder(Message, errors)
        self._part = decoder(Part, errors)
        self._model = decoder(Model, errors)

    def read(self) -> None:
        """Read all tables, as far as the batch goes."""
        if not any(map(self.database.columns, MESSAGES)) and not self._errors.all():
            self.unknown.see("no-message-table")
        self._sessions()
        for table in MESSAGES:
            for row in self._rows(table, MessageRow):
                message = self._decoded(row)
                if message is not None and row.session_id:
                    self._take(row, message, table)
        for part in self._rows("part", PartRow):
            if not part.data.startswith(LONG_PARTS):
                self._take_part(part)
        filled = [table for table in MESSAGES if not self.database.is_empty(table)]
        for session_id in tuple(self.sightings.sessions):
            self._conclude(session_id, filled)

    def _rows(self, table: str, kind: type[Row]) -> Iterator[Row]:
        """Give the rows that were unfinished, then the new ones."""
        ids = [*self.memory.open.pop(table, ()), *self.memory.waiting.pop(table, ())]
        marks = ",".join("?" * len(ids))
        if ids:
            yield from self.database.find(table, kind, where=f"id IN ({marks})", values=ids)
        if self.database.more:
            return
        watermark = self.memory.rows.get(table, Watermark())
        last = (0, "")
        for rowid, row in self.database.after(table, watermark, kind):
            last = (rowid, row.id)
            yield row
        if self.database.reset:
            watermark = Watermark()
        if last[0]:
            self.memory.rows[table] = watermark.moved_to(*last)

    def _remember(self, table: str, row_id: str) -> None:
        self.memory.open[table] = [*self.memory.open.get(table, ()), row_id][-REMEMBERED:]

    def _placed(self, table: str, row_id: str, session_id: str) -> Context | None:
        """Return what is known of a row's session; None where the row must wait for it.

        OpenCode writes the session first, so few rows can wait for anything that will come.
        """
        context = self._context(session_id)
        waiting = self.memory.waiting.setdefault(table, [])
        if context is None and len(waiting) < WAITING:
            waiting.append(row_id)
            return None
        self.sightings.session(session_id)
        return context or Context(session_id)

    # --- sessions ---------------------------------------------------------------------------

    def _sessions(self) -> None:
        """Describe the sessions that are new, be they old ones that were imported, or changed."""
        since = self.memory.updated
        for table in SESSIONS:
            known = table in self.memory.rows
            for row in self._rows(table, SessionRow):
                self._describe(row)
            if known or self.database.more:  # else all of them are new
                timed = "time_updated" in self.database.columns(table)
                where, values = ("time_updated >= ?", (since,)) if timed else ("1", ())
                for row in self.database.find(table, SessionRow, where=where, values=values):
                    self._describe(row)

    def _describe(self, row: SessionRow) -> None:
        updated = seconds(row.time_updated)
        if updated is not None:
            self.memory.updated = max(self.memory.updated, row.time_updated or 0.0)
        if not row.id:
            return
        context = as_context(row)
        self._contexts.setdefault(row.id, context)
        self.sightings.describe(
            context,
            directory=row.directory,
            title=row.title,
            created=seconds(row.time_created),
            updated=updated,
        )
        model = self._model(row.model, 0) if row.model[:1] == "{" else None
        if model is not None:
            session = self.sightings.session(row.id)
            session.model = model.id or model.model_id or ""
            session.model_effort = "" if model.variant == "default" else model.variant or ""

    def _context(self, session_id: str) -> Context | None:
        if session_id not in self._contexts:
            self._contexts[session_id] = self._looked_up(session_id)
        return self._contexts[session_id]

    def _looked_up(self, session_id: str) -> Context | None:
        for table in SESSIONS:
            for row in self.database.find(
                table, SessionRow, where="id = ?", values=(session_id,), limit=1
            ):
                return as_context(row)
        return None

    # --- messages and parts -----------------------------------------------------------------

    def _decoded(self, row: MessageRow) -> Message | None:
        message = self._message(row.data, 0)
        if message is not None:
            message.role = message.role or row.type
            message.time = message.time or Times()
            message.time.created = message.time.created or row.time_created
        return message

    def _take(self, row: MessageRow, message: Message, table: str) -> None:
        context = self._placed(table, row.id, row.session_id)
        if context is None:
            return
        self.unknown.see(message.role or "")
        if message.role == "user":
            self._prompt(row, message, context, table)
        elif message.role == "compaction":
            self.events.append(compaction_event(context, row.id, message.created))
        elif message.role == "assistant":
            self._answer(row, message, context, table)

    def _answer(self, row: MessageRow, message: Message, context: Context, table: str) -> None:
        if message.open:
            self._remember(table, row.id)
        counts = token_counts(message, context)
        self.sightings.answered(message, context, counts)
        event = usage_event(message, context, row.id, counts)
        if event is not None:
            self.events.append(event)
        if message.content is not None or self.database.columns("part"):
            for part in message.content or ():
                self._call(part, context, row.id, message.created)
        elif message.finish == CALLED:
            self.events.append(unnamed_call(context, row.id, message.created))
        for limit in rate_limits(message):
            known = self.limits.get(limit.window)
            if known is None or limit.observed_at >= known.observed_at:
                self.limits[limit.window] = limit

    def _prompt(self, row: MessageRow, message: Message, context: Context, table: str) -> None:
        if context.parent_id or is_copy(message.created, context):
            return
        text = message.text
        if text is None:
            parts = list(self._parts(row.id))
            if not parts and self.database.columns("part") and self._is_newest(row):
                self._remember(table, row.id)  # they are written after their message
                return
            text = typed_text(parts)
        if text is not None:
            self.sightings.session(row.session_id).entitle(text, PROMPT_RANK)
            self.events.append(prompt_event(context, row.id, message.created))

    def _is_newest(self, row: MessageRow) -> bool:
        newest = self._ordered("message", row.session_id, "DESC", limit=1)
        return row.id in [other.id for other, _ in newest]

    def _parts(self, message_id: str) -> Iterator[Part]:
        rows = self.database.find(
            "part", PartRow, where="message_id = ?", values=(message_id,), limit=MESSAGE_PARTS
        )
        for row in rows:
            part = self._part(row.data, 0)
            if part is not None:
                yield part

    def _take_part(self, row: PartRow) -> None:
        part = self._part(row.data, 0)
        if part is None:
            return
        self.unknown.see(f"part.{part.type}" if part.type else "")
        if part.type != "tool" or not row.session_id:
            return
        context = self._placed("part", row.id, row.session_id)
        if context is None:
            return
        if part.state is None or part.state.status in UNSETTLED:
            self._remember("part", row.id)
        created = seconds(row.time_created) or 0.0
        self._call(part, context, row.message_id or row.id, created)

    def _call(self, part: Part, context: Context, message_id: str, time: float) -> None:
        event = tool_event(part, context, message_id, time)
        if event is not None:
            self.events.append(event)

    # --- what a session is doing ------------------------------------------------------------

    def _conclude(self, session_id: str, tables: list[str]) -> None:
        """Take state and effort from the session's newest and first messages."""
        session = self.sightings.session(session_id)
        context = self._context(session_id) or Context(session_id)
        newest = [
            (message, row)
            for table in tables
            for row, message in self._ordered(table, session_id, "DESC", limit=1)
        ]
        if newest:
            message, row = max(newest, key=lambda pair: pair[0].created)
            parts = message.content if message.content is not None else self._parts(row.id)
            session.signal = signal_of(message, parts)
            completed = seconds(message.time.completed if message.time else None) or 0.0
            time = max(message.created, completed)
            if time >= context.created and time:
                session.seen(time)
        for table in tables:
            first = self._ordered(
                table, session_id, "ASC", limit=FIRST_MESSAGES, containing='"variant"'
            )
            for _, message in first:
                if message.role == "user" and message.effort:
                    session.model_effort = message.effort
                    return

    def _ordered(
        self, table: str, session_id: str, direction: str, *, limit: int, containing: str = ""
    ) -> Iterator[tuple[MessageRow, Message]]:
        """Give those that contain a text of a session's first or newest messages."""
        timed = "time_created" in self.database.columns(table)
        order = f"time_created {direction}, id {direction}" if timed else f"rowid {direction}"
        chosen = f"SELECT rowid FROM {table} WHERE session_id = ? ORDER BY {order} LIMIT {limit}"  # noqa: S608 - constants
        for row in self.database.find(
            table,
            MessageRow,
            where=f"rowid IN ({chosen}) AND id NOT NULL AND instr(data, ?) ORDER BY {order}",
            values=(session_id, containing),
        ):
            message = self._decoded(row)
            if message is not None:
                yield row, message


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one database. Raises DatabaseBusyError, or OSError."""
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
        sessions=tuple(reader.sightings.sessions.values()),
        rate_limits=tuple(reader.limits.values()),
        errors=errors.all(),
        unknown=reader.unknown.all(),
        records=database.records,
        bytes_read=database.bytes_read,
        reset=database.reset,
        more=database.more,
    )
