"""Reads the sessions of kimi-cli, the program before Kimi Code.

A session is the folder `<data directory>/sessions/<MD5 of the working directory>/<session id>`. It
has a `wire.jsonl`, in which a `StatusUpdate` has the usage of each request, without its model. A
subagent has a `wire.jsonl` of its own in `subagents/<agent id>`, which its parent's file repeats.
The subagents of older versions are in the file of their parent only.
"""

import hashlib
import re
from pathlib import Path
from typing import Unpack

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
)
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.decoding import Count
from agtop_exporter.reading.documents import usable_document
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState

SUBAGENTS = "subagents"
IS_PROJECT = re.compile(r"(?:.+_)?[0-9a-f]{32}").fullmatch
DIRECTORIES, DESCRIPTION = "kimi.json", "state.json"
TITLE_RANK = 3
KNOWN_TYPES = frozenset(
    {"ApprovalRequest", "ApprovalRequestResolved", "ApprovalResponse", "BtwBegin", "BtwEnd"}
    | {"CompactionBegin", "CompactionEnd", "ContentPart", "HookRequest", "HookResolved"}
    | {"HookTriggered", "MCPLoadingBegin", "MCPLoadingEnd", "Notification", "PlanDisplay"}
    | {"QuestionRequest", "StatusUpdate", "SteerInput", "StepBegin", "StepInterrupted"}
    | {"StepRetry", "SubagentEvent", "ToolCall", "ToolCallPart", "ToolCallRequest", "ToolResult"}
    | {"TurnBegin", "TurnEnd", "metadata"}
)
SIGNALS = {
    "TurnBegin": Signal("running", "", "TurnBegin"),
    "TurnEnd": Signal("idle", "", "TurnEnd"),
    "StepInterrupted": Signal("idle", "", "StepInterrupted"),
}


class Usage(msgspec.Struct, gc=False):
    """The token counts of a request, which do not overlap. `output` includes reasoning."""

    input_other: Count | None = 0
    output: Count | None = 0
    input_cache_read: Count | None = 0
    input_cache_creation: Count | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        return TokenCounts(
            input=self.input_other or 0,
            cache_read=self.input_cache_read or 0,
            cache_write_5m=self.input_cache_creation or 0,
            output=self.output or 0,
        )


class Function(msgspec.Struct, gc=False):
    """The function that a tool call names."""

    name: str = ""


class Part(msgspec.Struct, gc=False):
    """A part of a prompt."""

    text: str | None = None


class Payload(msgspec.Struct, gc=False):
    """The content of an event. Which members it has depends on the type of the event."""

    token_usage: Usage | None = None
    message_id: str | None = None
    context_tokens: Count | None = None
    max_context_tokens: Count | None = None
    user_input: str | list[Part] | None = None
    id: str | None = None
    tool_call_id: str | None = None
    function: Function | None = None
    agent_id: str | None = None
    event: "Event | None" = None


class Event(msgspec.Struct, gc=False):
    """An event of an agent, or of one of its subagents."""

    type: str = ""
    payload: Payload | None = None


class Record(msgspec.Struct, gc=False):
    """One line of a `wire.jsonl`. `timestamp` is in unix seconds."""

    type: str = ""
    timestamp: float = 0.0
    message: Event | None = None


class Directory(msgspec.Struct):
    """A working directory in which kimi-cli was started."""

    path: str = ""


class Directories(msgspec.Struct):
    """The document `kimi.json`."""

    work_dirs: list[Directory] | None = None


class Description(msgspec.Struct):
    """The document `state.json` of a session.

    `wire_mtime` is the time in unix seconds at which the session was forked. The records before
    this time are copies.
    """

    custom_title: str | None = None
    wire_mtime: float | None = None


class WireState(ReaderState):
    """The reader state of one `wire.jsonl`."""

    latest: float = 0.0  # in unix seconds
    calls: OpenCalls = msgspec.field(default_factory=OpenCalls)
    request: str = ""  # id of the latest request, if its step has not ended
    requested: float = 0.0  # time of the first usage of that request, in unix seconds


