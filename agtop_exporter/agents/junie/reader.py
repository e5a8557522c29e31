"""Reads the events of Junie's sessions, and the index of sessions.

Junie can write an event again, for example when it shows a session again. A response is therefore
identified by its task, its time, its agent and its token counts.
"""

from pathlib import Path
from typing import Unpack

import msgspec

from agtop_exporter.agents.junie.records import (
    BLOCKS,
    KNOWN_TYPES,
    AgentEvent,
    Line,
    Summary,
    Usage,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState, ReaderState

NAME = "junie"
EVENTS, INDEX = "events.jsonl", "index.jsonl"
TITLE_RANK = 3
RUNNING = "IN_PROGRESS"  # status of a step
SIGNALS = {
    "UserPromptEvent": Signal("running", "", "UserPromptEvent"),
    "TaskStartedEvent": Signal("running", "", "TaskStartedEvent"),
    "TaskState": Signal("idle", "", "TaskState"),
    "AgentFailureEvent": Signal("error", "error", "AgentFailureEvent"),
}


class EventsState(ReaderState):
    """The reader state of the events of one session."""

    latest: float = 0.0  # time of the latest event, in unix seconds
    largest: int = 0  # tokens in the largest prompt since the latest message of the user
    calls: OpenCalls = msgspec.field(default_factory=OpenCalls)


class EventsParser(RecordParser[Line, EventsState]):
    """The parser of the events of one session."""

    record = Line
    state_type = EventsState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: EventsState) -> None:
        super().__init__(batch, state)
        self.session = batch.session(Path(self.path).parent.name, last_active=state.latest or None)

    def feed(self, record: Line, offset: int) -> None:
        """Process one line; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.kind)
        time = seconds_of(record.timestamp_ms)
        if time:
            self.state.latest = max(self.state.latest, time)
            self.session.observe_time(time)
        time = time or self.state.latest
        self._set_signal(record.kind)
        if record.kind == "UserPromptEvent":
            self.session.set_title(record.presentable_prompt or record.prompt or "", PROMPT_RANK)
            self.state.largest = 0
            for attachment in record.custom_attachments or ():
                self._use_model(attachment.model_id or "")
            self._add(f"prompt:{record.request_id or f'{time:.3f}'}", time, turns=1)
        event = record.event.agent_event if record.event else None
        if event is not None:
            self.batch.unknown.observe(event.kind)
            self._handle_event(event, record, time, offset)

    def _handle_event(self, event: AgentEvent, line: Line, time: float, offset: int) -> None:
        session = self.session
        self._set_signal(event.kind)
        if event.kind == "LlmResponseMetadataEvent":
            for index, usage in enumerate(event.model_usage or ()):
                agent = (event.agent.id if event.agent else None) or ""
                place = f"{line.task_id or session.session_id}:{line.timestamp_ms}:{agent}:{index}"
                self._add_usage(usage, place, time)
                if event.is_main:
                    self._choose_model(usage)
        elif event.kind == "CurrentDirectoryUpdatedEvent":
            if not session.work_in(event.current_directory):
                self.batch.error("schema", offset)
        elif event.kind == "ContextWindowReportEvent" and event.is_main:
            session.set_context_used(event.used)
            session.context_window_tokens = event.size or session.context_window_tokens
        elif event.kind in BLOCKS and event.step_id:
            calls = ((event.step_id, BLOCKS[event.kind]),)
            failed = calls if event.status == "FAILED" else ()
            self._note_call(calls, event)
            self._add(f"step:{event.step_id}", time, tools=calls, tool_errors=failed)

    def _set_signal(self, kind: str) -> None:
        """Set the activity if a line or event of this kind begins or ends a task."""
        if kind in SIGNALS:
            self.state.calls.clear()
            self.session.signal = SIGNALS[kind]

    def _note_call(self, calls: tuple[tuple[str, str], ...], event: AgentEvent) -> None:
        """Name the tool that runs in the activity of the session."""
        known = self.state.calls
        if event.status == RUNNING:
            known.begin(calls)
        elif not known.end(event.step_id or ""):
            return
        self.session.signal = Signal("running", "", event.kind).with_tool(known.tool)

    def _choose_model(self, usage: Usage) -> None:
        """Set the model of the session to that of its largest request.

        Junie makes small requests with other models, for example for the name of a task.
        """
        if usage.model and usage.tokens.prompt > self.state.largest:
            self.state.largest = usage.tokens.prompt
            self._use_model(usage.model)

    def _use_model(self, model: str) -> None:
        if model:
            self.session.model = model
            self.name_model(self.session.session_id, model)

    def _add_usage(self, usage: Usage, place: str, time: float) -> None:
        tokens, model = usage.tokens, usage.model or ""
        if tokens.total:
            figures = ":".join(str(count) for count in msgspec.structs.astuple(tokens)[:5])
            self.add_response(
                UsageEvent(
                    key=f"{place}:{model}:{figures}",
                    session_id=self.session.session_id,
                    time=time,
                    model=model,
                    tokens=tokens,
                    requests=1,
                    reported_cost=picodollars(usage.cost),
                )
            )

    def _add(self, key: str, time: float, **fields: Unpack[EventFields]) -> None:
        session_id = self.session.session_id
        self.batch.event(f"{session_id}:{key}", session_id=session_id, time=time, **fields)


class IndexParser(RecordParser[Summary, NoState]):
    """The parser of the index. If a session has several lines, the last line is valid."""

    record = Summary
    state_type = NoState

    def feed(self, record: Summary, offset: int) -> None:
        """Process one line; `offset` is the byte offset after it."""
        if not record.session_id:
            return
        events = Path(self.path).parent / record.session_id / EVENTS
        session = self.batch.session(record.session_id, data_path=str(events))
        for time in (seconds_of(record.created_at), seconds_of(record.updated_at)):
            if time:
                session.observe_time(time)
        if not session.work_in(record.project_dir):
            self.batch.error("schema", offset)
        session.set_title(record.task_name or "", TITLE_RANK)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the lines after `cursor` in the events of a session, or in the index. Raises OSError."""
    if path.endswith(EVENTS):
        return read_jsonl(NAME, EventsParser, path, cursor)
    return read_jsonl(NAME, IndexParser, path, cursor)
