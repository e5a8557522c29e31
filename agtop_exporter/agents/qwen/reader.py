"""Converts the records of a Qwen Code transcript to events and session updates."""

from typing import Unpack

from msgspec import field
from msgspec.structs import replace

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.qwen.pairs import Pairs
from agtop_exporter.agents.qwen.records import (
    KNOWN_TYPES,
    RESPONSE,
    Record,
    SystemPayload,
    ToolCallResult,
    UiEvent,
    Usage,
    figures_of,
    token_counts,
)
from agtop_exporter.model import PROMPT_RANK, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.identifiers import without_mark
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState

CUSTOM_TITLE_RANK, GENERATED_TITLE_RANK = 5, 4
ASKING_TOOLS = frozenset({"ask_user_question", "exit_plan_mode"})
GUARDED_TOOLS = frozenset(
    {"run_shell_command", "edit", "write_file"}
)  # these tools ask for permission, and then run immediately


class TranscriptState(ReaderState):
    """The data about one Qwen Code transcript that is stored between two reads."""

    session_id: str = ""
    latest: float = 0.0  # unix seconds
    model: str = ""
    pairs: Pairs = field(default_factory=Pairs)
    # names of the tool calls whose result may follow, by call id
    tools: dict[str, str] = field(default_factory=dict)


