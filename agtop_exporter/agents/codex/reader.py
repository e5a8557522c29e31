"""Converts the records of a Codex rollout (transcript) to events and a session update."""

from collections.abc import Callable
from typing import ClassVar

from agtop_exporter.agents.codex.copies import (
    has_imports,
    has_late_copies,
    is_certain,
    is_copy,
    is_imported_record,
    may_replay,
    note_creation,
    parent_of,
)
from agtop_exporter.agents.codex.ids import recorded
from agtop_exporter.agents.codex.records import Payload, Record
from agtop_exporter.agents.codex.responses import ResponseHandlers
from agtop_exporter.agents.codex.turns import TOOL_CALLS, TurnHandlers
from agtop_exporter.model import is_sane

RESULTS = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output"})
FREQUENT = TOOL_CALLS | RESULTS | {"reasoning", "token_count"}  # known types of payloads


class RolloutParser(TurnHandlers):
    """The parser of one rollout, the transcript of a Codex thread.

    It detects the records that are copied from another thread, and finds the id of the thread.
    """

    def feed(self, records: list[Record], offset: int) -> None:
        """Process consecutive records; `offset` is the byte offset after the last one.

        A record that may be a copy from another thread is processed alone. Such records are at the
        start of the transcript, and before the last `session_meta`. The remaining records are
        processed together, unless one of them is a copy.
        """
        self.offset = offset
        infrequent = [r for r in records if r.payload is None or r.payload.type not in FREQUENT]
        self.batch.unknown.observe_all([record.kind for record in infrequent])
        begin = 0
        if "session_meta" in [record.type for record in infrequent]:
            types = [record.type for record in reversed(records)]
            begin = len(types) - types.index("session_meta")
        used = 0
        while used < len(records) and (used < begin or may_replay(self.state)):
            self._use([records[used]])
            used += 1
        rest = records[used:]
        if has_imports(infrequent, self.state) or has_late_copies(rest, self.state):
            for record in rest:
                self._use([record])
        else:
            self._use(rest)

    def _use(self, run: list[Record]) -> None:
        """Process several records. Either all of them or none of them are copies."""
        times = [record.timestamp for record in run if record.timestamp and record.payload]
        sane = (time for time in times if is_sane(time.timestamp()))
        self.state.began = self.state.began or next(sane, None)
        self.copied = bool(run) and (
            is_imported_record(run[0], self.state) or is_copy(run[0], self.state)
        )
        self.surely_copied = self.copied and is_certain(run[0], self.state)
        if times and not self.copied:
            self.session.observe_time(min(times).timestamp())
            self.session.observe_time(max(times).timestamp())
        handlers = self.record_handlers
        for record in run:
            payload = record.payload
            if payload is None or payload.type == "reasoning":
                continue
            if payload.type in RESULTS:
                self.end_call(payload)
                continue
            handler = handlers.get(record.type)
            if handler is not None:
                self.moment = record.timestamp
                handler(self, payload)

    def _handle_session_meta(self, payload: Payload) -> None:
        state, session = self.state, self.session
        thread_id = payload.id or payload.session_id or ""
        if state.thread_id and thread_id != state.thread_id:
            state.family = state.family or thread_id
            return
        if state.has_meta or not thread_id:
            return
        state.has_meta = True
        parent = parent_of(payload)
        state.thread_id = session.session_id = thread_id
        state.parent_id = session.parent_session_id = parent
        continues = bytes(payload.history_base).startswith(b"{")
        state.inherits = continues or bool(payload.forked_from_id)
        state.origin = payload.forked_from_id or parent
        state.own_ordinal = payload.subagent_history_start_ordinal or 0
        note_creation(thread_id, payload.timestamp or self.moment, state)
        session.subagent = bool(parent)
        if not session.work_in(payload.cwd):
            self.batch.error("schema", self.offset)
        state.provider = payload.model_provider or ""
        session.agent_version = payload.cli_version or ""
        session.git_branch = (payload.git.branch if payload.git else None) or ""
        if payload.timestamp:
            session.observe_time(payload.timestamp.timestamp())

    def _handle_turn_context(self, payload: Payload) -> None:
        if self.repeats("turn_context", payload.turn_id, payload.model):
            return
        self.state.turn_id = recorded(payload.turn_id) or self.state.turn_id
        self.state.has_contexts = True
        self.use_model(payload.model)
        self.session.model = payload.model or self.session.model
        if not self.copied:
            self.session.work_in(payload.cwd)
        mode = payload.collaboration_mode
        effort = payload.effort or (
            mode.settings.reasoning_effort if mode and mode.settings else ""
        )
        self.session.model_effort = effort or self.session.model_effort

    record_handlers: ClassVar[dict[str, Callable[["RolloutParser", Payload], None]]] = {  # by type
        "compacted": TurnHandlers.handle_compaction,
        "event_msg": TurnHandlers.handle_event,
        "response_item": TurnHandlers.handle_item,
        "session_meta": _handle_session_meta,
        "token_usage_record": ResponseHandlers.handle_usage_record,
        "turn_context": _handle_turn_context,
    }
