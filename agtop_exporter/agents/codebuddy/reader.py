"""Reads the transcripts of CodeBuddy and of WorkBuddy.

A response has one record or several: its text, its reasoning and its tool calls. One of them has
its usage. All have the same `messageId`, which identifies the response. A forked session begins
with copies of records, which keep the id of their session.
"""

from pathlib import Path

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.codebuddy.records import (
    CALL,
    COMPACTION,
    KNOWN_TYPES,
    MESSAGE,
    RESULT,
    ProviderData,
    Record,
)
from agtop_exporter.model import PROMPT_RANK, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.identifiers import without_mark
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import TranscriptParser
from agtop_exporter.reading.state import ReaderState

SUBAGENTS = "subagents"  # folder with the transcripts of the subagents of a session
TITLE_RANK, CHOSEN_RANK = 3, 4  # a title by a model, and one by the user
FAILED = "incomplete"  # status of the result of a tool call that failed


class SessionState(ReaderState):
    """The reader state of one transcript."""

    latest: float = 0.0  # in unix seconds
    calls: OpenCalls = field(default_factory=OpenCalls)


class SessionParser(TranscriptParser[Record, SessionState]):
    """The parser of one transcript."""

    record = Record
    state_type = SessionState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: SessionState) -> None:
        super().__init__(batch, state)
        path = Path(self.path)
        self.is_main = path.parent.name != SUBAGENTS
        self.session = batch.session(
            without_mark(path.stem),
            parent_session_id="" if self.is_main else path.parents[1].name,
            subagent=not self.is_main,
            last_active=state.latest or None,
        )

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.type)
        session = self.session
        time = seconds_of(record.timestamp)
        self.time = time or self.state.latest
        owner = record.session_id or session.session_id
        self.copied = self.is_main and owner != session.session_id
        if time and not self.copied:
            self.state.latest = max(self.state.latest, time)
            session.observe_time(time)
        if not session.work_in(record.cwd):
            self.batch.error("schema", offset)
        session.set_title(record.ai_title or "", TITLE_RANK)
        session.set_title(record.custom_title or "", CHOSEN_RANK)
        origin = record.provider_data or ProviderData()
        key = record.id or f"{owner}:{offset}"
        self._add_usage(origin, key, offset)
        if record.type == MESSAGE and record.role == "user":
            self._add_prompt(record, origin, key)
        elif record.type == MESSAGE:
            # A response with tool calls has its usage beside the last call, not beside its text.
            self._set_signal("running" if origin.tokens is None else "idle", record.type)
        elif record.type in (CALL, RESULT):
            self._handle_call(record, key)

    def _add_usage(self, origin: ProviderData, key: str, offset: int) -> None:
        """Add the usage of a response, if this record has it."""
        tokens, model = origin.tokens, origin.model or ""
        if tokens is None:
            return
        if tokens.input < 0:
            self.batch.error("unknown_usage", offset)
            return
        is_compaction = origin.agent == COMPACTION
        if not self.copied:
            self.session.model = model or self.session.model
            self.session.set_context_used(None if is_compaction else tokens.total)
        if model:
            self.name_model(self.session.session_id, model)
        self.add_response(
            UsageEvent(
                key=f"response:{origin.message_id or key}",
                session_id=self.session.session_id,
                time=self.time,
                copied=self.copied,
                model=model,
                tokens=tokens,
                requests=1,
                compactions=int(is_compaction),
            )
        )

    def _add_prompt(self, record: Record, origin: ProviderData, key: str) -> None:
        if not self.is_main or not origin.is_typed or record.text.startswith("<"):
            return
        self.state.calls.clear()
        self._set_signal("running", record.type)
        self.session.set_title(record.text, PROMPT_RANK)
        self.add_event(f"prompt:{key}", turns=1)

    def _handle_call(self, record: Record, key: str) -> None:
        """Add a tool call, or the failure of one."""
        call, calls = record.call_id or key, self.state.calls
        tools = ((call, tool_label(record.name or "")),)
        if record.type == CALL:
            calls.begin(tools)
            self.add_event(f"call:{key}", tools=tools)
        elif not calls.end(call):
            return
        elif record.status == FAILED:
            self.add_event(f"failure:{key}", tool_errors=tools)
        self._set_signal("running", record.type)

    def _set_signal(self, kind: str, detail: str) -> None:
        if not self.copied:
            self.session.signal = Signal(kind, "", detail).with_tool(self.state.calls.tool)
