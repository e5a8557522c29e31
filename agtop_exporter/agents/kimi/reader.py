"""Reads the records of Kimi Code's agents, and the descriptions of its sessions.

A session has one agent named `main`, and may have other agents, which are its subagents. Each agent
has a `wire.jsonl`. The usage of a request is in a record of type `usage.record`, which has no id. A
forked session contains copies of records with their times. A request is therefore identified by its
time and its token counts.
"""

from pathlib import Path

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.kimi import earlier
from agtop_exporter.agents.kimi.records import (
    KNOWN_TYPES,
    Description,
    IndexEntry,
    LoopEvent,
    Record,
    Usage,
    token_counts,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Errors, decoder, seconds_of
from agtop_exporter.reading.documents import read_document, usable_document
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import RecordParser, TranscriptParser
from agtop_exporter.reading.state import NoState, ReaderState

NAME = "kimi"
WIRE, DESCRIPTION = "wire.jsonl", "state.json"
AGENTS, MAIN = "agents", "main"
TITLE_RANK = 3
ALIASES_MAX = 32
INDEX, INDEX_BYTES = "session_index.jsonl", 4 * 1024 * 1024
TOOL_CALL, TOOL_RESULT = "tool.call", "tool.result"  # types of events
TURN_LIMITS = frozenset({"turn.prompt", "turn.ended", "turn.cancel"})
SIGNALS = {
    "turn.prompt": Signal("running", "", "turn.prompt"),
    "interaction.request": Signal("waiting", "input", "interaction.request"),
    "interaction.resolved": Signal("running", "", "interaction.resolved"),
    "turn.cancel": Signal("idle", "", "turn.cancel"),
}


class WireState(ReaderState):
    """The reader state of one `wire.jsonl`."""

    latest: float = 0.0  # in unix seconds
    aliases: dict[str, str] = field(default_factory=dict)  # name of the model by alias
    calls: OpenCalls = field(default_factory=OpenCalls)


class WireParser(TranscriptParser[Record, WireState]):
    """The parser of one `wire.jsonl`."""

    record = Record
    state_type = WireState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: WireState) -> None:
        super().__init__(batch, state)
        agent = Path(self.path).parent
        folder = agent.parent.parent
        self.is_main = agent.name == MAIN
        described = usable_document(folder / DESCRIPTION, Description) or Description()
        self.created = described.created
        self.session = batch.session(
            folder.name if self.is_main else f"{folder.name}/{agent.name}",
            parent_session_id="" if self.is_main else folder.name,
            subagent=not self.is_main,
            cwd=_directory(folder, described),
            last_active=state.latest or None,
        )

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.type)
        time = seconds_of(record.time)
        self.time = time or self.state.latest
        # A fork begins with copies, which are older than the session.
        self.copied = 0 < self.time < self.created
        if time and not self.copied:
            self.state.latest = max(self.state.latest, time)
            self.session.observe_time(time)
        key = f"{record.time:.0f}" if time else f"{self.session.session_id}:{offset}"
        match record.type:
            case "llm.request":
                self._handle_request(record)
            case "usage.record" if record.usage:
                self._add_usage(record.usage, record.model or "", key)
            case "turn.prompt" if record.is_typed:
                self._add_prompt(record, key)
            case "full_compaction.complete":
                self.add_event(f"compaction:{key}", compactions=1)
            case "context.append_loop_event" if record.event:
                self._handle_event(record.event, key)
        self._set_signal(record)

    def _handle_request(self, record: Record) -> None:
        name = record.model or ""
        known = {**self.state.aliases, record.model_alias or name: name}
        self.state.aliases = dict(list(known.items())[-ALIASES_MAX:])
        self.session.model = name or self.session.model
        self.session.model_effort = record.thinking_effort or self.session.model_effort
        if name:
            self.name_model(self.session.session_id, name)

    def _add_usage(self, usage: Usage, alias: str, key: str) -> None:
        tokens = token_counts(usage)
        if not tokens.total:
            return
        figures = f"{tokens.input}:{tokens.cache_read}:{tokens.cache_write_5m}:{tokens.output}"
        model = self.state.aliases.get(alias, alias)
        self.session.model = model or self.session.model
        if not self.copied:
            self.session.set_context_used(tokens.total)
        self.add_response(
            UsageEvent(
                key=f"usage:{key}:{alias}:{figures}",
                session_id=self.session.session_id,
                time=self.time,
                copied=self.copied,
                model=model,
                tokens=tokens,
                requests=1,
            )
        )

    def _add_prompt(self, record: Record, key: str) -> None:
        if not self.is_main:
            return
        text = next((part.text for part in record.input or () if part.text), "")
        self.session.set_title(text or "", PROMPT_RANK)
        self.add_event(f"prompt:{key}", turns=1)

    def _handle_event(self, event: LoopEvent, key: str) -> None:
        call, calls = event.tool_call_id, self.state.calls
        if event.type == TOOL_CALL and call:
            tools = ((call, tool_label(event.name)),)
            calls.begin(tools)
            self._run(TOOL_CALL)
            self.add_event(f"call:{call}:{key}", tools=tools)
        elif event.type == TOOL_RESULT:
            if event.result and event.result.is_error:
                failed = ((call, calls.names.get(call, tool_label(""))),)
                self.add_event(f"failure:{call}:{key}", tool_errors=failed)
            if calls.end(call):
                self._run(TOOL_RESULT)

    def _set_signal(self, record: Record) -> None:
        if record.type in TURN_LIMITS:
            self.state.calls.clear()
        if self.copied:
            return
        if record.type == "turn.ended":
            failed = record.reason == "failed"
            kind, reason = ("error", "error") if failed else ("idle", "")
            signal = Signal(kind, reason, record.type)
        else:
            signal = SIGNALS.get(record.type, self.session.signal)
        self.session.signal = signal.with_tool(self.state.calls.tool)

    def _run(self, detail: str) -> None:
        if not self.copied:
            self.session.signal = Signal("running", "", detail)


class DescriptionParser(RecordParser[Description, NoState]):
    """The parser of the description of one session."""

    record = Description
    state_type = NoState

    def feed(self, record: Description, offset: int) -> None:
        """Update the session from its description."""
        folder = Path(self.path).parent
        data_path = folder / AGENTS / MAIN / WIRE
        session = self.batch.session(folder.name, data_path=str(data_path))
        if record.created:
            session.observe_time(record.created)
        if not session.work_in(_directory(folder, record)):
            self.batch.error("schema", offset)
        session.set_title(record.title or "", TITLE_RANK)


def _directory(folder: Path, described: Description) -> str:
    """Return the working directory of the session in a folder; "" if unknown.

    The descriptions of the first versions have no directory. It is then in the index of sessions.
    """
    known = described.cwd or described.work_dir or ""
    if known:
        return known
    try:
        index = read_head(folder.parents[2] / INDEX, INDEX_BYTES)
    except OSError:
        return ""
    decode = decoder(IndexEntry, Errors(INDEX))
    lines = (line for line in index.splitlines() if folder.name.encode() in line)
    entries = [entry for line in lines if (entry := decode(memoryview(line), 0))]
    return next((e.work_dir for e in reversed(entries) if e.session_id == folder.name), "")


def read(path: str, cursor: Cursor) -> Batch:
    """Read records after a cursor, or a description that has changed. Raises OSError."""
    if path.endswith(DESCRIPTION):
        return read_document(NAME, DescriptionParser, path, cursor)
    if Path(path).parents[1].name == AGENTS:
        return read_jsonl(NAME, WireParser, path, cursor)
    return earlier.read(NAME, path, cursor)
