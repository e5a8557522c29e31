"""Derives the view of a session: the published `Session` object."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from agtop_exporter.model import (
    AT_WORK,
    ProcessMatch,
    Session,
    SessionKey,
    SessionState,
    SessionUpdate,
    Signal,
    State,
    Users,
    is_ahead,
)
from agtop_exporter.pipeline.derived import shared_facts, tree_signal, tree_sums
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.times import certain_time, dated, last_active_of
from agtop_exporter.pipeline.trees import SessionTree
from agtop_exporter.state import resolve

BUSY_PERCENT = 1.0  # of one core; a process below it is waiting


@dataclass(frozen=True)
class Derivation:
    """Derives the view of a session: the published `Session` object.

    `plans` has the names of the user's subscriptions by agent and account. `effort_sources` has the
    `effort_source` of each agent. `covered` has the agents whose usage is not billed, because the
    setting `plan` includes the usage. `context_window` returns the context window of a model in
    tokens, for sessions whose transcript does not contain the context window. `written_at` returns
    the time of the last write to a session's transcript in unix seconds. `users` has the owners of
    the homes.
    """

    pairing: Pairing
    tree: SessionTree
    plans: Mapping[str, Mapping[str, str]]
    effort_sources: Mapping[str, str]
    covered: AbstractSet[str]
    context_window: Callable[[str], int | None]
    written_at: Callable[[SessionState], float | None]
    users: Users

    def view(self, members: list[SessionState], now: float) -> Session:
        """Return the view of the session `members[0]`. The other members are its subagents."""
        record, *others = members
        facts, models = dated(record, now, self.written_at).facts, record.usage_by_model
        own = record.usage
        sums = tree_sums(members, models)
        times = [last_active_of(member, now, self.written_at) for member in members]
        last_active = max((time for time in times if time is not None), default=None)
        top = SessionKey(*self.tree.line((record.agent, record.session_id))[-1])
        signal = tree_signal(members)
        process = self.pairing.process(top)
        state = self._state(
            record, signal, top, now, last_active=certain_time(members, now), process=process
        )
        shared = shared_facts(facts) | {
            "session_id": record.session_id,  # may be empty
            "last_active": last_active,
            "context_window_tokens": facts.context_window_tokens or self._window(facts),
            "subscription": facts.subscription or self._plan_of(record) or None,
            "account": facts.account,
            "user": self._user_of(members),
            "data_path": facts.data_path,
        }
        effort_source = self.effort_sources.get(record.agent) if facts.model_effort else None
        return Session(
            **shared,
            agent=record.agent,
            project=record.project or None,
            model_effort_detail=effort_source or None,
            models=models,
            tokens=own.tokens,
            cost=own.cost,
            billed=record.billed_total,
            included=record.agent in self.covered,
            tree=sums.tree,
            floor_tokens=sums.floor_tokens,
            floor_cost=sums.floor_cost,
            subagent_file_count=sum(member.facts.subagent for member in others),
            subagents=len(others),
            children=self.tree.children((record.agent, record.session_id)),
            user_turns=record.turns,
            agent_turns=own.requests,
            tools=dict(record.tools),
            tool_errors=dict(record.tool_errors),
            running_tool=(facts.signal.tool or None) if state.kind in AT_WORK else None,
            compactions=record.compactions,
            state=state,
            state_detail=signal.detail or None,
            process=process if top == record.key else None,
            spent=self.pairing.past_usage(record.key),
        )

    def _user_of(self, members: list[SessionState]) -> str | None:
        """Return the user of the first session that has a transcript in a home directory."""
        users = (self.users.owner_of(member.facts.data_path) for member in members)
        return next(filter(None, users), None)

    def _plan_of(self, record: SessionState) -> str | None:
        return self.plans.get(record.agent, {}).get(record.facts.account)

    def _window(self, facts: SessionUpdate) -> int | None:
        """Return the context window of the model in tokens.

        The result is None if the context window is unknown, or if the session has used more tokens
        than the context window has.
        """
        used = facts.context_peak_tokens or facts.context_used_tokens
        window = self.context_window(facts.model) if used else None
        return window if used and window and used <= window else None

    def _state(  # noqa: PLR0913 - the inputs of a state
        self,
        record: SessionState,
        signal: Signal,
        top: SessionKey,
        now: float,
        *,
        last_active: float | None,
        process: ProcessMatch | None,
    ) -> State:
        binding = self.pairing.binding(top)
        entry = None if binding else self.pairing.reported(top)
        if entry and entry.updated_at is not None and not is_ahead(entry.updated_at, now):
            last_active = max(last_active or 0.0, entry.updated_at)
        source = binding or entry
        own = top.session_id == record.session_id
        usage = process.usage if process else None
        hosted = self.pairing.may_be_hosted(top, last_active or now)
        return resolve(
            signal,
            liveness=binding.liveness if binding else "reported" if entry else None,
            scanned=self.pairing.has_no_process(top, now, last_active=last_active, hosted=hosted),
            hosted=hosted,
            busy=usage is not None and (usage.cpu_percent or 0) >= BUSY_PERCENT,
            acting=self.pairing.has_started_tool(top, last_active or now),
            last_active=last_active,
            now=now,
            registry_status=source.status if source and own else "",
            waiting_for=source.waiting_for if source and own else "",
            prompted=bool(record.turns or record.usage.requests or not own),
        )