class TranscriptParser(RecordParser[Record, TranscriptState]):
    """The parser of one transcript. A transcript belongs to a session or to a subagent."""

    record = Record
    state_type = TranscriptState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: TranscriptState) -> None:
        super().__init__(batch, state)
        *above, folder, name = self.path.split("/")
        *_, below = self.path.rpartition("/subagents/")
        self.parent = below.partition("/")[0] if folder != "chats" and "subagents" in above else ""
        self.stem = without_mark(name.removesuffix(".jsonl")) or name
        self.session = batch.session(
            "",
            parent_session_id=self.parent,
            last_active=state.latest or None,
            subagent=bool(self.parent),
        )
        self.time = 0.0
        self.copied = False
        self.answers: dict[str, int] = {}  # answers without telemetry: key -> index of event

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.kind)
        self._select_session(record)
        if not self.session.work_in(record.cwd):
            self.batch.error("schema", offset)
        key = record.uuid or f"{self.path}:{offset}"
        match record.type:
            case "assistant":
                self._handle_answer(record, key)
            case "user":
                self._handle_user(record, key)
            case "tool_result":
                self._handle_tool_result(record, key)
            case "system" if record.system_payload is not None:
                self._handle_system(record, record.system_payload, key)

    def _select_session(self, record: Record) -> None:
        """Update the session's id, time, branch and version from a record.

        Also set the time of the current record, and whether the record is a copy.
        """
        state, session = self.state, self.session
        if not self.parent:  # records of a subagent have the session id of its parent
            state.session_id = record.session_id or state.session_id
        session.session_id = state.session_id or self.stem
        self.copied = record.forked_from is not None
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        self.time = time or state.latest
        if time and not self.copied:
            state.latest = max(state.latest, time)
            session.observe_time(time)
            session.git_branch = record.git_branch or session.git_branch
            session.agent_version = record.version or session.agent_version

    def _use_model(self, model: str | None) -> None:
        """Set the model of later responses, and of earlier responses that have no model.

        Nothing changes if `model` is None.
        """
        self.state.model = self.session.model = model or self.state.model
        if model:
            self.name_model(self.session.session_id, model)

    # --- usage ------------------------------------------------------------------------------

    def _add_response(self, record: Record, usage: Usage, model: str, key: str) -> None:
        """Add a response to the batch once, although two records describe the response.

        The two records are the answer and its telemetry, in any order. They have only the model and
        the token counts in common. The event key is the key of the telemetry, whichever record is
        first, so that copies with another order have the same key.

        Responses in the transcript of a subagent are not added. The telemetry in the transcript of
        its parent contains each of these responses once.
        """
        if self.state.pairs.is_repeated(record):
            return
        is_answer = record.type == "assistant"
        first = self.state.pairs.first_of(record, figures_of(usage, model), key)
        if self.parent:
            return
        if first is not None and first.key in self.answers:
            self._rename(first.key, key)
            return
        # A copy without telemetry adds nothing: its original is counted.
        is_counted = is_answer if self.copied else first is not None
        if not is_counted:
            if is_answer:
                self.answers[key] = len(self.batch.events)
            self._add_event(key, model=model, tokens=token_counts(usage), requests=1)

    def _rename(self, old_key: str, key: str) -> None:
        """Change the event key of an answer that was added in this read."""
        events = self.batch.events
        unnamed = self.state.unnamed
        for kept, begin in ((events, self.answers.pop(old_key)), (unnamed, 0)):
            for index, event in enumerate(kept[begin:], begin):
                if event.key == old_key:
                    kept[index] = replace(event, key=key, other_keys=(old_key,))

    def finish(self) -> None:
        """Set the directory of subagents that were added before the directory was known."""
        for subagent in self.batch.sessions.values():
            subagent.work_in(self.session.cwd)

    def _handle_answer(self, record: Record, key: str) -> None:
        session = self.session
        self._use_model(record.model)
        parts = (record.message.parts if record.message else None) or ()
        calls = [part.function_call for part in parts if part.function_call is not None]
        tools = tuple((call.id or key, tool_label(call.name or "")) for call in calls)
        if tools:
            self._add_event(f"calls:{key}", tools=tools)
        self.state.tools = dict(tools)
        if record.usage_metadata is not None:
            self._add_response(record, record.usage_metadata, session.model, key)
            if not self.copied:
                session.set_context_used(record.usage_metadata.total_token_count)
        session.context_window_tokens = record.context_window_size or session.context_window_tokens
        self._set_progress(
            "assistant.call" if tools else "assistant", "running" if tools else "idle"
        )

    def _set_progress(self, detail: str, kind: str) -> None:
        """Set the activity to waiting if a tool call waits for the user, otherwise to `kind`.

        A call of a tool that needs permission counts as waiting until its result follows or a
        process of the tool is found. `detail` is the type of the record.
        """
        for name in self.state.tools.values():
            if name in ASKING_TOOLS | GUARDED_TOOLS:
                reason = "input" if name in ASKING_TOOLS else "permission"
                self._set_signal("waiting", f"tool={name}", reason, name)
                return
        self._set_signal(kind, detail, tool=next(reversed(self.state.tools.values()), ""))

    def _handle_system(self, record: Record, payload: SystemPayload, key: str) -> None:
        session = self.session
        event = payload.ui_event
        if event is not None and event.name == RESPONSE:
            if event.model and not event.subagent:
                self.name_model(session.session_id, event.model)
            model = event.model or self.state.model
            if event.subagent:
                self._add_subagent_response(event, model, key)
            else:
                self._add_response(record, event.usage, model, key)
        elif record.subtype == "custom_title":
            generated = payload.title_source == "auto"
            rank = GENERATED_TITLE_RANK if generated else CUSTOM_TITLE_RANK
            session.set_title(payload.custom_title or "", rank)
        elif record.subtype == "parent_session":
            session.parent_session_id = payload.parent_session_id or session.parent_session_id
        elif record.subtype == "chat_compression":
            self._add_event(f"compaction:{key}", compactions=1)
        elif record.subtype == "rewind":
            self._set_signal("idle", "system.rewind")

    def _add_subagent_response(self, event: UiEvent, model: str, key: str) -> None:
        """Add a response to the session of the subagent that requested it."""
        name = f"agent-{event.subagent}"
        if not self.copied:
            subagent = self.batch.session(
                name,
                data_path="",
                parent_session_id=self.session.session_id,
                cwd=self.session.cwd,
                model=model,
                signal=Signal("idle", "", "telemetry"),  # some subagents have no log
            )
            subagent.observe_time(self.time)
        self._add_event(
            key, session_id=name, model=model, tokens=token_counts(event.usage), requests=1
        )

    # --- turns, tools and state -------------------------------------------------------------

    def _handle_user(self, record: Record, key: str) -> None:
        parts = (record.message.parts if record.message else None) or ()
        text = " ".join(part.text or "" for part in parts).strip()
        self._set_signal("running", "user")
        if not text or not record.is_typed:
            return
        if not self.copied:
            shown = record.system_payload.display_text if record.system_payload else None
            self.session.set_title(shown or text, PROMPT_RANK)
        if not self.parent:
            self._add_event(f"prompt:{key}", turns=1)

    def _handle_tool_result(self, record: Record, key: str) -> None:
        result = record.tool_call_result or ToolCallResult()
        call_id = result.call_id or key
        name = self.state.tools.pop(call_id, "unknown")
        if result.status == "error":
            self._add_event(f"failure:{key}", tool_errors=((call_id, name),))
        cancelled = result.status == "cancelled"
        self._set_progress(f"tool_result.{result.status}", "idle" if cancelled else "running")

    def _set_signal(self, kind: str, detail: str, reason: str = "", tool: str = "") -> None:
        if not self.copied:
            self.session.signal = Signal(kind, reason, detail).with_tool(tool)

    def _add_event(self, key: str, *, session_id: str = "", **fields: Unpack[EventFields]) -> None:
        event = UsageEvent(
            key=key,
            session_id=session_id or self.session.session_id,
            time=self.time,
            copied=self.copied,
            **fields,
        )
        if event.requests:
            self.add_response(event)
        else:
            self.batch.events.append(event)
