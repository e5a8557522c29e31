"""pi: `<root>/sessions/<folder>/*.jsonl`, one file a session.

Seen with 1.5.2 and 0.73.1; documented in packages/coding-agent/docs/session-format.md of
https://github.com/earendil-works/pi, and see tests/agents/pi/README.
Says nothing of processes, and of credentials reads only of what kind they are.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, named_path, tool_label, walk
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.decoding import Count, Errors, Moment
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    NO_TOKENS,
    PICODOLLARS_PER_USD,
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.paths import clean_path
from agtop_exporter.signature import ProcessSignature
from agtop_exporter.tail import LineReader, use_each

NAME = "pi"
NAME_RANK = 5
ENTRIES = frozenset(
    {"branch_summary", "compaction", "context_edit", "custom", "custom_message", "label"}
    | {"message", "model_change", "session", "session_info", "thinking_level_change", "usage"}
)
ROLES = frozenset(
    {"assistant", "bashExecution", "branchSummary", "compactionSummary", "custom"}
    | {"hookMessage", "system", "toolResult", "user"}
)
KNOWN_TYPES = ENTRIES | {f"message.{role}" for role in ROLES}
MAX_COST_USD = 100_000.0  # no request costs more
SIGNALS = {  # by why an answer stopped
    "toolUse": Signal("running", "", "assistant.toolUse"),
    "error": Signal("error", "error", "assistant.error"),
    "stop": Signal("idle", "", "assistant.stop"),
    "length": Signal("idle", "", "assistant.length"),
    "aborted": Signal("idle", "", "assistant.aborted"),
    "deferred": Signal("running", "", "assistant.deferred"),
}


class Cost(msgspec.Struct, gc=False):
    """What pi reckons that a response cost, in USD."""

    total: float | None = None


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a response: disjoint already; two figures are subsets of others."""

    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_write: Count | None = 0
    cache_write_1h: Count | None = msgspec.field(default=0, name="cacheWrite1h")
    reasoning: Count | None = 0
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
    thinking_level: str | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line: the header of the session, or an entry."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    cwd: str | None = None
    message: Message | None = None
    provider: str | None = None
    model: str | None = None
    model_id: str | None = None
    usage: Usage | None = None
    thinking_level: str | None = None
    name: str | None = None

    @property
    def kind(self) -> str:
        """Its type, for a message with its role, as `KNOWN_TYPES` has them."""
        return f"{self.type}.{self.message.role}" if self.message else self.type


