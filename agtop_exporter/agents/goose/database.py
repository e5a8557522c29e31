"""Reads the sessions, requests and messages in Goose's database.

Since schema version 15, the table `usage_ledger` has one row per request. For the requests of older
versions, only their sum is known, which is in the row of the session. When such a session makes
another request, Goose also adds a row with this sum to `usage_ledger`. The events of both records
of the sum have the same key.

A session that was imported (`goose session import`) has the sum of the session of Goose, Claude
Code, Codex or pi that it was made from. That sum is not counted.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from math import inf
from typing import TypeVar, Unpack

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.goose.records import (
    CARRIED_FORWARD,
    KNOWN_TYPES,
    USAGE_VERSION,
    Block,
    Content,
    MessageRow,
    ModelConfig,
    SessionRow,
    UsageRow,
    VersionRow,
    seconds,
    token_counts,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, SessionUpdate, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import decoder, seconds_of_text
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

NAME = "goose"
SESSIONS, USAGE, MESSAGES = "sessions", "usage_ledger", "messages"
VERSIONS = "schema_version"
KEYS = {SESSIONS: "id", USAGE: "created_timestamp", MESSAGES: "created_timestamp"}
"""The column of each table that shows whether a row is the same row as before.

The ids of requests and messages are row ids, which Goose uses again after a backup is restored.
"""
NAME_RANK = 3
CALLS_MAX = 128  # maximum number of calls in the state

NumberedRow = TypeVar("NumberedRow", SessionRow, UsageRow, MessageRow)


class DatabaseState(ReaderState):
    """The reader state: the positions in the tables, and the tools of recent calls."""

    watermarks: dict[str, Watermark] = field(default_factory=dict)  # by table
    updated: str = ""  # latest `updated_at` of a session
    calls: dict[str, str] = field(default_factory=dict)  # label of the tool by call id


class SessionsParser(DatabaseParser[DatabaseState]):
    """The parser of one database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._content = decoder(Content, batch.errors)
        self._config = decoder(ModelConfig, batch.errors)
        self._rows: dict[str, SessionRow] = {}

    def read(self, database: Database) -> None:
        """Read the changed sessions, and the new requests and messages."""
        self.database = database
        self.state.updated = self.latest(seconds_of_text, self.state.updated)
        if SESSIONS in self.state.watermarks:  # in the first read all sessions are new
            where, values = "updated_at >= ? ORDER BY updated_at", (self.state.updated,)
            for session in database.find(SESSIONS, SessionRow, where=where, values=values):
                self._handle_session(session)
        for session in self._new_rows(SESSIONS, SessionRow):
            self._handle_session(session)
        for request in self._new_rows(USAGE, UsageRow):
            self._handle_request(request)
        for message in self._new_rows(MESSAGES, MessageRow):
            self._handle_message(message)

    def _new_rows(self, table: str, kind: type[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield the rows of a table that have not been read, and store the last position."""
        known, last = self.state.watermarks.get(table, Watermark()), None
        for rowid, row in self.database.after(table, known, kind, key=KEYS[table]):
            last = (rowid, row.key)
            yield row
        if last is not None:
            self.state.watermarks[table] = known.moved_to(*last, reset=self.database.reset)

    def _handle_session(self, row: SessionRow) -> None:
        self.state.updated = self.latest(seconds_of_text, self.state.updated, row.updated_at)
        self._rows[row.id] = row
        is_sum = row.tokens.total and not self._has_requests(row.id)
        is_imported = is_sum and self._is_imported(row)
        self._describe(row, context=None if is_imported else row.total_tokens)
        if is_sum and not (is_imported or row.is_elsewhere or self.database.is_incomplete):
            self._add_sum(row)

    def _describe(self, row: SessionRow, *, context: int | None) -> None:
        session = self.batch.session(row.id, parent_session_id=row.parent_session_id)
        for moment in (row.created_at, row.updated_at):
            session.observe_time(seconds_of_text(moment))
        session.work_in(row.working_dir)
        session.set_title(row.name or row.description, NAME_RANK)
        session.set_context_used(context)
        session.model = self._model(row)
        if session.model:
            self.name_model(row.id, session.model)

    def _model(self, row: SessionRow) -> str:
        config = self._config(row.model_config_json, 0) if row.model_config_json else None
        return (config.model_name if config else None) or ""

    def _session_row(self, session_id: str) -> SessionRow:
        """Return the row of a session; an empty row if the session is not in the database."""
        if session_id not in self._rows:
            where, values = "id = ?", (session_id,)
            rows = self.database.find(SESSIONS, SessionRow, where=where, values=values, limit=1)
            self._rows[session_id] = next(iter(rows), SessionRow())
        return self._rows[session_id]

    def _has_requests(self, session_id: str, before: int = 2**63 - 1) -> bool:
        """Return whether `usage_ledger` has a row of a session with an id less than `before`."""
        if not self.database.columns(USAGE):
            return False
        where, values = "session_id = ? AND id < ?", (session_id, before)
        return any(self.database.find(USAGE, UsageRow, where=where, values=values, limit=1))

    @cached_property
    def _usage_since(self) -> float:
        """The time since which each request has a row in `usage_ledger`, in unix seconds."""
        where, values = "version >= ? ORDER BY applied_at", (USAGE_VERSION,)
        rows = self.database.find(VERSIONS, VersionRow, where=where, values=values, limit=1)
        return next((seconds_of_text(row.applied_at) or inf for row in rows), inf)

    def _is_imported(self, row: SessionRow) -> bool:
        """Return whether a session was imported, so that others made the requests of its sum.

        The messages of such a session are older than the session. Goose writes them after the sum.
        Before there was a row for each request, a copy of a session had older messages and a sum of
        its own.
        """
        created = seconds_of_text(row.created_at)
        if created < self._usage_since:
            return False
        where, values = "session_id = ? ORDER BY created_timestamp", (row.id,)
        first = self.database.find(MESSAGES, MessageRow, where=where, values=values, limit=1)
        return all(seconds(message.created_timestamp) < created for message in first)

    def _add_sum(self, row: SessionRow) -> None:
        """Add the sum of a session's requests, if the session has no row in `usage_ledger`.

        The number of requests is unknown, so the length of their prompts does not select a price.
        """
        self.add_response(
            UsageEvent(
                key=row.sum_key,
                other_keys=row.other_sum_keys,
                session_id=row.id,
                time=seconds_of_text(row.updated_at),
                model=self._model(row),
                tokens=row.tokens,
                provider=row.provider_name,
                reported_cost=picodollars(row.accumulated_cost),
            )
        )

    def _handle_request(self, request: UsageRow) -> None:
        if not request.session_id:
            return
        row = self._session_row(request.session_id)
        tokens = token_counts(
            request.input_tokens,
            request.cache_read_tokens,
            request.cache_write_tokens,
            request.output_tokens,
        )
        time = seconds(request.created_timestamp)
        key = f"request:{request.session_id}:{request.id}:{request.created_timestamp:.0f}"
        other_keys: tuple[str, ...] = ()
        is_sum = request.cost_source == CARRIED_FORWARD
        if is_sum and not self._has_requests(request.session_id, before=request.id):
            if self._is_imported(row):
                return
            key, other_keys = row.sum_key, row.other_sum_keys
        if tokens.total and not row.is_elsewhere:
            self.add_response(
                UsageEvent(
                    key=key,
                    other_keys=other_keys,
                    session_id=request.session_id,
                    time=time,
                    model=request.model or self._model(row),
                    tokens=tokens,
                    requests=0 if is_sum else 1,
                    compactions=int(bool(request.is_compaction)),
                    provider=row.provider_name,
                    reported_cost=picodollars(request.cost),
                )
            )
        session = self._session(request.session_id, time)
        session.model = request.model or session.model

    def _session(self, session_id: str, time: float) -> SessionUpdate:
        row = self._session_row(session_id)
        session = self.batch.session(session_id, parent_session_id=row.parent_session_id)
        if time:
            session.observe_time(time)
        return session

    def _handle_message(self, message: MessageRow) -> None:
        content = self._content(f'{{"content":{message.content_json or "[]"}}}', message.id)
        blocks = (content.content if content else None) or []
        for block in blocks:
            self.batch.unknown.observe(block.type)
        if not message.session_id:
            return
        time = seconds(message.created_timestamp)
        created = seconds_of_text(self._session_row(message.session_id).created_at)
        # The messages of a copied session are older than the session.
        copied = 0 < time < created
        session = self._session(message.session_id, time if 0 < created <= time else 0.0)
        event = UsageEvent(
            key=message.message_id or f"{message.session_id}:{message.created_timestamp:.0f}",
            session_id=message.session_id,
            time=time,
            copied=copied,
        )
        if message.role == "assistant":
            self._handle_answer(blocks, session, event)
        elif message.role == "user":
            self._handle_prompt(blocks, session, event)

    def _handle_answer(
        self, blocks: Iterable[Block], session: SessionUpdate, event: UsageEvent
    ) -> None:
        """Add the tool calls in an answer. `event` has the key and the time of the message."""
        calls = {
            block.id: tool_label(block.tool_call.value.name)
            for block in blocks
            if block.tool_call and block.tool_call.value and block.id
        }
        tool = next(reversed(calls.values()), "")  # all results are in the next message
        session.signal = Signal("running" if calls else "idle", "", "assistant").with_tool(tool)
        if calls:
            self._add(event, "calls", tools=tuple(calls.items()))
            known = {**self.state.calls, **calls}
            self.state.calls = dict(list(known.items())[-CALLS_MAX:])

    def _handle_prompt(
        self, blocks: list[Block], session: SessionUpdate, event: UsageEvent
    ) -> None:
        """Add a prompt, or the failures of tool calls."""
        session.signal = Signal("running", "", "user")
        results = [block for block in blocks if block.tool_result]
        failed = tuple(
            (block.id, self.state.calls[block.id])
            for block in results
            if block.tool_result and block.tool_result.failed and block.id in self.state.calls
        )
        if failed:
            self._add(event, "failure", tool_errors=failed)
        text = next((block.text for block in blocks if block.text), "")
        if text and not results:
            session.set_title(text, PROMPT_RANK)
            self._add(event, "prompt", turns=1)

    def _add(self, event: UsageEvent, kind: str, **fields: Unpack[EventFields]) -> None:
        self.batch.event(
            f"{kind}:{event.key}",
            session_id=event.session_id,
            time=event.time,
            copied=event.copied,
            **fields,
        )


def read(path: str, cursor: Cursor) -> Batch:
    """Read the rows after `cursor` in a database. Raises OSError."""
    return read_sqlite(NAME, SessionsParser, path, cursor)
