"""pi: `<root>/sessions/<folder>/*.jsonl`, one file a session.

Seen with 0.73.1; documented in packages/coding-agent/docs/session.md of
https://github.com/badlogic/pi-mono, and see tests/agents/pi/README.
Says nothing of processes, and of credentials reads only of what kind they are.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, tool_label, walk
from agtop_exporter.credentials import opencode_accounts
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.tail import Count, Errors, LineReader, Moment, use_each

NAME = "pi"
NAME_RANK = 5
ENTRIES = frozenset(
    {"branch_summary", "compaction", "custom", "custom_message", "label", "message"}
    | {"model_change", "session", "session_info", "thinking_level_change"}
)
ROLES = frozenset(
    {"assistant", "bashExecution", "branchSummary", "compactionSummary", "custom"}
    | {"hookMessage", "toolResult", "user"}
)
KNOWN_TYPES = ENTRIES | {f"message.{role}" for role in ROLES}
MAX_COST_USD = 100_000.0  # no request costs more
SIGNALS = {  # by why an answer stopped
    "toolUse": Signal("running", "", "assistant.toolUse"),
    "error": Signal("error", "error", "assistant.error"),
    "stop": Signal("idle", "", "assistant.stop"),
    "length": Signal("idle", "", "assistant.length"),
    "aborted": Signal("idle", "", "assistant.aborted"),
}


class Cost(msgspec.Struct, gc=False):
    """What pi reckons that a response cost, in USD."""

    total: float | None = None


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a response: disjoint already, and output includes reasoning."""

    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_write: Count | None = 0
    cost: Cost | None = None


class Block(msgspec.Struct, gc=False):
    """One content block."""

    type: str = ""
    text: str | None = None
    id: str = ""
    name: str = ""


