"""Reads the logs, the descriptions and the context sizes of Grok Build's sessions.

At the end of a turn, Grok Build writes the usage of the turn by model. This usage includes the
requests of the subagents that ended before the end of the turn. The usage in a subagent's own log
is therefore counted only if the subagent ended after the turn that started it. A forked session
contains copies of the turns of its original.
"""

import re
from pathlib import Path
from typing import TypeVar, Unpack

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.grok.records import (
    KNOWN_TYPES,
    Description,
    Line,
    Signals,
    Update,
    Usage,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.documents import read_document, usable_document
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState, ReaderState
from agtop_exporter.signature import UUID

NAME = "grok"
LOG, DESCRIPTION, SIGNALS = "updates.jsonl", "summary.json", "signals.json"
SUMMARY_RANK, TITLE_RANK = 2, 3
ENTRIES_MAX = 128  # maximum number of turns or subagents in the state
FAILED = "failed"
ENDED = frozenset({FAILED, "completed"})  # statuses of a tool call that has a result
IS_UNIQUE = re.compile(UUID).fullmatch
Value = TypeVar("Value")
BUSY = frozenset(
    {"user_message_chunk", "agent_message_chunk", "agent_thought_chunk", "tool_call"}
    | {"tool_call_update"}
)


class LogState(ReaderState):
    """The reader state of one log."""

    latest: float = 0.0  # in unix seconds
    calls: OpenCalls = field(default_factory=OpenCalls)
    ended: dict[str, float] = field(default_factory=dict)  # end of a turn by prompt id
    subagents: dict[str, str] = field(default_factory=dict)  # prompt id by id of the subagent


class LogParser(RecordParser[Line, LogState]):
    """The parser of one log."""

    record = Line
    state_type = LogState
    known_types = KNOWN_TYPES
    counts_subagents = False

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        folder = Path(self.path).parent
        described = usable_document(folder / DESCRIPTION, Description) or Description()
        self.is_subagent = described.is_subagent
        self.model = described.current_model_id or ""
        self.created = described.created_at.timestamp() if described.created_at else 0.0
        self.time, self.copied = state.latest, False
        self.session = batch.session(
            folder.name, parent_session_id=described.parent, last_active=state.latest or None
        )
        if self.model:
            self.name_model(folder.name, self.model)

    def feed(self, record: Line, _offset: int) -> None:
        """Process one line of the log."""
        update = record.params.update if record.params else None
        if update is None:
            return
        self.batch.unknown.observe(update.kind)
        # A fork has the lines of its original, which are older than the fork.
        time = record.time
        self.copied = 0 < time < int(self.created)
        self.time = time or self.state.latest
        if time and not self.copied:
            self.session.observe_time(time)
            self.state.latest = max(self.state.latest, time)
        if update.kind == "turn_completed":
            self._handle_end(update)
        elif update.kind == "user_message_chunk":
            self._handle_prompt(update, record.meta.prompt_id or "")
        elif update.kind == "auto_compact_completed":
            self._add(f"compaction:{self.time}", compactions=1)
        elif update.kind in {"tool_call", "tool_call_update"} and update.call_id:
            self._handle_call(update)
        elif update.kind == "subagent_spawned":
            self._add_subagent(update.child_session_id or "", update.parent_prompt_id or "")
        elif update.kind == "subagent_finished":
            self._end_subagent(update.child_session_id or "")
        if update.kind in BUSY:
            busy = Signal("running", "", update.kind)
            self.session.signal = busy.with_tool(self.state.calls.tool)

    def _handle_end(self, update: Update) -> None:
        """Add the usage of a turn.

        If a turn was written twice, the larger numbers are counted.
        """
        self.state.calls.clear()
        failed = update.stop_reason == "error"
        kind, reason = ("error", "error") if failed else ("idle", "")
        self.session.signal = Signal(kind, reason, update.kind)
        self.state.ended = _latest({**self.state.ended, update.prompt_id or "": self.time})
        if update.usage is None or (self.is_subagent and not self.counts_subagents):
            return
        models = update.usage.model_usage or {"": update.usage}
        for model, usage in models.items():
            self._add_usage(usage, model or self.model, self._name_of(update.prompt_id or ""))

    def _name_of(self, prompt_id: str) -> str:
        """Return a name of a turn that is the same in all copies of the turn."""
        if IS_UNIQUE(prompt_id):
            return prompt_id
        time = "" if prompt_id else f"{self.time:.0f}"
        return f"{self.session.session_id}:{prompt_id or time}"

    def _add_usage(self, usage: Usage, model: str, turn: str) -> None:
        if usage.tokens.total:
            self.add_response(
                UsageEvent(
                    key=f"turn:{turn}:{model}",
                    session_id=self.session.session_id,
                    time=self.time,
                    copied=self.copied,
                    model=model,
                    tokens=usage.tokens,
                    requests=max(1, usage.model_calls or 0),
                    reported_cost=usage.cost,
                )
            )

    def _handle_prompt(self, update: Update, prompt_id: str) -> None:
        text = update.content.get("text") if isinstance(update.content, dict) else None
        if self.is_subagent or update.is_command:
            return
        if not self.copied:
            self.session.set_title(text if isinstance(text, str) else "", PROMPT_RANK)
        self._add(f"prompt:{self._name_of(prompt_id)}", turns=1)

    def _handle_call(self, update: Update) -> None:
        calls = self.state.calls
        if update.kind == "tool_call":
            tools = ((update.call_id, tool_label(update.tool)),)
            calls.begin(tools)
            self._add(f"call:{update.call_id}", tools=tools)
        elif update.status in ENDED and update.call_id in calls.names:
            if update.status == FAILED:
                failed = ((update.call_id, calls.names[update.call_id]),)
                self._add(f"failure:{update.call_id}", tool_errors=failed)
            calls.end(update.call_id)

    def _add_subagent(self, session_id: str, prompt_id: str) -> None:
        if self.copied or self.is_subagent or not IS_UNIQUE(session_id):
            return
        # In version 1.0.41, the description of a subagent does not name its parent.
        log = Path(self.path).parents[1] / session_id / LOG
        self.batch.session(
            session_id, data_path=str(log), parent_session_id=self.session.session_id
        )
        if prompt_id:
            self.state.subagents = _latest({**self.state.subagents, session_id: prompt_id})

    def _end_subagent(self, session_id: str) -> None:
        """Add the usage in the log of a subagent that ended after the turn that started it.

        The log is complete when Grok Build writes that the subagent has ended.
        """
        turn_ended = self.state.ended.get(self.state.subagents.pop(session_id, ""))
        if turn_ended is None:
            return
        root = Path(self.path).parents[2]
        turns = [turn for path in root.glob(f"*/{session_id}/{LOG}") for turn in _turns_in(path)]
        if max((turn.time for turn in turns), default=0.0) > turn_ended:
            self.batch.events += turns

    def _add(self, key: str, **fields: Unpack[EventFields]) -> None:
        session_id = self.session.session_id
        self.batch.event(key, session_id=session_id, time=self.time, copied=self.copied, **fields)


class SubagentParser(LogParser):
    """The parser of the log of a subagent whose usage is in no turn of another session."""

    counts_subagents = True


class DescriptionParser(RecordParser[Description, NoState]):
    """The parser of the description of one session."""

    record = Description
    state_type = NoState

    def feed(self, record: Description, offset: int) -> None:
        """Update the session from its description."""
        folder = Path(self.path).parent
        session = self.batch.session(
            folder.name, data_path=str(folder / LOG), parent_session_id=record.parent
        )
        if record.created_at:
            session.observe_time(record.created_at.timestamp())
        if not session.work_in(record.info.cwd if record.info else None):
            self.batch.error("schema", offset)
        session.git_branch = record.head_branch or ""
        session.model = record.current_model_id or ""
        session.set_title(record.session_summary or "", SUMMARY_RANK)
        session.set_title(record.generated_title or "", TITLE_RANK)


class SignalsParser(RecordParser[Signals, NoState]):
    """The parser of the document with the size of the context of one session."""

    record = Signals
    state_type = NoState

    def feed(self, record: Signals, _offset: int) -> None:
        """Update the session from the document."""
        session = self.batch.session(Path(self.path).parent.name)
        session.set_context_used(record.context_tokens_used)
        session.context_window_tokens = record.context_window_tokens or None


def _latest(known: dict[str, Value]) -> dict[str, Value]:
    """Return the last items of a dictionary, at most ENTRIES_MAX."""
    return dict(list(known.items())[-ENTRIES_MAX:])


def _turns_in(log: Path) -> list[UsageEvent]:
    """Return the usage of the turns in the log of a subagent, without copied turns."""
    turns: list[UsageEvent] = []
    cursor, more = Cursor(), True
    while more:
        try:
            batch = read_jsonl(NAME, SubagentParser, str(log), cursor)
        except OSError:
            break
        turns += [event for event in batch.events if event.tokens.total and not event.copied]
        cursor, more = batch.cursor, batch.more
    return turns


def read(path: str, cursor: Cursor) -> Batch:
    """Read the lines after `cursor` in a log, or a document that has changed. Raises OSError."""
    if path.endswith(LOG):
        return read_jsonl(NAME, LogParser, path, cursor)
    if path.endswith(SIGNALS):
        return read_document(NAME, SignalsParser, path, cursor)
    return read_document(NAME, DescriptionParser, path, cursor)
