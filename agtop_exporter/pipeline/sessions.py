"""Derives the published `Session` values from the ledger. Unchanged sessions are reused."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import (
    ModelUsage,
    ProcessMatch,
    Session,
    SessionKey,
    SessionState,
    SessionUpdate,
    Signal,
    State,
    Tree,
    is_ahead,
)
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pipeline.times import certain_time, dated, last_active_of, written_at
from agtop_exporter.pipeline.waits import Waits
from agtop_exporter.settings import Settings
from agtop_exporter.state import resolve

Key = tuple[str, str]  # agent, session id
BUSY_PERCENT = 1.0  # of one core; a process below it is waiting


class SessionViews:
    """The published sessions. A view is one published `Session`.

    A changed session is pending until its view has been derived, which may take several refreshes.
    If deriving fails, the session keeps its previous view and the other sessions are not affected.
    """

    def __init__(  # noqa: PLR0913 - all that a view is made of
        self,
        ledger: Ledger,
        pairing: Pairing,
        settings: Settings,
        *,
        steps: Steps,
        plans: Mapping[str, str],
        unwanted: AbstractSet[str],
        covered: AbstractSet[str],
        context_window: Callable[[str], int | None],
    ) -> None:
        """Start with the sessions of the ledger, except those of the unwanted agents.

        `covered` names the agents whose usage the setting `plan` includes: it is not billed.
        `context_window` returns the context window of a model in tokens. It is used for agents
        that do not record it. `plans` has the subscription of each agent's account.
        """
        self._records = ledger.sessions
        self._written_at = partial(written_at, ledger.cursors)
        self._pairing = pairing
        self._steps = steps
        self._plans = plans
        self._unwanted = unwanted
        self._covered = covered
        self._settings = settings
        self._context_window = context_window
        self._views: dict[Key, Session] = {}
        self._children: dict[Key, list[Key]] = {}
        self._open: set[Key] = set()  # sessions whose state depends on the current time
        self._top_level: dict[str, set[str]] = {}  # session ids by agent
        self._changed: dict[
            Key, SessionState
        ] = {}  # pending: not yet matched or not yet in the tree of their parent
        self._stale: set[Key] = set()  # sessions whose views are out of date
        self._all: tuple[Session, ...] = ()
        self._started = False  # the sessions of the ledger have been added to `_changed`
        self._updated_at: float | None = None
        self.waits = Waits()
        self.dropped = 0  # sessions above the limit at the last call of `published`

    def note(self, changed: Iterable[SessionState]) -> None:
        """Add changed sessions to the pending ones. `update` processes them."""
        known = changed if self._started else self._records.values()
        self._changed.update(
            ((record.agent, record.session_id), record)
            for record in known
            if record.agent not in self._unwanted
        )
        self._started = True

    def update(self, now: float, *, sampled_at: Callable[[], float]) -> None:
        """Process the pending sessions, and update the states that depend on the current time."""
        for key, record in tuple(self._changed.items()):
            with self._steps.step("match", record.agent) as learning:
                self._pairing.learn([dated(record, now, self._written_at)])
            with self._steps.step("sessions", record.agent) as placing:
                self._place(key, record)
            if not (learning.failed or placing.failed):
                del self._changed[key]
        with self._steps.step("match"):
            for paired in self._pairing.pair(sampled_at()):
                session = self._records.get((paired.agent, paired.session_id))
                if session and session.agent not in self._unwanted:
                    self._stale.update((m.agent, m.session_id) for m in self._tree(session))
        self._stale |= self._open
        if stale := tuple(self._stale):
            for key in stale:
                with self._steps.step("sessions", key[0]):
                    self._renew(key, now)
                    self._stale.discard(key)
            self._all = tuple(self._views.values())
        self._updated_at = now

    def _place(self, key: Key, record: SessionState) -> None:
        """Add a session to the tree of its parent, and mark the views of its ancestors as stale."""
        parent = record.facts.parent_session_id
        if parent and key not in (siblings := self._siblings(record.agent, parent)):
            siblings.append(key)
        top_level = self._top_level.setdefault(record.agent, set())
        (top_level.add if self._is_top(key) else top_level.discard)(record.session_id)
        self._stale.update(self._line(key))

    def _renew(self, key: Key, now: float) -> None:
        view = self._views[key] = self._view(self._records[key], now)
        if view.state.kind != "closed" or self._is_recent(view, now):
            self._open.add(key)
        else:
            self._open.discard(key)
        if self._is_top(key):
            self.waits.observe(view, now, seen_before=self._updated_at)

    def _siblings(self, agent: str, parent: str) -> list[Key]:
        return self._children.setdefault((agent, parent), [])

    def _line(self, key: Key) -> list[Key]:
        """Return a session and its ancestors."""
        line: list[Key] = []
        while key in self._records and key not in line:
            line.append(key)
            key = (key[0], self._records[key].facts.parent_session_id)
        return line

    def all(self) -> tuple[Session, ...]:
        """Return every session."""
        return self._all

    def states(self) -> dict[str, dict[str, int]]:
        """Count the top-level sessions by agent and state."""
        counts = {agent: Counter(closed=len(known)) for agent, known in self._top_level.items()}
        for key in self._open:
            if self._is_top(key):
                counts[key[0]]["closed"] -= 1
                counts[key[0]][self._views[key].state.kind] += 1
        return {agent: dict(states) for agent, states in counts.items()}

    def _is_top(self, key: Key) -> bool:
        parent = self._records[key].facts.parent_session_id
        return not parent or (key[0], parent) not in self._records

    def _is_recent(self, view: Session, now: float) -> bool:
        return view.last_active is not None and (
            view.last_active >= now - self._settings.session_linger
        )

    def published(self, now: float) -> tuple[Session, ...]:
        """Return the sessions that get series: live or recently active ones, the latest first."""
        views = [self._views[key] for key in self._open if self._is_top(key)]
        shown = [view for view in views if self._is_recent(view, now) or is_live(view)]
        shown.sort(
            key=lambda view: (
                view.state.kind == "closed",
                -(view.last_active or 0),
                view.session_id,
            )
        )
        limit = self._settings.sessions_max
        self.dropped = max(0, len(shown) - limit)
        return tuple(shown[:limit])

    def _view(self, record: SessionState, now: float) -> Session:
        facts, models = dated(record, now, self._written_at).facts, record.usage_by_model
        own = record.usage
        tree = Tree(models=models, tokens=own.tokens, cost=own.cost)
        floor_tokens = own.tokens.max(record.floor_tokens)
        floor_cost = own.cost.max(record.floor_cost)
        subagents = 0
        _, *others = members = self._tree(record)
        times = [last_active_of(member, now, self._written_at) for member in members]
        last_active = max((time for time in times if time is not None), default=None)
        for member in others:
            used = member.usage
            joined = _joined(tree.models, member.usage_by_model)
            tree = Tree(joined, tree.tokens + used.tokens, tree.cost + used.cost)
            floor_tokens += used.tokens.max(member.floor_tokens)
            floor_cost += used.cost.max(member.floor_cost)
            subagents += member.facts.subagent
        top, own_key = self._top(record), record.key
        signal = tree_signal(members)
        process = self._pairing.process(top)
        shared = _shared_facts(facts) | {
            "last_active": last_active,
            "context_window_tokens": facts.context_window_tokens or self._window(facts),
            "subscription": facts.subscription or self._plans.get(record.agent) or None,
            "data_path": facts.data_path,
        }
        return Session(
            **shared,
            agent=record.agent,
            project=record.project or None,
            models=models,
            tokens=own.tokens,
            cost=own.cost,
            included=self._settings.plan == "included" or record.agent in self._covered,
            tree=tree,
            floor_tokens=floor_tokens,
            floor_cost=floor_cost,
            subagent_file_count=subagents,
            children=tuple(
                [child for _, child in self._children.get((record.agent, record.session_id), ())]
            ),
            user_turns=record.turns,
            agent_turns=own.requests,
            tools=dict(record.tools),
            tool_errors=dict(record.tool_errors),
            compactions=record.compactions,
            state=self._state(
                record, signal, top, now, last_active=certain_time(members, now), process=process
            ),
            state_detail=signal.detail or None,
            process=process,
            spent=self._pairing.spent(own_key),
        )

    def _window(self, facts: SessionUpdate) -> int | None:
        """Return the context window of the model. None if the session has used more than that."""
        used = facts.context_peak_tokens or facts.context_used_tokens
        window = self._context_window(facts.model) if used else None
        return window if used and window and used <= window else None

    def _top(self, record: SessionState) -> SessionKey:
        """Return the top-level ancestor. Its process runs this session."""
        key = record.agent, record.session_id
        return SessionKey(*(self._line(key)[-1] if record.facts.parent_session_id else key))

    def _tree(self, record: SessionState) -> list[SessionState]:
        """Return a session and all its subagents, each once."""
        if (record.agent, record.session_id) not in self._children:
            return [record]
        members, waiting = [], [(record.agent, record.session_id)]
        seen: set[Key] = set()
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                members.append(self._records[key])
                waiting.extend(self._children.get(key, ()))
        return members

    def _state(  # noqa: PLR0913 - all that a state comes from
        self,
        record: SessionState,
        signal: Signal,
        top: SessionKey,
        now: float,
        *,
        last_active: float | None,
        process: ProcessMatch | None,
    ) -> State:
        binding = self._pairing.binding(top)
        entry = None if binding else self._pairing.reported(top)
        if entry and entry.updated_at is not None and not is_ahead(entry.updated_at, now):
            last_active = max(last_active or 0.0, entry.updated_at)
        told = binding or entry
        own = top.session_id == record.session_id
        usage = process.usage if process else None
        return resolve(
            signal,
            liveness=binding.liveness if binding else "reported" if entry else None,
            scanned=self._pairing.looked_for(top, now, last_active=last_active),
            busy=usage is not None and (usage.cpu_percent or 0) >= BUSY_PERCENT,
            acting=self._pairing.acts_since(top, last_active or now),
            last_active=last_active,
            now=now,
            registry_status=told.status if told and own else "",
            waiting_for=told.waiting_for if told and own else "",
            prompted=bool(record.turns or record.usage.requests or not own),
        )


def _joined(
    first: Mapping[str, ModelUsage], second: Mapping[str, ModelUsage]
) -> dict[str, ModelUsage]:
    """Add the usage of two sessions by model."""
    models = dict(first)
    for model, usage in second.items():
        models[model] = models.get(model, ModelUsage()) + usage
    return models


_SHARED_FACTS = tuple(
    name for name in Session.__struct_fields__ if name in SessionUpdate.__struct_fields__
)


def _shared_facts(facts: SessionUpdate) -> dict[str, Any]:
    """Return the facts that `Session` has by the same name. Unknown text is None."""
    values = ((name, getattr(facts, name)) for name in _SHARED_FACTS)
    return {name: None if value == "" else value for name, value in values}


def tree_signal(members: list[SessionState]) -> Signal:
    """Return the signal of a session, given with its subagents.

    A running session waits for permission if one of its subagents does.
    """
    own, *subagents = (member.facts for member in members)
    if own.signal.kind == "running":
        for facts in subagents:
            asks = facts.signal.kind == "waiting" and facts.signal.reason == "permission"
            if asks and (facts.last_active or 0) >= (own.last_active or 0):
                return facts.signal
    return own.signal


def is_live(session: Session) -> bool:
    """Return whether the session has a live process."""
    return session.process is not None and session.process.liveness == "live"
