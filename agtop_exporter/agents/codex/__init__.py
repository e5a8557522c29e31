"""Codex CLI: `<root>/sessions/**/rollout-*.jsonl` and `archived_sessions`, one rollout a thread.

Seen with 0.169 and 0.80; the format is not documented, see tests/agents/codex/README.
Says nothing of processes, and never looks at credentials.
"""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from operator import lt
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, tool_label, walk
from agtop_exporter.agents.codex.account import account_plan
from agtop_exporter.agents.codex.limits import NAME, OWN_LIMITS, rate_limits
from agtop_exporter.agents.codex.processes import SIGNATURE
from agtop_exporter.agents.codex.records import (
    NOTHING,
    Item,
    Payload,
    RateLimits,
    Record,
    Source,
    Subagent,
    ThreadSettings,
    TokenUsage,
)
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.agents.codex.usage import added, growth, token_counts, vector
from agtop_exporter.decoding import Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    RateLimit,
    SessionUpdate,
    Signal,
    UsageEvent,
    is_sane,
)
from agtop_exporter.tail import LineReader, records

THREAD_NAME_RANK = 5
REPLAY = timedelta(seconds=1)  # an old fork writes its parent's records at once, when it begins
TOOL_CALLS = frozenset(
    {"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"}
)
RESULTS = frozenset(  # most of a rollout, which tells no more than that it goes on
    {"reasoning", "function_call_output", "custom_tool_call_output", "tool_search_output"}
)
FREQUENT = TOOL_CALLS | RESULTS | {"token_count"}  # known types of payloads
APPROVALS = frozenset(
    {"exec_approval_request", "apply_patch_approval_request", "elicitation_request"}
)
FIGURES = "%d:%d:%d:%d:%d:%d"  # of a usage, in the order of its fields
ESCALATED = b"require_escalated"  # such a call asks the user first, which no record says (0.169)
SPEEDS = {"fast": "priority", "priority": "priority", "flex": "flex"}  # by service tier


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a rollout between two reads."""

    began: datetime | None = None
    thread_id: str = ""
    parent_id: str = ""
    family: str = ""  # the foreign thread whose records a fork replays
    own_ordinal: int = 0  # records before this ordinal are replayed
    turn_id: str = ""
    model: str = ""
    total: tuple[int, ...] = ()  # the running total that has been counted
    has_tasks: bool = False  # says when a turn begins and ends
    inherits: bool = False  # a fork's running total is its origin's until its first response
    last_active: float | None = None
    asked: bool = False  # for permission, and no record has come since that needs it
    speed: str = ""  # a service tier that costs otherwise
    origin: str = ""  # the thread whose records may be replayed when this one begins
    has_records: bool = False  # one for each response: token counts only repeat them
    falls: int = 0  # how often the running total has begun again
    untold: int = 0  # counts so far that came without a running total


class _Reader:
    """Turns the records of one rollout into events and one session update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        self.path = path
        self.memory = memory
        self.errors = errors
        self.at = 0
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.limits: RateLimits | None = None  # the latest, and when they were told
        self.limits_at: datetime | None = None
        self.session = SessionUpdate(
            session_id=memory.thread_id,
            data_path=path,
            parent_session_id=memory.parent_id,
            last_active=memory.last_active,
        )
        self.moment: datetime | None = None  # of the record at hand
        self.copied = False

    def take(self, found: list[Record], at: int) -> None:
        """Use some records, the last of which ends at a byte offset."""
        self.at = at
        seldom = [r for r in found if r.payload is None or r.payload.type not in FREQUENT]
        self.unknown.see_all([record.kind for record in seldom])
        begin = 0
        if "session_meta" in [record.type for record in seldom]:
            types = [record.type for record in reversed(found)]
            begin = len(types) - types.index("session_meta")  # before it, anything may change
        for record in found[:begin]:
            self._use([record])
        memory = self.memory
        if memory.family or memory.own_ordinal or memory.origin:  # each may be a copy
            for record in found[begin:]:
                self._use([record])
        else:
            self._use(found[begin:])

    def _use(self, run: list[Record]) -> None:
        """Use records that are all copies, or none of them."""
        times = [record.timestamp for record in run if record.timestamp and record.payload]
        sane = (time for time in times if is_sane(time.timestamp()))
        self.memory.began = self.memory.began or next(sane, None)
        self.copied = bool(run) and self._is_copy(run[0])
        if times and not self.copied:
            self.session.seen(min(times).timestamp())
            self.session.seen(max(times).timestamp())
        for record in run:
            payload = record.payload
            if payload is None or payload.type in RESULTS:
                continue
            self.moment = record.timestamp
            if record.type == "response_item":
                self._item(payload)
            elif record.type == "event_msg":
                self._event(payload)
            elif record.type == "token_usage_record":
                self._usage_record(payload)
            elif record.type == "turn_context":
                self._turn_context(payload)
            elif record.type == "session_meta":
                self._session_meta(payload)
            elif record.type == "compacted" and not self.copied:
                self._occur(f"compaction:{self._thread()}:{self.time}", compactions=1)

    def _is_copy(self, record: Record) -> bool:
        memory = self.memory
        if record.ordinal is not None and memory.own_ordinal:
            return record.ordinal < memory.own_ordinal
        moment, began = record.timestamp, memory.began
        if began is None:
            return False
        if memory.origin and moment is not None and moment < began:
            return True
        return bool(memory.family) and (moment is None or moment < began + REPLAY)

    @property
    def time(self) -> float:
        """The time of the record at hand; 0 where it has none."""
        return seconds(self.moment)

    def _thread(self) -> str:
        """Name the thread; before its first record, by its file."""
        if not self.session.session_id:
            stem = self.path.rpartition("/")[2].removesuffix(".jsonl")
            self.memory.thread_id = self.session.session_id = stem[-36:]
        return self.session.session_id

    def _session_meta(self, payload: Payload) -> None:
        memory, session = self.memory, self.session
        thread_id = payload.id or payload.session_id or ""
        if memory.thread_id and thread_id != memory.thread_id:
            memory.family = memory.family or thread_id
            return
        if memory.thread_id or not thread_id:
            return
        source = payload.source.subagent if isinstance(payload.source, Source) else None
        spawn = source.thread_spawn if isinstance(source, Subagent) else None
        parent = payload.parent_thread_id or (spawn.parent_thread_id if spawn else None) or ""
        memory.thread_id = session.session_id = thread_id
        memory.parent_id = session.parent_session_id = parent
        memory.inherits = bool(payload.forked_from_id)
        memory.origin = payload.forked_from_id or parent
        memory.own_ordinal = payload.subagent_history_start_ordinal or 0
        session.subagent = bool(parent)
        if not session.work_in(payload.cwd):
            self.errors.add("schema", self.at)
        session.agent_version = payload.cli_version or ""
        session.git_branch = (payload.git.branch if payload.git else None) or ""
        if payload.timestamp:
            session.seen(payload.timestamp.timestamp())

    def _turn_context(self, payload: Payload) -> None:
        self.memory.turn_id = payload.turn_id or self.memory.turn_id
        if payload.model:
            self.memory.model = self.session.model = payload.model
        mode = payload.collaboration_mode
        effort = payload.effort or (
            mode.settings.reasoning_effort if mode and mode.settings else ""
        )
        self.session.model_effort = effort or self.session.model_effort

    def _thread_settings(self, settings: ThreadSettings) -> None:
        self.memory.model = settings.model or self.memory.model
        self.memory.speed = SPEEDS.get(settings.service_tier or "", "")
        self.session.model_effort = settings.reasoning_effort or self.session.model_effort

    # --- usage ------------------------------------------------------------------------------

    def _usage_record(self, payload: Payload) -> None:
        """Count a response by its own record: newer versions write one for each."""
        usage = payload.usage
        if usage is None:
            return
        memory = self.memory
        total = vector(payload.thread_token_usage)
        memory.has_records = True
        if total and total == memory.total:
            return  # an earlier token_count has told of it
        memory.total = total or added(memory.total, vector(usage))
        foreign = payload.thread_id not in (None, self._thread())
        key = payload.response_id or f"{payload.turn_id}:{total}"
        self._respond(f"response:{key}", usage, copied=self.copied or foreign)
        self.session.fill(usage.total_tokens)

    def _token_count(self, payload: Payload) -> None:
        """Count what a running total has grown by; most token_counts repeat the one before."""
        if payload.rate_limits is not None and payload.rate_limits.limit_id in OWN_LIMITS:
            self.limits, self.limits_at = payload.rate_limits, self.moment
        info = payload.info
        if info is None:
            return
        last = info.last_token_usage
        if last is not None:
            self.session.fill(last.total_tokens)
        self.session.context_window_tokens = (
            info.model_context_window or self.session.context_window_tokens
        )
        total = vector(info.total_token_usage)
        if not self._is_late(total):
            usage = last or growth(info.total_token_usage, self.memory.total)
            self.memory.total = total
            if usage is not None and any(vector(usage)) and not self.memory.inherits:
                self._count(usage, total)

    def _is_late(self, total: tuple[int, ...]) -> bool:
        """Tell whether a running total says nothing new; follow it where it begins again."""
        memory = self.memory
        if not total or total == memory.total:
            return bool(total)
        if any(map(lt, total, memory.total)):
            if memory.has_records:
                return True  # the records are ahead of it
            memory.falls += 1
        return False

    def _count(self, usage: TokenUsage, total: tuple[int, ...]) -> None:
        """Count a response by its figures, and all that tells it from its like."""
        memory = self.memory
        copied = self.copied or self._is_replayed()
        owner = memory.turn_id or ((memory.family or memory.origin) if copied else "")
        figures = FIGURES % (total or vector(usage))
        if not total:  # only its place tells it from its like
            memory.untold += 1
            figures += f":#{memory.untold}"
        elif memory.falls:
            figures += f":#{memory.falls}"
        self._respond(f"count:{owner or self._thread()}:{figures}", usage, copied=copied)

    def _is_replayed(self) -> bool:
        """Tell whether the count at hand may be one of the thread that this one began from."""
        memory = self.memory
        return bool(
            memory.origin
            and not memory.own_ordinal
            and memory.began
            and (self.moment is None or self.moment < memory.began + REPLAY)
        )

    def _respond(self, key: str, usage: TokenUsage, *, copied: bool) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self._thread(),
                time=self.time,
                model=self.memory.model,
                tokens=token_counts(usage),
                requests=1,
                copied=copied,
                speed=self.memory.speed,
            )
        )

    def rate_limits(self) -> tuple[RateLimit, ...]:
        """Return the rate-limit windows as they were told last, by their length."""
        if self.limits is None:
            return ()
        if self.limits.plan_type:
            self.session.subscription = f"ChatGPT {self.limits.plan_type.capitalize()}"
        return rate_limits(self.limits, seconds(self.limits_at))

    # --- turns, tools and state -------------------------------------------------------------

    def _event(self, payload: Payload) -> None:
        kind = payload.type
        if kind == "token_count":
            self._token_count(payload)
            self._answered()
        elif kind == "item_completed" and payload.item is not None:
            self._completed(payload.item)
        elif kind == "user_message":
            self._prompt(f"prompt:{self._thread()}:{self.time}", payload.message or "")
        elif kind == "thread_name_updated":
            self.session.entitle(payload.thread_name or "", THREAD_NAME_RANK)
        elif payload.thread_settings is not None:
            self._thread_settings(payload.thread_settings)
        elif not self.copied:
            self._task(payload)

    def _task(self, payload: Payload) -> None:
        """Follow the turn; a replayed one says nothing of this thread."""
        session, kind = self.session, payload.type
        self.memory.asked = False
        if kind in ("task_started", "turn_started"):
            self.memory.turn_id = payload.turn_id or self.memory.turn_id
            self.memory.has_tasks = True
            session.context_window_tokens = (
                payload.model_context_window or session.context_window_tokens
            )
            session.signal = signal("running", kind)
        elif kind in ("task_complete", "turn_complete"):
            session.signal = self._finished(payload)
        elif kind == "turn_aborted":
            session.signal = signal("idle", kind)
        elif kind in APPROVALS:
            session.signal = signal("waiting", kind, "permission")
        elif kind == "request_user_input":
            session.signal = signal("waiting", kind, "input")
        elif kind in ("error", "stream_error"):
            session.signal = signal("error", kind, kind)

    @staticmethod
    def _finished(payload: Payload) -> Signal:
        if payload.error is not None:
            reason = payload.error.codex_error_info
            return signal("error", payload.type, reason if isinstance(reason, str) else "error")
        if asks(payload.last_agent_message or ""):
            return signal("waiting", payload.type, "input")
        return signal("idle", payload.type)

    def _completed(self, item: Item) -> None:
        if item.type == "UserMessage":
            text = " ".join(part.text or "" for part in item.content or ())
            self._prompt(f"prompt:{item.id or self.time}", text)
        elif item.type == "CommandExecution":
            self._answered()
            if item.status == "failed" or item.exit_code:
                failed = ((item.id, "exec_command"),)
                self._occur(f"failure:{item.id}", tool_errors=failed)

    def _prompt(self, key: str, text: str) -> None:
        if not text.lstrip().startswith("<"):
            self.session.entitle(text, PROMPT_RANK)
        if not self.copied:
            self.session.signal = signal("running", "user_message")
            self._occur(key, turns=1)

    def _item(self, payload: Payload) -> None:
        if payload.type in TOOL_CALLS:
            self._work_begins()
            self._call(payload)
        elif payload.role == "assistant":
            self._work_begins()
            if payload.type == "message":
                self._answer(payload)

    def _work_begins(self) -> None:
        """Note that what follows is a fork's own, if it is no copy."""
        if self.memory.inherits and not self.copied:
            self.memory.inherits = False

    def _call(self, payload: Payload) -> None:
        thread_id, time = self._thread(), self.time
        call_id = payload.call_id or payload.id or f"{thread_id}:{time}"
        name = tool_label(payload.name or payload.type.removesuffix("_call"))
        self.events.append(
            UsageEvent(
                key=f"call:{call_id}",
                session_id=thread_id,
                time=time,
                tools=((call_id, name),),
                copied=self.copied,
            )
        )
        if not self.copied:
            self.session.signal = self._called(payload)

    def _called(self, payload: Payload) -> Signal:
        words = payload.input if payload.arguments is NOTHING else payload.arguments
        if ESCALATED in bytes(words):
            self.memory.asked = True
            return signal("waiting", payload.type, "permission")
        return signal("running", payload.type)

    def _answered(self) -> None:
        """Go on after a question for permission: the call has been made, or counted (0.169)."""
        if self.memory.asked and not self.copied:
            self.memory.asked = False
            self.session.signal = signal("running", "function_call")

    def _answer(self, payload: Payload) -> None:
        """Tell the end of a turn by its answer, for versions that have no other sign."""
        if self.copied or self.memory.has_tasks or payload.phase not in (None, "final_answer"):
            return
        parts = payload.content if isinstance(payload.content, list) else ()
        if asks(" ".join(part.text or "" for part in parts)):
            self.session.signal = signal("waiting", "assistant-question", "input")
        else:
            self.session.signal = signal("idle", "assistant-final")

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
                session_id=self._thread(),
                time=self.time,
                turns=turns,
                compactions=compactions,
                tools=tools,
                tool_errors=tool_errors,
                copied=self.copied,
            )
        )


