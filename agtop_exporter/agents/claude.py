"""Claude Code: `<root>/projects/<folder>/**.jsonl`, one transcript a session or subagent.

Seen with 2.1.197, 2.0.50 and 1.0.100; the format is not documented, see tests/agents/claude/README.
Says nothing of processes, and never looks at credentials.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.agents import (
    Agent,
    Environment,
    listed_roots,
    tool_label,
    walk,
)
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.tail import Bulk, Count, Errors, LineReader, Moment, decoder

NAME = "claude"
CONTEXT_TOKENS = 200_000
LONG_CONTEXT_TOKENS = 1_000_000  # asked for with the suffix [1m], or seen to be in use
REMEMBERED_TOOLS = 64  # calls whose result may still come
SYNTHETIC_MODEL = "<synthetic>"  # lines that Claude Code writes itself, such as API errors
ASKING_TOOLS = frozenset({"AskUserQuestion", "ExitPlanMode"})
TITLE_RANKS = {"custom-title": 5, "ai-title": 4, "summary": 3}
BULK = Bulk(
    markers=(b'"type":"tool_result"',),
    within=800,
    unless=b'"is_error":true',
    settled_by=b'"role":"assistant"',
)
INTERRUPTED = "[Request interrupted"
INJECTED_PROMPTS = (  # lines of type "user" that no user typed
    INTERRUPTED,
    "<command-",
    "<local-command",
    "<task-notification",
    "<system-reminder",
    "<bash-",
    "Caveat: ",
)


class CacheCreation(msgspec.Struct, gc=False):
    """How long the cache writes of a request live."""

    ephemeral_5m_input_tokens: Count | None = 0
    ephemeral_1h_input_tokens: Count | None = 0


class Usage(msgspec.Struct, gc=False):
    """The API's usage object; input excludes all cached tokens."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_input_tokens: Count | None = 0
    cache_creation_input_tokens: Count | None = 0
    cache_creation: CacheCreation | None = None
    speed: str | None = None