class WireParser(RecordParser[Record, WireState]):
    """The parser of one `wire.jsonl`."""

    record = Record
    state_type = WireState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: WireState) -> None:
        super().__init__(batch, state)
        folder = Path(self.path).parent
        self.is_main = folder.parent.name != SUBAGENTS
        main = folder if self.is_main else folder.parent.parent
        described = usable_document(main / DESCRIPTION, Description) or Description()
        self.title = described.custom_title or ""
        self.forked = described.wire_mtime or 0.0
        self.session = self._session(main) if self.is_main else self._subagent(main, folder.name)
        self.time, self.copied = state.latest, False

    def _session(self, folder: Path) -> SessionUpdate:
        session = self.batch.session(folder.name, last_active=self.state.latest or None)
        session.work_in(_directory(folder.parent))
        session.set_title(self.title, TITLE_RANK)
        return session

    def _subagent(self, folder: Path, agent_id: str) -> SessionUpdate:
        return self.batch.session(
            f"{folder.name}/{agent_id}",
            parent_session_id=folder.name,
            subagent=True,
            cwd=_directory(folder.parent),
            last_active=self.state.latest or None,
        )

    def feed(self, record: Record, _offset: int) -> None:
        """Process one record."""
        event = record.message or Event(type=record.type)
        self.batch.unknown.observe(event.type)
        self.time = record.timestamp or self.state.latest
        self.copied = 0 < self.time < self.forked
        if record.timestamp > 0 and not self.copied:
            self.state.latest = max(self.state.latest, record.timestamp)
            self.session.observe_time(record.timestamp)
        payload = event.payload or Payload()
        self._handle(event.type, payload, is_own=True)
        self._set_signal(event.type, payload)

    def _set_signal(self, kind: str, payload: Payload) -> None:
        """Set the activity, with the tool that runs. Records of a turn begin or end it."""
        if self.copied:
            return
        calls, signal = self.state.calls, self.session.signal
        if kind in SIGNALS:
            calls.clear()
            signal = SIGNALS[kind]
        elif kind == "ToolCall" and payload.id and payload.function:
            calls.begin(((payload.id, tool_label(payload.function.name)),))
            signal = Signal("running", "", kind)
        elif kind == "ToolResult" and calls.end(payload.tool_call_id or ""):
            signal = Signal("running", "", kind)
        self.session.signal = signal.with_tool(calls.tool)

    def _handle(self, kind: str, payload: Payload, *, is_own: bool) -> None:
        """Process an event of this agent, or of a subagent that has no file."""
        match kind:
            case "StepBegin":
                self.state.request = ""
            case "StatusUpdate" if payload.token_usage:
                self._add_usage(payload.token_usage, payload, is_own=is_own)
            case "TurnBegin" if is_own and self.is_main:
                self._add_prompt(payload.user_input)
            case "ToolCall" if payload.id and payload.function:
                tools = ((payload.id, tool_label(payload.function.name)),)
                self._add(f"call:{payload.id}", tools=tools)
            case "CompactionEnd" if is_own:
                self._add("compaction", compactions=1)
            case "SubagentEvent" if payload.event and not payload.agent_id:
                self._handle(payload.event.type, payload.event.payload or Payload(), is_own=False)

    def _add_usage(self, usage: Usage, payload: Payload, *, is_own: bool) -> None:
        tokens = usage.tokens
        if is_own and not self.copied:
            window = payload.max_context_tokens
            self.session.context_window_tokens = window or self.session.context_window_tokens
            self.session.set_context_used(payload.context_tokens or tokens.total)
        if tokens.total:
            time = self._time_of_request(payload.message_id or "")
            self._add(f"usage:{payload.message_id}", time, tokens=tokens, requests=1)

    def _time_of_request(self, request: str) -> float:
        """Return the time of the first usage of a request. A step can repeat the usage."""
        if not request or request != self.state.request:
            self.state.request, self.state.requested = request, self.time
        return self.state.requested

    def _add_prompt(self, given: str | list[Part] | None) -> None:
        parts = given if isinstance(given, list) else [Part(given)]
        text = next((part.text for part in parts if part.text), "")
        self.session.set_title(text or "", PROMPT_RANK)
        self._add("prompt", turns=1)

    def _add(self, name: str, time: float = 0.0, **fields: Unpack[EventFields]) -> None:
        """Add an event. A forked session has copies of records, which have equal times."""
        time = time or self.time
        self.batch.event(
            f"earlier:{name}:{time!r}",
            session_id=self.session.session_id,
            time=time,
            copied=self.copied,
            **fields,
        )


def _directory(folder: Path) -> str:
    """Return the working directory whose sessions are in a folder; "" if unknown.

    The folder has the MD5 of the directory as its name, perhaps after the name of a machine.
    """
    listed = usable_document(folder.parent.parent / DIRECTORIES, Directories) or Directories()
    paths = (directory.path for directory in listed.work_dirs or ())
    digest = folder.name.rpartition("_")[2]
    return next((path for path in paths if _md5(path) == digest), "")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def read(agent: str, path: str, cursor: Cursor) -> Batch:
    """Read the records after a cursor. Raises OSError."""
    return read_jsonl(agent, WireParser, path, cursor)
