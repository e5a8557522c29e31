"""Claude Code: `<root>/projects/<folder>/**.jsonl`, one transcript a session or subagent.

Seen with 2.1.332 to 1.0.100; the format is not documented, see tests/agents/claude/README.
Says nothing of processes, and of credentials reads only of what plan they are.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.agents import (
    Agent,
    Entry,
    Environment,
    listed_roots,
    tool_label,
    walk,
)
from agtop_exporter.agents.claude import limits
from agtop_exporter.agents.claude.account import account_plan
from agtop_exporter.agents.claude.limits import NAME
from agtop_exporter.agents.claude.processes import SIGNATURE, read_registries
from agtop_exporter.agents.claude.records import Block, Message, Record, Usage, token_counts
from agtop_exporter.agents.claude.types import KNOWN_TYPES, PLAIN_TYPES, TYPES
from agtop_exporter.decoding import Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    Batch,
    Cursor,
    RateLimit,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
    is_sane,
    one_line,
)
from agtop_exporter.signature import RegistryReading
from agtop_exporter.tail import LineReader, records

CONTEXT_TOKENS = 200_000
LONG_CONTEXT_TOKENS = 1_000_000  # asked for with the suffix [1m], or seen to be in use
REMEMBERED_TOOLS = 64  # calls whose result may still come
SYNTHETIC_MODEL = "<synthetic>"  # lines that Claude Code writes itself, such as API errors
ASKING_TOOLS = frozenset({"AskUserQuestion", "ExitPlanMode"})
TITLE_RANKS = {"custom-title": 5, "ai-title": 4, "summary": 3}
RESET_EPOCH = re.compile(r"\|(\d{10})$")  # "usage limit reached|1755072000"
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


UNKNOWN = Signal()
Calls = tuple[tuple[str, str], ...]  # id, name
NO_CALLS: Calls = ()


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a transcript between two reads."""

    began: datetime | None = None  # the time of its first record: earlier ones are copies
    session_id: str = ""
    wide_context: bool = False
    tools: dict[str, str] = {}  # the latest calls: id -> name
    last_active: dict[str, float] = {}  # by session: lines without a time come after this


class _Response(msgspec.Struct, gc=False):
    """A response that is being put together from its lines, which repeat its usage."""

    time: float
    model: str
    usage: Usage  # of the latest line
    copied: bool
    main_chain: bool
    tools: Calls
    tokens: TokenCounts = NO_TOKENS  # of earlier lines, where they differ

    def grow(self, usage: Usage) -> None:
        """Take in the usage of one more line: the model's answer has gone on."""
        if usage.cache_creation is None:
            usage.cache_creation = self.usage.cache_creation
        elif self.usage.cache_creation is None:
            self.usage.cache_creation = usage.cache_creation
        if not usage.continues(self.usage):
            self.tokens = self.all_tokens()
        usage.speed = self.usage.speed or usage.speed
        self.usage = usage

    def all_tokens(self) -> TokenCounts:
        """Return the largest figures of all lines."""
        tokens = token_counts(self.usage)
        return tokens if self.tokens is NO_TOKENS else tokens.max(self.tokens)


@dataclass(slots=True)
class _Found:
    """A session with what one read found of it; what often changes is not in the Struct."""

    update: SessionUpdate
    signal: Signal = UNKNOWN
    model: str = ""
    effort: str = ""
    responses: dict[str, _Response] = field(default_factory=dict)  # as they began, by message
    latest: str = ""  # the message of the main chain that was written last
    first: datetime | None = None  # the earliest and the latest record of its own
    last: datetime | None = None