@lru_cache(maxsize=256)
def signal(kind: str, detail: str, reason: str = "") -> Signal:
    """Return the signal of a record type."""
    return Signal(kind, reason, detail)


def asks(text: str) -> bool:
    """Say whether an answer ends with a question: a `?` elsewhere may be a URL or code."""
    return text.rstrip().endswith("?")


def seconds(moment: datetime | None) -> float:
    """Return a time in unix seconds; 0 where there is none."""
    return moment.timestamp() if moment is not None else 0.0


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one rollout. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory, errors)
        count = 0
        for found in records(lines, Record, errors):
            count += len(found)
            reader.take(found, lines.offset)
        rate_limits = reader.rate_limits()
        memory.last_active = reader.session.last_active
        return lines.batch(
            NAME,
            errors=errors,
            records=count,
            memory=memory,
            events=reader.events,
            sessions=(reader.session,) if reader.session.session_id else (),
            rate_limits=rate_limits,
            unknown=reader.unknown,
        )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and of archived rollouts of every home."""
    homes = listed_roots(environment, "CODEX_HOME", home / ".codex")
    return tuple(base / name for base in homes for name in ("sessions", "archived_sessions"))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the rollouts: `YYYY/MM/DD/*.jsonl`, or flat where archived."""
    return walk(root, suffix=".jsonl", depth=4)


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account, from the first home that has one."""
    homes = dict.fromkeys(root.parent for root in roots(home, environment))
    return next(filter(None, map(account_plan, homes)), "")


AGENT = Agent(
    name=NAME,
    title="Codex",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    signature=SIGNATURE,
    known_types=KNOWN_TYPES,
    not_in_files="ephemeral threads, hidden title threads, streams that were cut",
)
