"""Converts the entries of a pi session file to events and a session update."""

import re
from pathlib import Path

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.pi.records import (
    KNOWN_TYPES,
    Message,
    Record,
    Usage,
    corrected,
    text_of,
    token_counts,
)
from agtop_exporter.agents.pi.tiers import speed_of, tiers_of
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.model import PROMPT_RANK, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import TranscriptParser
from agtop_exporter.reading.seen import SeenIds
from agtop_exporter.reading.state import ReaderState

NAME_RANK = 5
SESSION_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T[-\d]+Z_(.+)")  # <time>_<id>
RESULT = "toolResult"
# A line before the header that Oh My Pi overwrites. The other entries have its title, too.
TITLE_SLOT = "title"
SIGNALS = {  # by the stop reason of an answer
    "toolUse": Signal("running", "", "assistant.toolUse"),
    "error": Signal("error", "error", "assistant.error"),
    "stop": Signal("idle", "", "assistant.stop"),
    "length": Signal("idle", "", "assistant.length"),
    "aborted": Signal("idle", "", "assistant.aborted"),
    "deferred": Signal("running", "", "assistant.deferred"),
}


class SessionState(ReaderState):
    """The data about one session file that is stored between two reads.

    Times are in unix seconds.
    """

    session_id: str = ""
    began: float = 0.0  # earlier entries are copies from another session
    latest: float = 0.0
    model: str = ""
    # entries that set the model or the service tiers
    selections: SeenIds = msgspec.field(default_factory=SeenIds)
    tiers: dict[str, str] = msgspec.field(default_factory=dict)  # by family of models
    parent_id: str = ""  # id of the session that started this subagent
    calls: OpenCalls = msgspec.field(default_factory=OpenCalls)