class _Reader:
    """Turns the records of one transcript into events and session updates.

    While a record is being used, `found`, `copied` and `main_chain` say where it stands.
    """

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        *_, parent_folder, _, name = f"///{path}".split("/")  # <session>/subagents/agent-*.jsonl
        stem = name.removesuffix(".jsonl")
        self.path = path
        self.memory = memory
        self.errors = errors
        self.at = 0
        self.calls = OrderedDict(memory.tools)
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.sessions: dict[str, _Found] = {}
        self.agent_id = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self.session_id = memory.session_id or (parent_folder if self.agent_id else stem)
        self.place = Record()  # the first one of those that stand where the latest does
        self.found = _Found(SessionUpdate(session_id=""))
        self.limit_hit: RateLimit | None = None  # the latest
        self.is_transcript = bool(memory.session_id)  # else another program's file
        self.copied = False
        self.main_chain = True

    def take(self, records: list[Record], at: int) -> None:
        """Use some records, the last of which ends at a byte offset."""
        self.at = at
        types = {record.type for record in records}
        self.is_transcript = self.is_transcript or not TYPES.isdisjoint(types)
        if not PLAIN_TYPES.issuperset(types):
            self.unknown.see_all([record.kind for record in records])
        place = self.place
        for record in records:
            if (
                record.session_id is None
                or record.session_id != place.session_id
                or record.agent_id != place.agent_id
                or record.is_sidechain != place.is_sidechain
            ):
                place = self.place = record
                self._place(record)
            self.copied = record.forked_from is not None
            if record.timestamp is not None:
                self._date(record, record.timestamp)
            message = record.message
            if message is None:
                self._remark(record)
            elif record.type == "assistant":
                self._assistant(record, message)
            elif record.type == "user":
                self._user(record, message)

    def _place(self, record: Record) -> None:
        """Find the session of a record."""
        self.session_id = record.session_id or record.parent_session_id or self.session_id
        agent_id = (record.agent_id if record.is_sidechain else None) or self.agent_id
        self.main_chain = not record.is_sidechain or bool(agent_id)
        own_id = f"agent-{agent_id}" if agent_id else self.session_id
        self.found = self.sessions.get(own_id) or self._begin(own_id)

    def _begin(self, session_id: str) -> _Found:
        is_subagent = session_id != self.session_id
        found = self.sessions[session_id] = _Found(
            SessionUpdate(
                session_id=session_id,
                data_path=self.path,
                parent_session_id=self.session_id if is_subagent else "",
                last_active=self.memory.last_active.get(session_id),
                subagent=bool(self.agent_id),
            )
        )
        return found

    def _date(self, record: Record, moment: datetime) -> None:
        """Note when a record was written, and what its session runs on: a copy says neither."""
        memory, found = self.memory, self.found
        session = found.update
        if not session.cwd and not session.work_in(record.cwd):
            self.errors.add("schema", self.at)
        if memory.began is None:
            if not is_sane(moment.timestamp()):
                return
            memory.began = moment
        if self.copied or moment < memory.began:
            self.copied = True
            return
        if found.first is None or found.last is None:
            found.first = found.last = moment
        elif moment >= found.last:
            found.last = moment
        elif moment < found.first:
            found.first = moment
        if record.git_branch:
            session.git_branch = record.git_branch
        if record.version:
            session.agent_version = record.version

    # --- responses --------------------------------------------------------------------------

    def _assistant(self, record: Record, message: Message) -> None:
        found, model = self.found, message.model
        if model == SYNTHETIC_MODEL:
            if self.main_chain and record.is_api_error_message:
                found.signal = Signal("error", "api error", "assistant.isApiErrorMessage")
            if record.error == "rate_limit" and record.timestamp is not None:
                self.limit_hit = limit_hit(prompt_text(message.content), seconds(record))
            return
        asks, tools = False, NO_CALLS
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    asks = asks or block.name in ASKING_TOOLS
                    tools += (self._call(block),)
        if message.usage is not None:
            self._respond(record, message, message.usage, tools)
        if self.main_chain:
            found.model = model or found.model
            found.effort = record.effort or found.effort
            found.signal = ASKING if asks else answered(message.stop_reason)

    def _call(self, block: Block) -> tuple[str, str]:
        """Note a call until its result comes."""
        calls = self.calls
        name = calls[block.id] = tool_label(block.name)
        if len(calls) > REMEMBERED_TOOLS:
            calls.popitem(last=False)
        return block.id, name

    def _respond(self, record: Record, message: Message, usage: Usage, tools: Calls) -> None:
        found = self.found
        key = message.id or record.uuid or nameless(found.update.session_id, record, usage)
        asked_elsewhere = record.request_session_id not in (None, self.session_id)
        copied = self.copied or asked_elsewhere or not record.request_id
        response = found.responses.get(key)
        if response is None:
            found.responses[key] = _Response(
                seconds(record), message.model or "", usage, copied, self.main_chain, tools
            )
        else:
            response.copied &= copied
            if tools:
                response.tools += tools
            if usage != response.usage:
                response.grow(usage)
        if self.main_chain:
            found.latest = key

    # --- all else ---------------------------------------------------------------------------

    def _user(self, record: Record, message: Message) -> None:
        is_result = False
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_result":
                    is_result = True
                    if block.is_error:
                        self._failure(record, block.tool_use_id)
        if not is_result:
            self._prompt(record, message)
        elif self.main_chain:
            self.found.signal = WORKING

    def _failure(self, record: Record, call_id: str) -> None:
        failed = ((call_id, self.calls.get(call_id, "unknown")),)
        self._occur(record, f"failure:{call_id}", tool_errors=failed)

    def _prompt(self, record: Record, message: Message) -> None:
        found, text = self.found, prompt_text(message.content).lstrip()
        if text.startswith(INTERRUPTED):
            found.signal = Signal("idle", "", "user.interrupted")
        typed = text and not (record.is_meta or record.is_compact_summary or record.is_sidechain)
        if typed and not text.startswith(INJECTED_PROMPTS):
            found.update.entitle(text, PROMPT_RANK)
            found.signal = Signal("running", "", "user.prompt")
            self._occur(record, f"prompt:{record.uuid or seconds(record)}", turns=1)

    def _remark(self, record: Record) -> None:
        """Use a record without a message."""
        if record.type in TITLE_RANKS:
            title = record.custom_title or record.ai_title or record.summary or ""
            self.found.update.entitle(title, TITLE_RANKS[record.type])
        elif record.subtype == "turn_duration":
            self.found.signal = Signal("idle", "", "system.turn_duration")
        elif record.subtype == "compact_boundary":
            self._occur(record, f"compaction:{record.uuid or seconds(record)}", compactions=1)

    def _occur(
        self,
        record: Record,
        key: str,
        *,
        turns: int = 0,
        compactions: int = 0,
        tool_errors: Calls = NO_CALLS,
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.found.update.session_id,
                time=seconds(record),
                turns=turns,
                compactions=compactions,
                tool_errors=tool_errors,
                copied=self.copied,
            )
        )

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> tuple[UsageEvent, ...]:
        """Complete the sessions, and return everything that happened once."""
        responses = [event for found in self.sessions.values() for event in self._complete(found)]
        self.memory.tools = dict(self.calls)
        if self.is_transcript:
            self.memory.session_id = self.session_id
        return (*responses, *self.events)

    def _complete(self, found: _Found) -> list[UsageEvent]:
        session, used, models = found.update, 0, [""]
        session.signal, session.model = found.signal, found.model
        session.model_effort = found.effort
        events: list[UsageEvent] = []
        for key, response in found.responses.items():
            tokens = response.all_tokens()
            if response.main_chain:
                used = max(used, tokens.total)
                if response.model != models[-1]:
                    models.append(response.model)
            events.append(
                UsageEvent(
                    key,
                    session.session_id,
                    response.time,
                    response.model,
                    tokens,
                    requests=1,
                    tools=each_once(response.tools),
                    copied=response.copied,
                    speed=response.usage.speed or "",
                )
            )
        if found.latest:
            session.context_used_tokens = found.responses[found.latest].all_tokens().total
        self._measure(session, models, used)
        if found.first is not None and found.last is not None:
            session.seen(found.first.timestamp())
            session.seen(found.last.timestamp())
        if session.last_active is not None:
            self.memory.last_active[session.session_id] = session.last_active
        return events

    def _measure(self, session: SessionUpdate, models: list[str], used: int) -> None:
        """Note how much of the context window the models of a session used at most."""
        session.context_peak_tokens = used or None
        windows = [window for model in models if (window := context_window(model)) is not None]
        if used > CONTEXT_TOKENS or LONG_CONTEXT_TOKENS in windows:
            self.memory.wide_context = True
        if windows:
            session.context_window_tokens = (
                LONG_CONTEXT_TOKENS if self.memory.wide_context else windows[-1]
            )