class Settings(msgspec.Struct, rename="camel"):
    """`settings.json`, of which only this is looked at."""

    session_dir: str | None = None


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a session file between two reads."""

    session_id: str = ""
    began: float = 0.0  # earlier entries are copies of another session's
    latest: float = 0.0
    model: str = ""


class _Reader:
    """Turns the records of one file into events and one session update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        self.path = path
        self.memory = memory
        self.errors = errors
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(
            session_id="", data_path=path, last_active=memory.latest or None
        )
        self.time = 0.0
        self.copied = False
        self.accounts = provider_accounts(path.rsplit("/", 3)[0])

    def take(self, record: Record, at: int) -> None:
        """Use one record, which ends at a byte offset."""
        self._place(record)
        stamp = record.timestamp.isoformat() if record.timestamp else ""
        key = f"{record.id}:{stamp}" if record.id else f"{self.path}:{at}:{stamp}"
        message, session = record.message, self.session
        self.unknown.see(record.kind)
        match record.type:
            case "session":
                if not session.work_in(record.cwd):
                    self.errors.add("schema", at)
            case "message" if message is not None:
                self._message(message, key)
            case "model_change":
                self._choose(record.model_id)
            case "thinking_level_change":
                session.model_effort = record.thinking_level or session.model_effort
            case "session_info":
                session.entitle(record.name or "", NAME_RANK)
            case "compaction":
                self._occur(f"compaction:{key}", compactions=1)
                self._respond(record, key, self.memory.model)
            case "branch_summary" | "usage":  # the latter of any kind, such as cache warming
                self._respond(record, key, record.model or self.memory.model)

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
                self._respond(message, f"nested:{key}", "")  # what the tool asked of any models
                if message.is_error:
                    call_id, name = message.tool_call_id or key, message.tool_name or ""
                    failed = ((call_id, tool_label(name)),)
                    self._occur(f"failure:{key}", tool_errors=failed)

    def _choose(self, model: str | None) -> None:
        self.memory.model = self.session.model = model or self.memory.model

    def _answer(self, message: Message, key: str) -> None:
        session = self.session
        self._choose(message.model)
        session.model_effort = message.thinking_level or session.model_effort
        session.subscription = self.accounts.get(message.provider or "", session.subscription)
        self._signal(SIGNALS.get(message.stop_reason or "", Signal()))
        blocks = message.content if isinstance(message.content, list) else ()
        tools = tuple(
            (block.id or f"{key}:{index}", tool_label(block.name))
            for index, block in enumerate(blocks)
            if block.type == "toolCall"
        )
        used = self._respond(message, key, message.model or "", tools)
        if not self.copied:
            session.fill(used)

    def _respond(
        self,
        record: Record | Message,
        key: str,
        model: str,
        tools: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """Count what a record says that a model used, and return its tokens.

        A request that failed before it was answered has none, and was not billed.
        """
        usage = record.usage or Usage()
        tokens = token_counts(usage)
        if tokens.total:
            self._occur(
                key,
                model=model,
                tokens=tokens,
                tools=tools,
                provider=record.provider or "",
                reported_cost=picodollars(usage.cost),
            )
        elif tools:
            self._occur(f"calls:{key}", tools=tools)
        return tokens.total

    def _signal(self, signal: Signal) -> None:
        if not self.copied:
            self.session.signal = signal

    def _occur(  # noqa: PLR0913 - the fields of an event
        self,
        key: str,
        *,
        model: str = "",
        tokens: TokenCounts = NO_TOKENS,
        turns: int = 0,
        compactions: int = 0,
        tools: tuple[tuple[str, str], ...] = (),
        tool_errors: tuple[tuple[str, str], ...] = (),
        provider: str = "",
        reported_cost: int | None = None,
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.session_id,
                time=self.time,
                model=model,
                tokens=tokens,
                requests=int(tokens.total > 0),
                turns=turns,
                compactions=compactions,
                tools=tools,
                tool_errors=tool_errors,
                copied=self.copied,
                provider=provider,
                reported_cost=reported_cost,
            )
        )

    @property
    def session_id(self) -> str:
        """The session of the file; without a header, by the file's name."""
        return self.memory.session_id or Path(self.path).stem.rpartition("_")[2]


def token_counts(usage: Usage) -> TokenCounts:
    """Return the counts; cache writes of which no life is said are of 5 minutes."""
    written, long_lived = usage.cache_write or 0, usage.cache_write_1h or 0
    return TokenCounts(
        input=usage.input or 0,
        cache_read=usage.cache_read or 0,
        cache_write_5m=max(0, written - long_lived),
        cache_write_1h=min(written, long_lived),
        output=usage.output or 0,
        reasoning=min(usage.output or 0, usage.reasoning or 0),
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
        reader = _Reader(path, memory, errors)
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
    """Return the folders of sessions: the usual ones, and those that the settings name."""
    if sessions := environment.get("PI_CODING_AGENT_SESSION_DIR"):
        return (named_path(sessions),)
    bases = listed_roots(environment, "PI_CODING_AGENT_DIR", home / ".pi" / "agent")
    named = (named_path(clean_path(settings(base).session_dir or "")) for base in bases)
    # A relative name starts at the project that pi was started in: none of ours to guess.
    return (*(base / "sessions" for base in bases), *(path for path in named if path.is_absolute()))


def settings(base: Path) -> Settings:
    """Return the user's settings; empty where they cannot be read."""
    path = base / "settings.json"
    try:
        return msgspec.json.decode(path.read_bytes() if path.is_file() else b"{}", type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Settings()


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files: `<folder>/*.jsonl`."""
    return walk(root, suffix=".jsonl", depth=1)


AGENT = Agent(
    name=NAME,
    title="pi",
    roots=roots,
    files=files,
    read=read,
    signature=ProcessSignature(
        titles=frozenset({"pi"}),  # many other programs have this name too
        packages=("@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
    ),
    known_types=KNOWN_TYPES,
    not_in_files="the version, the context window and rate limits",
)
