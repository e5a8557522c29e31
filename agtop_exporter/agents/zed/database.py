"""Reads the threads in Zed's database.

A thread has the usage of all its requests so far. Zed replaces the row of a thread when it saves
the thread.
"""

from typing import Unpack

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.zed.records import (
    KNOWN_TYPES,
    SECONDS_CHARACTERS,
    Answer,
    Model,
    Prompt,
    Thread,
    ThreadRow,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, SessionUpdate, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import decoder, seconds_of_text
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.running_totals import RunningTotals
from agtop_exporter.reading.sources import decompressed
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

NAME = "zed"
THREADS = "threads"
TITLE_RANK = 3
INEXACT_VERSIONS = ("0.1.0", "0.2.0")  # Zed counted cached tokens twice, and not for all providers


class DatabaseState(ReaderState):
    """The reader state: the position in the table, and the totals of the threads."""

    watermark: Watermark = Watermark()
    updated: str = ""  # latest `updated_at` of a thread, without fractions of a second
    totals: RunningTotals = field(default_factory=RunningTotals)


class ThreadsParser(DatabaseParser[DatabaseState]):
    """The parser of one database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._thread = decoder(Thread, batch.errors)

    def read(self, database: Database) -> None:
        """Read the changed threads and the new threads."""
        known, last = self.state.watermark, None
        changed = "substr(updated_at, 1, ?) >= ? ORDER BY updated_at"
        self.state.updated = self.latest(seconds_of_text, self.state.updated)
        if known.anchors:  # in the first read all threads are new
            values = (SECONDS_CHARACTERS, self.state.updated)
            for row in database.find(THREADS, ThreadRow, where=changed, values=values):
                self._handle_row(row)
        for rowid, row in database.after(THREADS, known, ThreadRow):
            last = (rowid, row.id)
            self._handle_row(row)
        if last is not None:
            self.state.watermark = known.moved_to(*last, reset=database.reset)

    def _handle_row(self, row: ThreadRow) -> None:
        self.batch.unknown.observe(row.data_type)
        session = self.batch.session(row.id, parent_session_id=row.parent_id)
        saved = seconds_of_text(row.updated_at)
        moment = row.updated_at[:SECONDS_CHARACTERS]
        self.state.updated = self.latest(seconds_of_text, self.state.updated, moment)
        for time in (seconds_of_text(row.created_at), saved):
            if time:
                session.observe_time(time)
        session.work_in(row.folder)
        session.set_title(row.summary, TITLE_RANK)
        thread = self._decoded(row)
        if thread is not None:
            if thread.version is not None:
                self.batch.unknown.observe(f"thread.{thread.version}")
            self._count_usage(thread, session, saved)
            self._read_messages(thread, session, saved)

    def _decoded(self, row: ThreadRow) -> Thread | None:
        if row.data_type != "zstd":
            return self._thread(memoryview(row.stored), 0)
        text, problem = decompressed(row.stored)
        if problem:
            self.batch.error(problem, 0)
            return None
        return self._thread(memoryview(text), 0)

    def _count_usage(self, thread: Thread, session: SessionUpdate, time: float) -> None:
        usage, model = thread.cumulative_token_usage, thread.model or Model()
        session.model = model.model or ""
        if session.model:
            self.name_model(session.session_id, session.model)
        if usage is None or thread.version in INEXACT_VERSIONS:
            return
        total = UsageEvent(
            key=f"thread:{session.session_id}",
            session_id=session.session_id,
            time=time,
            model=session.model,
            tokens=usage.tokens,
            provider=model.provider or "",
        )
        growth = self.state.totals.growth(total)
        if growth is not None:
            self.add_response(growth)

    def _read_messages(self, thread: Thread, session: SessionUpdate, time: float) -> None:
        for message in thread.turns:
            if message.user is not None:
                self._handle_prompt(message.user, thread, session, time)
            elif message.agent is not None:
                self._handle_answer(message.agent, session, time)

    def _handle_prompt(
        self, prompt: Prompt, thread: Thread, session: SessionUpdate, time: float
    ) -> None:
        session.signal = Signal("running", "", "User")
        text = next((part.text for part in prompt.content or () if part.text), "")
        session.set_title(text or "", PROMPT_RANK)
        self._add(session, f"prompt:{prompt.id}", time=time, turns=1)
        if isinstance(thread.request_token_usage, dict):
            usage = thread.request_token_usage.get(prompt.id)
            session.set_context_used(usage.tokens.total if usage else None)

    def _handle_answer(self, answer: Answer, session: SessionUpdate, time: float) -> None:
        calls, results = answer.calls, answer.tool_results or {}
        pending = [tool_label(call.name) for call in calls if call.id not in results]
        running = Signal("running", "", "Agent")
        session.signal = running.with_tool(pending[-1]) if pending else Signal("idle", "", "Agent")
        for call in calls:
            label, result = tool_label(call.name), results.get(call.id)
            failed = ((call.id, label),) if result and result.is_error else ()
            tools = ((call.id, label),)
            self._add(session, f"call:{call.id}", time=time, tools=tools, tool_errors=failed)

    def _add(
        self, session: SessionUpdate, key: str, *, time: float, **fields: Unpack[EventFields]
    ) -> None:
        session_id = session.session_id
        self.batch.event(f"{session_id}:{key}", session_id=session_id, time=time, **fields)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the threads that were saved after `cursor`. Raises OSError."""
    return read_sqlite(NAME, ThreadsParser, path, cursor)