def each_once(calls: Calls) -> Calls:
    """Return every call once, however many lines repeat it."""
    return calls if len(calls) < 2 else tuple(dict(calls).items())  # noqa: PLR2004 - two


@lru_cache(maxsize=64)
def context_window(model: str) -> int | None:
    """Return the context window that a model's name tells of; None for other makers' models."""
    if not model.startswith("claude"):
        return None
    return LONG_CONTEXT_TOKENS if "[1m]" in model else CONTEXT_TOKENS


def nameless(session_id: str, record: Record, usage: Usage) -> str:
    """Return a key for a response that has no id of its own."""
    return f"{session_id}:{record.timestamp}:{token_counts(usage)}"


def seconds(record: Record) -> float:
    """Return the time of a record; 0 where it has none."""
    return record.timestamp.timestamp() if record.timestamp is not None else 0.0


WORKING = Signal("running", "", "user.tool_result")
ASKING = Signal("waiting", "input", "assistant.question")


@lru_cache(maxsize=64)
def answered(stop_reason: str | None) -> Signal:
    """Say what a session is doing whose last record is an answer that stopped so."""
    running = stop_reason in ("tool_use", "pause_turn", None)
    return Signal("running" if running else "idle", "", f"assistant.stop_reason={stop_reason}")


def limit_hit(text: str, observed_at: float) -> RateLimit:
    """Return what a refusal says: that a limit was reached, and in some versions until when."""
    until = RESET_EPOCH.search(text)
    return RateLimit(
        agent=NAME,
        window="last_hit",
        used_ratio=None,
        observed_at=observed_at,
        resets_at=float(until[1]) if until else None,
        source="transcript",
        hint=one_line(text.partition("|")[0]),
    )