class Block(msgspec.Struct, gc=False):
    """One content block."""

    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False):
    """The API message of a record."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    content: str | list[Block] | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line, with the fields that matter."""

    type: str = ""
    timestamp: Moment | None = None
    session_id: str | None = None
    parent_session_id: str | None = None
    request_session_id: str | None = None
    uuid: str | None = None
    request_id: str | None = None
    agent_id: str | None = None
    is_sidechain: bool | None = None
    is_meta: bool | None = None
    is_compact_summary: bool | None = None
    is_api_error_message: bool | None = None
    forked_from: object = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    subtype: str | None = None
    ai_title: str | None = None
    custom_title: str | None = None
    summary: str | None = None
    message: Message | None = None


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a transcript between two reads."""

    began: float = 0.0  # the time of its first record: earlier ones are copies
    session_id: str = ""
    wide_context: bool = False
    tools: dict[str, str] = {}  # the latest calls: id -> name
    last_active: dict[str, float] = {}  # by session: lines without a time come after this


class _Response(msgspec.Struct, gc=False):
    """A response that is being put together from its lines, which repeat its usage."""

    time: float
    model: str
    usage: Usage
    tokens: TokenCounts
    copied: bool
    tools: tuple[tuple[str, str], ...]


class _Reader:
    """Turns the records of one transcript into events and session updates.

    While a record is being used, `session`, `time`, `copied` and `main_chain` say where it stands.
    """

    def __init__(self, path: str, memory: Memory) -> None:
        *_, parent_folder, _, name = f"///{path}".split("/")  # <session>/subagents/agent-*.jsonl
        stem = name.removesuffix(".jsonl")
        self.path = path
        self.memory = memory
        self.responses: dict[tuple[str, str], _Response] = {}  # by session and message
        self.events: list[UsageEvent] = []
        self.sessions: dict[str, SessionUpdate] = {}
        self.agent_id = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self.session_id = memory.session_id or (parent_folder if self.agent_id else stem)
        self.session = SessionUpdate(session_id="")
        self.time = 0.0
        self.copied = False
        self.main_chain = True

    def take(self, record: Record, at: int) -> None:
        """Use one record, which lies at a byte offset."""
        self._place(record)
        message = record.message
        if record.type == "assistant" and message is not None:
            self._assistant(record, message, at)
        elif record.type == "user" and message is not None:
            self._user(record, message)
        elif record.type == "system":
            self._system(record)
        elif record.type in TITLE_RANKS:
            title = record.custom_title or record.ai_title or record.summary or ""
            self.session.entitle(title, TITLE_RANKS[record.type])

    def _place(self, record: Record) -> None:
        """Find the record's session, and whether it is a copy: then time runs backwards."""
        memory, session = self.memory, self.session
        time = self.time = record.timestamp.timestamp() if record.timestamp else 0.0
        if time and not memory.began:
            memory.began = time
        copied = self.copied = 0 < time < memory.began or record.forked_from is not None
        self.session_id = record.session_id or record.parent_session_id or self.session_id
        agent_id = self.agent_id
        if record.is_sidechain:
            agent_id = record.agent_id or agent_id
        self.main_chain = not record.is_sidechain or bool(agent_id)
        session_id = f"agent-{agent_id}" if agent_id else self.session_id
        if session_id != session.session_id:
            session = self.session = self.sessions.get(session_id) or self._begin(session_id)
        session.cwd = session.cwd or record.cwd or ""
        if time and not copied:
            session.seen(time)
            session.git_branch = record.git_branch or session.git_branch
            session.agent_version = record.version or session.agent_version

    def _begin(self, session_id: str) -> SessionUpdate:
        is_subagent = session_id != self.session_id
        session = self.sessions[session_id] = SessionUpdate(
            session_id=session_id,
            data_path=self.path,
            parent_session_id=self.session_id if is_subagent else "",
            last_active=self.memory.last_active.get(session_id),
            subagent=bool(self.agent_id),
        )
        return session

    def _assistant(self, record: Record, message: Message, at: int) -> None:
        session, model = self.session, message.model or ""
        if model == SYNTHETIC_MODEL:
            if self.main_chain and record.is_api_error_message:
                session.signal = Signal("error", "api error", "assistant.isApiErrorMessage")
            return
        asks = False
        tools: tuple[tuple[str, str], ...] = ()
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    asks = asks or block.name in ASKING_TOOLS
                    name = tool_label(block.name)
                    tools += ((block.id, name),)
                    self._remember(block.id, name)
        if message.usage is not None:
            key = message.id or record.uuid or f"{self.path}:{at}"
            self._respond(key, record, message.usage, model, tools)
        if self.main_chain:
            session.model = model or session.model
            session.signal = ASKING if asks else answered(message.stop_reason)

    def _respond(
        self,
        key: str,
        record: Record,
        usage: Usage,
        model: str,
        tools: tuple[tuple[str, str], ...],
    ) -> None:
        place = (self.session.session_id, key)
        maker = record.request_session_id or self.session_id
        copied = self.copied or not record.request_id or maker != self.session_id
        response = self.responses.get(place)
        if response is None:
            tokens = token_counts(usage)
            response = _Response(self.time, model, usage, tokens, copied, tools)
            self.responses[place] = response
        else:
            response.tools += tools
            response.copied &= copied
            if usage == response.usage:
                return
            usage.speed = response.usage.speed or usage.speed
            response.usage = usage
            response.tokens = response.tokens.max(token_counts(usage))
        if self.main_chain:
            self._context(model, response.tokens.total)

    def _remember(self, call_id: str, name: str) -> None:
        calls = self.memory.tools
        calls[call_id] = name
        if len(calls) > REMEMBERED_TOOLS:
            del calls[next(iter(calls))]

    def _context(self, model: str, used: int) -> None:
        session = self.session
        session.context_used_tokens = used
        if used > (session.context_peak_tokens or 0):
            session.context_peak_tokens = used
        if used > CONTEXT_TOKENS or "[1m]" in model:
            self.memory.wide_context = True
        if model.startswith("claude"):
            wide = self.memory.wide_context
            session.context_window_tokens = LONG_CONTEXT_TOKENS if wide else CONTEXT_TOKENS

    def _user(self, record: Record, message: Message) -> None:
        session, blocks = self.session, message.content
        if isinstance(blocks, list) and any(block.type == "tool_result" for block in blocks):
            if self.main_chain:
                session.signal = Signal("running", "", "user.tool_result")
            self._failures(blocks)
            return
        text = prompt_text(blocks).lstrip()
        if text.startswith(INTERRUPTED):
            session.signal = Signal("idle", "", "user.interrupted")
        typed = text and not (record.is_meta or record.is_compact_summary or record.is_sidechain)
        if typed and not text.startswith(INJECTED_PROMPTS):
            session.entitle(text, PROMPT_RANK)
            session.signal = Signal("running", "", "user.prompt")
            self._occur(f"prompt:{record.uuid or self.time}", turns=1)

    def _failures(self, blocks: list[Block]) -> None:
        for block in blocks:
            name = self.memory.tools.get(block.tool_use_id, "unknown")
            if block.is_error:
                failed = ((block.tool_use_id, name),)
                self._occur(f"failure:{block.tool_use_id}", tool_errors=failed)

    def _system(self, record: Record) -> None:
        if record.subtype == "turn_duration":
            self.session.signal = Signal("idle", "", "system.turn_duration")
        elif record.subtype == "compact_boundary":
            self._occur(f"compaction:{record.uuid or self.time}", compactions=1)

    def _occur(
        self,
        key: str,
        *,
        turns: int = 0,
        compactions: int = 0,
        tool_errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.session.session_id,
                time=self.time,
                turns=turns,
                compactions=compactions,
                tool_errors=tool_errors,
                copied=self.copied,
            )
        )

    def all_events(self) -> tuple[UsageEvent, ...]:
        """Return everything that happened once; a response of several lines is one event."""
        return (
            *(
                UsageEvent(
                    key=key,
                    session_id=session_id,
                    time=response.time,
                    model=response.model,
                    tokens=response.tokens,
                    requests=1,
                    tools=tuple(dict(response.tools).items()),
                    copied=response.copied,
                    speed=response.usage.speed or "",
                )
                for (session_id, key), response in self.responses.items()
            ),
            *self.events,
        )


