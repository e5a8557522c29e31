"""Turns the records of a Codex rollout into events and a session update."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Unpack

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.codex.copies import is_copy, may_be_repeated, parent_of
from agtop_exporter.agents.codex.counting import (
    count_key,
    record_key,
    usage_of_count,
    usage_of_record,
)
from agtop_exporter.agents.codex.limits import OWN_LIMITS, rate_limits
from agtop_exporter.agents.codex.records import (
    Payload,
    RateLimits,
    Record,
    TokenUsage,
)
from agtop_exporter.agents.codex.signals import (
    TURN_SIGNALS,
    asks_permission,
    final_answer,
    signal,
    turn_end,
)
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.agents.codex.usage import token_counts
from agtop_exporter.model import PROMPT_RANK, UsageEvent, is_sane
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import BlockParser

THREAD_NAME_RANK = 5
TOOL_CALLS = frozenset(
    {"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"}
)
RESULTS = frozenset(  # most records of a rollout; only their times are used
    {"reasoning", "function_call_output", "custom_tool_call_output", "tool_search_output"}
)
FREQUENT = TOOL_CALLS | RESULTS | {"token_count"}  # known types of payloads
SPEEDS = {"fast": "priority", "priority": "priority", "flex": "flex"}  # by service tier

Handler = Callable[["RolloutParser", Payload], None]


class RolloutParser(BlockParser[Record, RolloutState]):
    """The parser of one rollout, which is one thread.

    While a record is used, `moment` is its time, and `copied` is true if it is a copy of a record
    of another thread.
    """

    record = Record
    state_type = RolloutState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: RolloutState) -> None:
        super().__init__(batch, state)
        self.offset = 0
        self.limits: RateLimits | None = None  # the latest, and their time
        self.limits_at: datetime | None = None
        self.session = batch.session(
            state.thread_id,
            parent_session_id=state.parent_id,
            last_active=state.last_active,
        )
        self.moment: datetime | None = None
        self.copied = False

    def feed(self, records: list[Record], offset: int) -> None:
        """Use consecutive records; `offset` is the byte offset after the last one.

        Records of a thread that repeats no other are used together. All others, and those up to
        the last `session_meta`, are used one by one, because each may be a copy.
        """
        self.offset = offset
        infrequent = [r for r in records if r.payload is None or r.payload.type not in FREQUENT]
        self.batch.unknown.observe_all([record.kind for record in infrequent])
        begin = 0
        if "session_meta" in [record.type for record in infrequent]:
            types = [record.type for record in reversed(records)]
            begin = len(types) - types.index("session_meta")
        for record in records[:begin]:
            self._use([record])
        state = self.state
        if state.family or state.own_ordinal or state.origin:
            for record in records[begin:]:
                self._use([record])
        else:
            self._use(records[begin:])

    def _use(self, run: list[Record]) -> None:
        """Use records that are all copies, or all no copies."""
        times = [record.timestamp for record in run if record.timestamp and record.payload]
        sane = (time for time in times if is_sane(time.timestamp()))
        self.state.began = self.state.began or next(sane, None)
        self.copied = bool(run) and is_copy(run[0], self.state)
        if times and not self.copied:
            self.session.observe_time(min(times).timestamp())
            self.session.observe_time(max(times).timestamp())
        handlers = self.record_handlers
        for record in run:
            payload = record.payload
            if payload is None or payload.type in RESULTS:
                continue
            handler = handlers.get(record.type)
            if handler is not None:
                self.moment = record.timestamp
                handler(self, payload)

    @property
    def time(self) -> float:
        """The time of the current record in unix seconds; 0 if it has none."""
        return self.moment.timestamp() if self.moment is not None else 0.0

    def _thread_id(self) -> str:
        """Return the thread's id; before its first record, from the name of the file."""
        if not self.session.session_id:
            stem = self.path.rpartition("/")[2].removesuffix(".jsonl")
            self.state.thread_id = self.session.session_id = stem[-36:]
        return self.session.session_id

    def _add_event(self, key: str, **fields: Unpack[EventFields]) -> None:
        self.batch.event(
            key, session_id=self._thread_id(), time=self.time, copied=self.copied, **fields
        )

    # --- the thread -------------------------------------------------------------------------

    def _handle_session_meta(self, payload: Payload) -> None:
        state, session = self.state, self.session
        thread_id = payload.id or payload.session_id or ""
        if state.thread_id and thread_id != state.thread_id:
            state.family = state.family or thread_id
            return
        if state.thread_id or not thread_id:
            return
        parent = parent_of(payload)
        state.thread_id = session.session_id = thread_id
        state.parent_id = session.parent_session_id = parent
        state.inherits = bool(payload.forked_from_id)
        state.origin = payload.forked_from_id or parent
        state.own_ordinal = payload.subagent_history_start_ordinal or 0
        session.subagent = bool(parent)
        if not session.work_in(payload.cwd):
            self.batch.error("schema", self.offset)
        session.agent_version = payload.cli_version or ""
        session.git_branch = (payload.git.branch if payload.git else None) or ""
        if payload.timestamp:
            session.observe_time(payload.timestamp.timestamp())

    def _handle_turn_context(self, payload: Payload) -> None:
        self.state.turn_id = payload.turn_id or self.state.turn_id
        if payload.model:
            self.state.model = self.session.model = payload.model
        mode = payload.collaboration_mode
        effort = payload.effort or (
            mode.settings.reasoning_effort if mode and mode.settings else ""
        )
        self.session.model_effort = effort or self.session.model_effort

    def _handle_thread_name(self, payload: Payload) -> None:
        self.session.set_title(payload.thread_name or "", THREAD_NAME_RANK)

    def _handle_compaction(self, _payload: Payload) -> None:
        if not self.copied:
            self._add_event(f"compaction:{self._thread_id()}:{self.time}", compactions=1)

    # --- usage ------------------------------------------------------------------------------

    def _handle_usage_record(self, payload: Payload) -> None:
        """Count a response by its own record."""
        usage = usage_of_record(payload, self.state)
        if usage is not None:
            foreign = payload.thread_id not in (None, self._thread_id())
            self._add_response(record_key(payload), usage, copied=self.copied or foreign)
            self.session.set_context_used(usage.total_tokens)

    def _handle_token_count(self, payload: Payload) -> None:
        """Count a response by the growth of the running total, and keep the rate limits."""
        if payload.rate_limits is not None and payload.rate_limits.limit_id in OWN_LIMITS:
            self.limits, self.limits_at = payload.rate_limits, self.moment
        info = payload.info
        if info is not None:
            if info.last_token_usage is not None:
                self.session.set_context_used(info.last_token_usage.total_tokens)
            self.session.context_window_tokens = (
                info.model_context_window or self.session.context_window_tokens
            )
            usage = usage_of_count(info, self.state)
            if usage is not None:
                state = self.state
                copied = self.copied or may_be_repeated(self.moment, state)
                owner = state.turn_id or ((state.family or state.origin) if copied else "")
                key = count_key(usage, owner or self._thread_id(), state)
                self._add_response(key, usage, copied=copied)
        self._end_question()

    def _add_response(self, key: str, usage: TokenUsage, *, copied: bool) -> None:
        state = self.state
        self.batch.events.append(
            UsageEvent(
                key,
                self._thread_id(),
                self.time,
                state.model,
                token_counts(usage),
                requests=1,
                copied=copied,
                speed=state.speed,
            )
        )

    # --- turns, tools and state -------------------------------------------------------------

    def _handle_event(self, payload: Payload) -> None:
        handler = self.event_handlers.get(payload.type, RolloutParser._handle_other_event)
        handler(self, payload)

    def _handle_other_event(self, payload: Payload) -> None:
        """Use the settings of a thread, or the turn's progress unless the record is a copy."""
        settings, session = payload.thread_settings, self.session
        if settings is not None:
            self.state.model = settings.model or self.state.model
            self.state.speed = SPEEDS.get(settings.service_tier or "", "")
            session.model_effort = settings.reasoning_effort or session.model_effort
        elif not self.copied:
            self.state.asked = False
            session.signal = TURN_SIGNALS.get(payload.type, session.signal)

    def _handle_turn_begin(self, payload: Payload) -> None:
        if payload.thread_settings is not None or self.copied:
            self._handle_other_event(payload)
            return
        state, session = self.state, self.session
        state.asked = False
        state.turn_id = payload.turn_id or state.turn_id
        state.has_tasks = True
        session.context_window_tokens = (
            payload.model_context_window or session.context_window_tokens
        )
        session.signal = signal("running", payload.type)

    def _handle_turn_end(self, payload: Payload) -> None:
        self._handle_other_event(payload)
        if payload.thread_settings is None and not self.copied:
            self.session.signal = turn_end(payload)

    def _handle_completed_item(self, payload: Payload) -> None:
        item = payload.item
        if item is None:
            self._handle_other_event(payload)
        elif item.type == "UserMessage":
            text = " ".join(part.text or "" for part in item.content or ())
            self._add_prompt(f"prompt:{item.id or self.time}", text)
        elif item.type == "CommandExecution":
            self._end_question()
            if item.status == "failed" or item.exit_code:
                failed = ((item.id, "exec_command"),)
                self._add_event(f"failure:{item.id}", tool_errors=failed)

    def _handle_user_message(self, payload: Payload) -> None:
        self._add_prompt(f"prompt:{self._thread_id()}:{self.time}", payload.message or "")

    def _add_prompt(self, key: str, text: str) -> None:
        if not text.lstrip().startswith("<"):
            self.session.set_title(text, PROMPT_RANK)
        if not self.copied:
            self.session.signal = signal("running", "user_message")
            self._add_event(key, turns=1)

    def _handle_item(self, payload: Payload) -> None:
        is_call = payload.type in TOOL_CALLS
        if not is_call and payload.role != "assistant":
            return
        if not self.copied:
            self.state.inherits = False  # from here on, a fork's records are its own
        if is_call:
            self._handle_call(payload)
        elif (
            payload.type == "message"
            and not (self.copied or self.state.has_tasks)
            and payload.phase in (None, "final_answer")
        ):
            self.session.signal = final_answer(payload)

    def _handle_call(self, payload: Payload) -> None:
        thread_id, time = self._thread_id(), self.time
        call_id = payload.call_id or payload.id or f"{thread_id}:{time}"
        call = (call_id, tool_label(payload.name or payload.type.removesuffix("_call")))
        named = bool(payload.call_id or payload.id)
        searches = payload.web_searches if named or not self.copied else 0
        self.batch.events.append(
            UsageEvent(
                f"call:{call_id}",
                thread_id,
                time,
                self.state.model if searches else "",
                tools=(call,),
                copied=self.copied,
                web_searches=searches,
            )
        )
        if self.copied:
            return
        if asks_permission(payload):
            self.state.asked = True
            self.session.signal = signal("waiting", payload.type, "permission")
        else:
            self.session.signal = signal("running", payload.type)

    def _end_question(self) -> None:
        """End a wait for permission: the call was made, or its response was counted (0.169)."""
        if self.state.asked and not self.copied:
            self.state.asked = False
            self.session.signal = signal("running", "function_call")

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Add the latest rate limits to the batch, and update the state."""
        limits, limits_at = self.limits, self.limits_at
        if limits is not None:
            if limits.plan_type:
                self.session.subscription = f"ChatGPT {limits.plan_type.capitalize()}"
            observed_at = limits_at.timestamp() if limits_at is not None else 0.0
            self.batch.rate_limits.extend(rate_limits(limits, observed_at))
        self.state.last_active = self.session.last_active

    record_handlers: ClassVar[dict[str, Handler]] = {  # by type of record
        "compacted": _handle_compaction,
        "event_msg": _handle_event,
        "response_item": _handle_item,
        "session_meta": _handle_session_meta,
        "token_usage_record": _handle_usage_record,
        "turn_context": _handle_turn_context,
    }
    event_handlers: ClassVar[dict[str, Handler]] = {  # by type of event
        "item_completed": _handle_completed_item,
        "task_complete": _handle_turn_end,
        "task_started": _handle_turn_begin,
        "thread_name_updated": _handle_thread_name,
        "token_count": _handle_token_count,
        "turn_complete": _handle_turn_end,
        "turn_started": _handle_turn_begin,
        "user_message": _handle_user_message,
    }
