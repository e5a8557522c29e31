"""Reads the tasks of version 3 of Cline's editor extension, and of version 2 of its tool.

A task has a document `tasks/<task id>/ui_messages.json` with all entries that the user saw. It is
rewritten as a whole, also while a response arrives. `state/taskHistory.json` describes all tasks.
Entries that a restored checkpoint removed are not subtracted.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from agtop_exporter.agents.cline.providers import (
    ELSEWHERE,
    ApiUsage,
    ModelInfo,
    has_cost,
    token_counts,
)
from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal, UsageEvent
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import UNDECODABLE, seconds_of, usable_fields
from agtop_exporter.reading.documents import Form, read_document
from agtop_exporter.reading.parsers import RecordParser, TranscriptParser
from agtop_exporter.reading.shortening import ELLIPSIS
from agtop_exporter.reading.state import NoState, ReaderState

NAME = "cline"
MESSAGES = "ui_messages.json"
HISTORY = "taskHistory.json"
REQUESTS = frozenset({"api_req_started", "api_req_finished"})
SUBAGENTS = "subagent_usage"  # the sum of the requests of several subagents
PROMPTS = frozenset({"task", "user_feedback"})
KNOWN_TYPES = frozenset({"ask", "say"})
REMOVED = ELLIPSIS.decode()  # begins the rest of a long text in a document that is very long
FIGURES = re.compile(rb'(?<!\\)\\"tokensIn\\":.*', re.DOTALL)  # the end of the text of a request
SIGNALS = {  # by the question of the last entry
    **dict.fromkeys(
        ("tool", "command", "browser_action_launch", "use_mcp_server", "use_subagents"),
        Signal("waiting", "permission", "ask"),
    ),
    **dict.fromkeys(
        ("followup", "plan_mode_respond", "mistake_limit_reached", "new_task", "condense"),
        Signal("waiting", "input", "ask"),
    ),
    "api_req_failed": Signal("error", "api", "ask"),
}
IDLE = frozenset({"completion_result", "resume_task", "resume_completed_task"})


decode_usage = msgspec.json.Decoder(ApiUsage).decode


class Entry(msgspec.Struct, gc=False, rename="camel"):
    """One entry. `ts` is in unix milliseconds. `type` is `ask` or `say`."""

    ts: float | None = None
    type: str = ""
    ask: str | None = None
    say: str | None = None
    text: str | None = None
    model_info: ModelInfo | None = None


class Task(msgspec.Struct):
    """The document `ui_messages.json`, an array of entries."""

    entries: list[Entry] | None = None


class SkippedState(ReaderState):
    """The reader state of a task: the time of the last entry whose usage was not counted."""

    skipped: float = 0.0  # unix seconds


class TaskParser(TranscriptParser[Task, SkippedState]):
    """The parser of the entries of one task."""

    record = Task
    state_type = SkippedState
    known_types = KNOWN_TYPES

    def feed(self, record: Task, _offset: int) -> None:
        """Process the document; each of its entries counts as a record."""
        task_id = Path(self.path).parent.name
        self.session = self.batch.session(task_id)
        entries = record.entries or []
        for index, entry in enumerate(entries):
            self._handle_entry(entry, index)
        self.batch.records = len(entries)

    def _handle_entry(self, entry: Entry, index: int) -> None:
        session = self.session
        self.batch.unknown.observe(entry.type)
        time = seconds_of(entry.ts)
        if time:
            session.observe_time(time)
        self.time = time or self.time
        key = f"{session.session_id}:{entry.ts or index:.0f}"
        if entry.say in REQUESTS or entry.say == SUBAGENTS:
            self._handle_request(entry, key)
        # The first entry of a task is its prompt.
        if entry.say in PROMPTS or (index == 0 and entry.say == "text"):
            session.set_title(entry.text or "", PROMPT_RANK)
            self.add_event(f"prompt:{key}", turns=1)
        if entry.say == "completion_result" or entry.ask in IDLE:
            session.signal = Signal("idle", "", entry.type)
        else:
            session.signal = SIGNALS.get(entry.ask or "", Signal("running", "", entry.type))

    def _handle_request(self, entry: Entry, key: str) -> None:
        """Add the usage of a request, or count it as skipped if its meaning is not known."""
        info = entry.model_info or ModelInfo()
        usage, reason = usage_of(entry.text or "")
        if reason:
            self._skip(entry, reason)
        if usage.is_empty or info.provider_id in ELSEWHERE:
            return
        # The subagents can have other models than the task.
        tokens = token_counts(usage, info) if entry.say != SUBAGENTS else None
        if tokens is None:
            self._skip(entry, "unknown_usage")
            return
        session = self.session
        session.model = info.model_id or session.model
        session.set_context_used(tokens.prompt + tokens.output)
        self.batch.events.append(
            UsageEvent(
                key,
                session.session_id,
                self.time,
                model=info.model_id or "",
                provider=info.provider_id or "",
                tokens=tokens,
                requests=1,
                reported_cost=picodollars(usage.cost) if has_cost(usage, info) else None,
            )
        )

    def _skip(self, entry: Entry, reason: ParseErrorReason) -> None:
        """Count an error of an entry, once although the document is rewritten."""
        time = seconds_of(entry.ts) or 1.0  # entries without a time are counted once together
        if time > self.state.skipped:
            self.state.skipped = time
            self.batch.error(reason, 0)


def usage_of(text: str) -> tuple[ApiUsage, ParseErrorReason | Literal[""]]:
    """Return (usage, reason of an error or "") for the text of an entry, which is JSON.

    In a very long document, only the figures of a long text are left. The usage is empty if the
    text has no figures yet, or is not JSON.
    """
    if text in {"", REMOVED}:
        return ApiUsage(), ""
    text = text.replace(REMOVED, "{", 1) if text.startswith(REMOVED) else text
    with suppress(*UNDECODABLE):
        return decode_usage(text), ""
    with suppress(*UNDECODABLE):
        return usable_fields(msgspec.json.decode(text), ApiUsage) or ApiUsage(), "schema"
    return ApiUsage(), "json"


class Item(msgspec.Struct, rename="camel"):
    """The description of one task."""

    id: str = ""
    task: str | None = None
    cwd_on_task_initialization: str | None = None
    shadow_git_config_work_tree: str | None = None  # the working directory in older versions


class History(msgspec.Struct):
    """The document `taskHistory.json`, an array of descriptions."""

    items: list[Item] | None = None


class HistoryParser(RecordParser[History, NoState]):
    """The parser of the descriptions of all tasks."""

    record = History
    state_type = NoState

    def feed(self, record: History, offset: int) -> None:
        """Set the working directory and the title of each task."""
        tasks = Path(self.path).parents[1] / "tasks"
        items = record.items or []
        for item in items:
            if not item.id or "/" in item.id:
                continue
            session = self.batch.session(item.id, data_path=str(tasks / item.id / MESSAGES))
            session.set_title(item.task or "", PROMPT_RANK)
            directory = item.cwd_on_task_initialization or item.shadow_git_config_work_tree
            if not session.work_in(directory):
                self.batch.error("schema", offset)
        self.batch.records = len(items)


def read(path: str, cursor: Cursor) -> Batch:
    """Read one document if it has changed since `cursor`. Raises OSError."""
    if path.endswith(HISTORY):
        return read_document(NAME, HistoryParser, path, cursor, Form("items"))
    return read_document(NAME, TaskParser, path, cursor, Form("entries", FIGURES))