def token_counts(usage: Usage) -> TokenCounts:
    """Make the counts disjoint; cache writes of unknown lifetime are 5 minutes."""
    creation = usage.cache_creation
    flat = usage.cache_creation_input_tokens or 0
    one_hour = (creation.ephemeral_1h_input_tokens or 0) if creation else 0
    five_minutes = (creation.ephemeral_5m_input_tokens or 0) if creation else 0
    return TokenCounts(
        input=usage.input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write_5m=max(five_minutes, flat - one_hour),
        cache_write_1h=one_hour,
        output=usage.output_tokens or 0,
    )


ASKING = Signal("waiting", "input", "assistant.question")


@lru_cache(maxsize=64)
def answered(stop_reason: str | None) -> Signal:
    """Say what a session is doing whose last record is an answer that stopped so."""
    running = stop_reason in ("tool_use", "pause_turn", None)
    return Signal("running" if running else "idle", "", f"assistant.stop_reason={stop_reason}")


def prompt_text(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text for block in content if block.type == "text")
    return content or ""


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    errors = Errors(path)
    decode = decoder(Record, errors)
    with LineReader(path, cursor, bulk=BULK) as lines:
        known = cursor.state and not lines.reset
        memory = msgspec.msgpack.decode(cursor.state, type=Memory) if known else Memory()
        reader = _Reader(path, memory)
        records = 0
        for line in lines:
            record = decode(line, lines.offset)
            if record is not None:
                records += 1
                reader.take(record, lines.offset)
        errors.add("too_large", lines.offset, lines.too_large)
        memory.session_id = reader.session_id
        for session in reader.sessions.values():
            if session.last_active is not None:
                memory.last_active[session.session_id] = session.last_active
        return Batch(
            agent=NAME,
            path=path,
            cursor=lines.cursor(msgspec.msgpack.encode(memory)),
            events=reader.all_events(),
            sessions=tuple(reader.sessions.values()),
            errors=errors.all(),
            records=records,
            bytes_read=lines.offset - lines.start,
            reset=lines.reset,
            more=lines.more,
        )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the project folders of every configuration directory."""
    return listed_roots(
        environment,
        "CLAUDE_CONFIG_DIR",
        home / ".claude",
        home / ".config" / "claude",
        below="projects",
    )


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts: `<project>/*.jsonl` and `<project>/<session>/subagents/*.jsonl`."""
    return walk(root, suffix=".jsonl", depth=4)


AGENT = Agent(name=NAME, title="Claude Code", roots=roots, files=files, read=read)
