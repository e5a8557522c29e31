"""Derives the published `Session` objects from the sessions of the ledger.

The `Session` object of a closed session is derived again only if the session, a subagent or the
process of the session has changed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

from agtop_exporter.ledger import Key, Ledger, unpacked
from agtop_exporter.model import (
    Session,
    SessionState,
    Users,
)
from agtop_exporter.pipeline.derivation import Derivation
from agtop_exporter.pipeline.latest import LatestClosed
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pipeline.times import dated, written_at
from agtop_exporter.pipeline.trees import SessionTree
from agtop_exporter.pipeline.waits import Waits
from agtop_exporter.settings import Settings

NEW = b""  # the packed state of a session that did not exist


class SessionViews:
    """Derives and stores the views of the sessions. A view is a published `Session` object.

    If the view of a session cannot be derived, the session keeps its previous view, and the next
    refresh tries again. Views of other sessions are not affected.
    """

    def __init__(  # noqa: PLR0913 - the sources of a view
        self,
        ledger: Ledger,
        pairing: Pairing,
        settings: Settings,
        *,
        steps: Steps,
        plans: Mapping[str, Mapping[str, str]],
        effort_sources: Mapping[str, str],
        unwanted: AbstractSet[str],
        covered: AbstractSet[str],
        context_window: Callable[[str], int | None],
        users: Users,
        keep_closed: bool,
    ) -> None:
        """Start with the sessions of the ledger, without the sessions of `unwanted` agents.

        `plans`, `effort_sources`, `covered`, `context_window` and `users` are those of
        `Derivation`.

        In this class, a session is open if its state is not `closed`, or if its last activity was
        at most `session_linger` seconds ago. If `keep_closed` is false, only open sessions have a
        view.
        """
        self._ledger = ledger
        self._records = ledger.sessions
        self._written_at = partial(written_at, ledger.cursors)
        self._pairing = pairing
        self._steps = steps
        self._unwanted = unwanted
        self._settings = settings
        self._keep_closed = keep_closed
        self._views: dict[Key, Session] = {}  # views of the open sessions
        self._closed: dict[Key, Session] = {}  # views of the other sessions, if they are kept
        self._latest = LatestClosed()
        self._returned: dict[Key, Session] = {}  # see `returned`
        self._tree = SessionTree(self._records)
        self._derivation = Derivation(
            pairing,
            self._tree,
            plans,
            effort_sources,
            covered,
            context_window,
            self._written_at,
            users,
        )
        # Pending sessions (not yet matched or not yet in the tree), with their packed states before
        # the change. None: the session has not changed since this process started.
        self._changed: dict[Key, bytes | None] = {}
        self._before: dict[Key, bytes] = {}  # states before the change, if no longer pending
        self._stale: set[Key] = set()  # sessions whose views are out of date
        self._started = False  # whether the sessions of the ledger have been added to `_changed`
        self._updated_at: float | None = None
        self.first_started_at: float | None = None
        self.waits = Waits()
        self.dropped = 0  # sessions above the limit at the last call of `published`

    def note(self, changed: Mapping[Key, bytes]) -> None:
        """Mark sessions as changed. `update` then derives their views again.

        `changed` has the encoded state of each session before its change. The first call marks all
        sessions of the ledger.
        """
        for key in changed if self._started else self._records:
            if key[0] not in self._unwanted:
                self._changed.setdefault(key, changed.get(key))
        self._started = True

    def update(self, now: float, *, sampled_at: Callable[[], float]) -> None:
        """Derive the views of the changed sessions and of all open sessions.

        The state of an open session depends on `now` (unix seconds). `sampled_at` returns the time
        of the process scan in unix seconds.
        """
        for key, before in tuple(self._changed.items()):
            with self._steps.step("match", key[0]) as adding:
                self._pairing.add(key, dated(self._records[key], now, self._written_at))
            with self._steps.step("sessions", key[0]) as placing:
                self._place(key)
            if not (adding.failed or placing.failed):
                if before is not None:
                    self._before.setdefault(key, before)
                del self._changed[key]
        with self._steps.step("match"):
            for paired in self._pairing.pair(
                sampled_at(), self._records, dated=lambda s: dated(s, now, self._written_at)
            ):
                key = (paired.agent, paired.session_id)
                if key in self._records and key[0] not in self._unwanted:
                    self._stale.update(self._tree.members(key))
        self._stale.update(self._views)
        for key in tuple(self._stale):
            with self._steps.step("sessions", key[0]):
                self._renew(key, now)
                self._stale.discard(key)
        if not self._stale:
            self._before.clear()
            self._stale = set()  # a set that was large stays large
        if not self._changed:
            self._changed = {}
        self._pairing.remove_closed(self._views)
        self._updated_at = now

    def _place(self, key: Key) -> None:
        """Add a session to the tree. Mark the views of the session and its ancestors as stale."""
        facts = self._records[key].facts
        self._tree.add(key, facts.parent_session_id)
        if facts.started_at is not None:
            self.first_started_at = min(self.first_started_at or math.inf, facts.started_at)
        self._stale.update(self._tree.line(key))

    def _renew(self, key: Key, now: float) -> None:
        view = self._view(key, now)
        if self._tree.is_top(key):
            self.waits.observe(view, now, seen_before=self._updated_at)
        if view.state.kind == "closed" and not self._is_recent(view, now):
            self._views.pop(key, None)
            self._returned.pop(key, None)
            if self._tree.is_top(key):
                self._latest.add(key, view.last_active)
            if self._keep_closed:
                self._closed[key] = view
            return
        if key not in self._views:
            self._returned.update(self._view_before(key, now))
        self._views[key] = view
        self._closed.pop(key, None)
        self._latest.discard(key)

    def all(self) -> tuple[Session, ...]:
        """Return the views of open sessions, and also of closed sessions if these are kept."""
        return (*self._views.values(), *self._closed.values())

    def with_closed(self, now: float) -> tuple[Session, ...]:
        """Return the views of all sessions, including closed sessions.

        Views of closed sessions that are not kept are derived again in each call.
        """
        kept = self._views | self._closed
        wanted = (key for key in self._records if key[0] not in self._unwanted)
        return tuple(kept.get(key) or self._view(key, now) for key in wanted)

    def latest(self, now: float) -> Iterator[Session]:
        """Yield the views of the top-level sessions that are open or were active last."""
        yield from (view for key, view in self._views.items() if self._tree.is_top(key))
        for key in self._latest:
            if self._tree.is_top(key):
                yield self._view(key, now)

    def open_keys(self) -> Iterable[Key]:
        """Return the keys of the sessions that are open or have been closed recently."""
        return self._views.keys()

    def returned(self) -> Mapping[Key, Session]:
        """Return, by key, the view that each open session had before it became open.

        A session that was new when it became open is absent.
        """
        return dict(self._returned)

    def states(self) -> dict[str, dict[str, int]]:
        """Return the number of top-level sessions as {agent: {state: number}}."""
        counts = {
            agent: Counter(closed=number - self._tree.subagents[agent])
            for agent, number in self._ledger.session_counts.items()
            if agent not in self._unwanted
        }
        for key, view in self._views.items():
            if self._tree.is_top(key):
                counts[key[0]]["closed"] -= 1
                counts[key[0]][view.state.kind] += 1
        return {agent: dict(states) for agent, states in counts.items()}

    def _is_recent(self, view: Session, now: float) -> bool:
        return view.last_active is not None and (
            view.last_active >= now - self._settings.session_linger
        )

    def published(self, now: float) -> tuple[Session, ...]:
        """Return the views of the sessions that have their own time series.

        These sessions have no parent, and they have a live process or were active in the last
        `session_linger` seconds before `now`. The result has at most `sessions_max` views. Closed
        sessions come last. Within each group, the session with the latest activity comes first.
        """
        views = [view for key, view in self._views.items() if self._tree.is_top(key)]
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

    def _view_before(self, key: Key, now: float) -> dict[Key, Session]:
        """Return {key: view} with the view of a session before the changes of this refresh.

        The result is empty if the session is new.
        """
        members = [
            m for m in map(self._state_before, self._tree.members(key, self._was_subagent)) if m
        ]
        return {key: self._derivation.view(members, now)} if self._before.get(key) != NEW else {}

    def _state_before(self, key: Key) -> SessionState | None:
        """Return the state of a session before the changes of this refresh; None if it is new."""
        packed = self._before.get(key)
        return self._records[key] if packed is None else unpacked(packed) if packed else None

    def _was_subagent(self, key: Key) -> bool:
        state = self._state_before(key)
        return state is not None and bool(state.facts.parent_session_id)

    def _view(self, key: Key, now: float) -> Session:
        return self._derivation.view(
            [self._records[member] for member in self._tree.members(key)], now
        )


def is_live(session: Session) -> bool:
    """Return whether the session has a live process."""
    return session.process is not None and session.process.liveness == "live"