class Message(msgspec.Struct, gc=False, rename="camel"):
    """The message of an entry."""

    role: str = ""
    content: str | list[Block] | None = None
    provider: str | None = None
    model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line: the header of the session, or an entry."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    cwd: str | None = None
    message: Message | None = None
    model_id: str | None = None
    thinking_level: str | None = None
    name: str | None = None

    @property
    def kind(self) -> str:
        """Its type, for a message with its role, as `KNOWN_TYPES` has them."""
        return f"{self.type}.{self.message.role}" if self.message else self.type


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a session file between two reads."""

    session_id: str = ""
    began: float = 0.0  # earlier entries are copies of another session's
    latest: float = 0.0


class _Reader:
    """Turns the records of one file into events and one session update."""

    def __init__(self, path: str, memory: Memory) -> None:
        self.path = path
        self.memory = memory
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(
            session_id="", data_path=path, last_active=memory.latest or None
        )
        self.time = 0.0
        self.copied = False
        self.accounts = opencode_accounts(Path(path).parent.parent.parent)

    def take(self, record: Record, at: int) -> None:
        """Use one record, which ends at a byte offset."""
        self._place(record)
        stamp = record.timestamp.isoformat() if record.timestamp else ""
        key = f"{record.id}:{stamp}" if record.id else f"{self.path}:{at}:{stamp}"
        message, session = record.message, self.session
        self.unknown.see(record.kind)
        match record.type:
            case "session":
                session.cwd = record.cwd or session.cwd
            case "message" if message is not None:
                self._message(message, key)
            case "model_change":
                session.model = record.model_id or session.model
            case "thinking_level_change":
                session.model_effort = record.thinking_level or session.model_effort
            case "session_info":
                session.entitle(record.name or "", NAME_RANK)
            case "compaction":
                self._occur(f"compaction:{key}", compactions=1)

    def _place(self, record: Record) -> None:
        """Find out whether an entry is a copy: then it is older than the file's header."""
        memory = self.memory
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        if record.type == "session" and not memory.session_id:
            memory.session_id = record.id
            memory.began = time
        self.time = time or memory.latest
        self.copied = 0 < self.time < memory.began
        if time and not self.copied:
            memory.latest = max(memory.latest, time)
            self.session.seen(time)

    def _message(self, message: Message, key: str) -> None:
        match message.role:
            case "assistant":
                self._answer(message, key)
            case "user":
                self._signal(Signal("running", "", "user"))
                text = text_of(message.content)
                self.session.entitle(text, PROMPT_RANK)
                self._occur(f"prompt:{key}", turns=1)
            case "toolResult":
                self._signal(Signal("running", "", "toolResult"))
                if message.is_error:
                    call_id, name = message.tool_call_id or key, message.tool_name or ""
                    failed = ((call_id, tool_label(name)),)
                    self._occur(f"failure:{key}", tool_errors=failed)

    def _answer(self, message: Message, key: str) -> None:
        session, usage = self.session, message.usage
        session.model = message.model or session.model
        session.subscription = self.accounts.get(message.provider or "", session.subscription)
        self._signal(SIGNALS.get(message.stop_reason or "", Signal()))
        blocks = message.content if isinstance(message.content, list) else ()
        tools = tuple(
            (block.id or f"{key}:{index}", tool_label(block.name))
            for index, block in enumerate(blocks)
            if block.type == "toolCall"
        )
        tokens = token_counts(usage or Usage())
        if not tokens.total:  # a request that failed before it was answered
            if tools:
                self._occur(f"calls:{key}", tools=tools)
            return
        if not self.copied:
            used = session.context_used_tokens = tokens.total
            session.context_peak_tokens = max(used, session.context_peak_tokens or 0)
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.session_id,
                time=self.time,
                model=message.model or "",
                tokens=tokens,
                requests=1,
                tools=tools,
                copied=self.copied,
                provider=message.provider or "",
                reported_cost=picodollars(usage.cost if usage else None),
            )
        )

    def _signal(self, signal: Signal) -> None:
        if not self.copied:
            self.session.signal = signal

    def _occur(
        self,
        key: str,
        *,
        turns: int = 0,
        compactions: int = 0,
        tools: tuple[tuple[str, str], ...] = (),
        tool_errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.session_id,
                time=self.time,
                turns=turns,
                compactions=compactions,
                tools=tools,
                tool_errors=tool_errors,
                copied=self.copied,
            )
        )

    @property
    def session_id(self) -> str:
        """The session of the file; without a header, by the file's name."""
        return self.memory.session_id or Path(self.path).stem.rpartition("_")[2]


def token_counts(usage: Usage) -> TokenCounts:
    """Return the counts; how long cache writes live is not said, so they are of 5 minutes."""
    return TokenCounts(
        input=usage.input or 0,
        cache_read=usage.cache_read or 0,
        cache_write_5m=usage.cache_write or 0,
        output=usage.output or 0,
    )


def picodollars(cost: Cost | None) -> int | None:
    """Return pi's own figure; None where it knows no price, which it writes as 0."""
    total = (cost.total if cost else None) or 0.0
    return round(total * PICODOLLARS_PER_USD) if 0 < total <= MAX_COST_USD else None


def text_of(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text or "" for block in content if block.type == "text")
    return content or ""


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one session file. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory)
        records = use_each(lines, Record, errors, reader.take)
        reader.session.session_id = reader.session_id
        return lines.batch(
            NAME,
            errors=errors,
            records=records,
            memory=memory,
            events=reader.events,
            sessions=(reader.session,) if records else (),
            unknown=reader.unknown,
        )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of sessions."""
    if sessions := environment.get("PI_CODING_AGENT_SESSION_DIR"):
        return (Path(sessions).expanduser(),)
    user = home / ".pi" / "agent"
    return listed_roots(environment, "PI_CODING_AGENT_DIR", user, below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files: `<folder>/*.jsonl`."""
    return walk(root, suffix=".jsonl", depth=1)


AGENT = Agent(
    name=NAME,
    title="pi",
    roots=roots,
    files=files,
    read=read,
    not_in_files="the version, the context window and rate limits",
)