def prompt_text(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text for block in content if block.type == "text")
    return content or ""


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript, or the limits. Raises OSError."""
    if path.endswith(limits.STATE):
        return limits.read(path, cursor)
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory, errors)
        count = 0
        for found in records(lines, Record, errors):
            count += len(found)
            reader.take(found, lines.offset)
        events = reader.finish()
        return lines.batch(
            NAME,
            errors=errors,
            records=count,
            memory=memory,
            events=events,
            sessions=(found.update for found in reader.sessions.values() if reader.is_transcript),
            rate_limits=(reader.limit_hit,) if reader.limit_hit else (),
            unknown=reader.unknown,
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


def files(root: Path) -> Iterator[Entry]:
    """List the transcripts, and the state that belongs to them.

    They are `<project>/*.jsonl` and `<project>/<session>/subagents/*.jsonl`.
    """
    yield from walk(root, suffix=".jsonl", depth=4)
    yield from limits.files(root)


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account, from the first configuration directory that has one."""
    folders = (root.parent for root in roots(home, environment))
    return next(filter(None, map(account_plan, folders)), "")


def live_registry(home: Path, environment: Environment) -> RegistryReading:
    """Return what Claude Code reports about its live processes. Never raises OSError."""
    return read_registries(root.parent for root in roots(home, environment))


AGENT = Agent(
    name=NAME,
    title="Claude Code",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    plan_covers=frozenset({"max"}),
    signature=SIGNATURE,
    live_registry=live_registry,
    aliases=("claude-code", "claudecode"),
    known_types=KNOWN_TYPES,
    not_in_files="title, compaction and safety requests, streams that were cut or retried",
)