class SessionParser(TranscriptParser[Record, SessionState]):
    """The parser of one session file, which is the transcript of a session.

    `counts_copies` is true if copies of responses have the usage of their originals.
    """

    record = Record
    state_type = SessionState
    known_types = KNOWN_TYPES
    counts_copies = True

    def __init__(self, batch: BatchBuilder, state: SessionState) -> None:
        super().__init__(batch, state)
        self.session = batch.session("", last_active=state.latest or None)
        state.parent_id = state.parent_id or _session_of_folder(self.path)
        self._set_parent()
        self.accounts = provider_accounts(self.path.rsplit("/", 3)[0])

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.kind)
        if record.type == TITLE_SLOT or self.is_imported(record):
            return
        self._select_session(record)
        stamp = record.timestamp.isoformat() if record.timestamp else ""
        key = f"{record.id}:{stamp}" if record.id else f"{self.path}:{offset}:{stamp}"
        match record.type:
            case "session":
                if not self.session.work_in(record.cwd):
                    self.batch.error("schema", offset)
                self.session.set_title(record.title or "", NAME_RANK)
            case "message" if record.message is not None:
                self._handle_message(record.message, key)
            case "compaction":
                self.add_event(f"compaction:{key}", compactions=1)
                self._add_response(record, key, self.state.model)
            # the last two are requests of another kind, such as cache warming
            case "branch_summary" | "usage" | "model_usage":
                self._add_response(record, key, record.model or self.state.model)
            case _:
                self._handle_setting(record, key)

    def _handle_setting(self, record: Record, key: str) -> None:
        """Process an entry that sets the model, the effort, the service tier or the title."""
        match record.type:
            case "model_change":
                self._set_model(record.selected_model, key)
            case "thinking_level_change":
                self.session.model_effort = record.thinking_level or self.session.model_effort
            case "service_tier_change" if self.state.selections.add(key):
                self.state.tiers = tiers_of(record.service_tier)
            case "session_info":
                self.session.set_title(record.name or "", NAME_RANK)
            case "title_change":
                self.session.set_title(record.title or "", NAME_RANK)

    def parent_of(self, header: Record) -> str:  # noqa: ARG002 - for programs with other subagents
        """Return the id of the session that started this subagent, if its header has it.

        Otherwise return "". `header` is the header of the session. A fork is no subagent.
        """
        return ""

    def is_imported(self, record: Record) -> bool:  # noqa: ARG002 - for programs that import
        """Return whether an entry was imported from another agent. It is then not counted."""
        return False

    def _set_parent(self) -> None:
        self.session.parent_session_id = self.state.parent_id
        self.session.subagent = bool(self.state.parent_id)

    def _select_session(self, record: Record) -> None:
        """Set the id and the time of the session, and the time of the current entry.

        Also set whether the entry is a copy from another session. An entry is a copy if it is older
        than the header of the file.
        """
        state = self.state
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        if record.type == "session" and not state.session_id:
            state.session_id = record.id
            state.began = time
            state.parent_id = self.parent_of(record) or state.parent_id
            self._set_parent()
        # Without a header, the file name has the id.
        self.session.session_id = state.session_id or Path(self.path).stem.rpartition("_")[2]
        self.time = time or state.latest
        self.copied = 0 < self.time < state.began
        if time and not self.copied:
            state.latest = max(state.latest, time)
            self.session.observe_time(time)

    def _handle_message(self, message: Message, key: str) -> None:
        match message.role:
            case "assistant":
                self._handle_answer(message, key)
            case "user":
                self.state.calls.clear()
                self._set_signal(Signal("running", "", "user"))
                self.session.set_title(text_of(message.content), PROMPT_RANK)
                if not self.state.parent_id:
                    self.add_event(f"prompt:{key}", turns=1)
            case role if role == RESULT:
                self.state.calls.end(message.tool_call_id or "")
                self._set_signal(Signal("running", "", "toolResult"))
                if not any(map(_is_stored, message.session_files)):
                    self._add_response(message, f"nested:{key}", "")  # requests of the tool itself
                if message.is_error:
                    call_id, name = message.tool_call_id or key, message.tool_name or ""
                    failed = ((call_id, tool_label(name)),)
                    self.add_event(f"failure:{key}", tool_errors=failed)

    def _set_model(self, model: str | None, key: str) -> None:
        """Set the model of later responses, and of earlier responses that have no model.

        `key` identifies the entry that contains the model. If the entry has been read before, the
        model of later responses does not change.
        """
        if self.state.selections.add(key):
            self.state.model = model or self.state.model
        self.session.model = self.state.model
        if model:
            self.name_model(self.session.session_id, model)

    def _handle_answer(self, message: Message, key: str) -> None:
        session = self.session
        self._set_model(message.served_model, key)
        session.model_effort = message.thinking_level or session.model_effort
        session.subscription = self.accounts.get(message.provider or "", session.subscription)
        blocks = message.content if isinstance(message.content, list) else ()
        tools = tuple(
            (block.id or f"{key}:{index}", tool_label(block.name))
            for index, block in enumerate(blocks)
            if block.type == "toolCall"
        )
        self.state.calls.clear()
        self.state.calls.begin(tools)
        self._set_signal(SIGNALS.get(message.stop_reason or "", Signal()))
        used = self._add_response(message, key, message.served_model, tools)
        if not self.copied:
            session.set_context_used(used)

    def _add_response(
        self,
        record: Record | Message,
        key: str,
        model: str,
        tools: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """Add the response of a record to the batch; return the total number of its tokens.

        `tools` are the tool calls of the response. If the request failed before its response, the
        record has no tokens. Such a request is not billed, so no response is added.
        """
        is_counted = self.counts_copies or not self.copied
        usage = (record.usage if is_counted else None) or Usage()
        if isinstance(record, Message):
            usage = corrected(usage, api=record.api or "", provider=record.provider or "")
        tokens = token_counts(usage)
        if tokens.total:
            event = UsageEvent(
                key=key,
                session_id=self.session.session_id,
                time=self.time,
                copied=self.copied,
                model=model,
                tokens=tokens,
                requests=1,
                tools=tools,
                provider=record.provider or "",
                reported_cost=picodollars(usage.cost.total if usage.cost else None),
                speed=self._speed(record, model),
                web_searches=(usage.server.web_search or 0) if usage.server else 0,
            )
            if isinstance(record, Message) and record.role == RESULT:
                self.batch.events.append(event)  # nothing shows the model of a tool's requests
            else:
                self.add_response(event)
        elif tools:
            self.add_event(f"calls:{key}", tools=tools)
        return tokens.total

    def _speed(self, record: Record | Message, model: str) -> str:
        """Return the service tier of a response; "" for the standard tier."""
        dropped = record.disabled_features if isinstance(record, Message) else None
        return speed_of(record.provider or "", model, self.state.tiers, dropped or ())

    def _set_signal(self, signal: Signal) -> None:
        if not self.copied:
            self.session.signal = signal.with_tool(self.state.calls.tool)


def _session_of_folder(path: str) -> str:
    """Return the id of the session in whose folder a subagent's file is; "" for other files."""
    found = map(SESSION_NAME.fullmatch, path.split("/")[:-1])
    return next((name[1] for name in found if name), "")


def _is_stored(session_file: str) -> bool:
    """Return whether the session file of a subagent is with the files of its parent.

    Its folder, or the file, then has the name of a session. The path may be of another system.
    """
    return any(map(SESSION_NAME.fullmatch, session_file.replace("\\", "/").split("/")))
