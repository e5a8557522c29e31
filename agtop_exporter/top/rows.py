"""Turns a frame into rows: sessions, unfolded subagents and agent processes without a session."""

from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property

import msgspec

from agtop_exporter.model import (
    HourlyUsage,
    ProcessTree,
    ProcessUsage,
    Session,
    Snapshot,
    StateKind,
    Tree,
    UsageSum,
)
from agtop_exporter.render.table.rows import top_level
from agtop_exporter.top.history import NO_SAMPLES, Ring, SessionId, key_of

SETTLED_SECONDS = 60.0  # age below which activity counts as equal


class Frame(msgspec.Struct, frozen=True):
    """The result of one refresh. The view uses no other data.

    `rings` has the samples of the open sessions, and `total` those of all sessions. `today` is the
    usage since midnight. `usage` is the usage of all hours, which is read while the totals are
    shown. `rated` is false if the CPU and disk rates cover too short a time. `complete` is false if
    the snapshot has only the content of the ledger, before the first scan. `delay_seconds` is the
    time to the next refresh.
    """

    snapshot: Snapshot
    trees: tuple[ProcessTree, ...] = ()
    rings: Mapping[SessionId, Ring] = {}
    total: Ring = NO_SAMPLES
    today: UsageSum | None = None
    usage: tuple[HourlyUsage, ...] | None = None
    rated: bool = True
    complete: bool = True
    delay_seconds: float = 2.0


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row of the list of sessions.

    `session` is None for an agent process without a session. The `tree` of an unfolded subagent
    (`depth` > 0) is the subagent's own usage: its own subagents have rows of their own. `processes`
    is the process tree of a top-level session. `subagents` counts direct and indirect subagents.
    """

    key: SessionId
    agent: str
    session: Session | None
    processes: ProcessTree | None = None
    ring: Ring = NO_SAMPLES
    depth: int = 0
    subagents: int = 0
    unfolded: bool = False

    @property
    def usage(self) -> ProcessUsage | None:
        """The resources that the processes of the row use; None if it has no live process."""
        if self.depth:
            return None  # the processes are the parent's
        if self.session is None:
            return self.processes.usage if self.processes else None
        return self.session.process.usage if self.session.process else None

    @property
    def pid(self) -> int | None:
        """The id of the process of the row; None if it has no process."""
        if self.session is None:
            return self.processes.processes[0].pid if self.processes else None
        process = self.session.process
        return process.pid if process and not self.depth else None

    @property
    def is_live(self) -> bool:
        """Whether the row has a live process."""
        if self.session is None:
            return True
        process = self.session.process
        return process is not None and process.liveness == "live" and not self.depth

    @property
    def is_open(self) -> bool:
        """Whether the row has a live process or a session that is not closed."""
        return self.session is None or self.session.state.kind != "closed" or self.is_live

    @property
    def last_active(self) -> float:
        """The time of the latest record, for sorting; 0 if it is unknown."""
        return (self.session.last_active or 0.0) if self.session else 0.0


class Rows:
    """The rows of one frame. Each part is computed once, when it is first needed."""

    def __init__(self, frame: Frame) -> None:
        """Store the frame. Nothing is computed yet."""
        self.frame = frame

    def prepare(self) -> None:
        """Compute the parts that every screen needs, so that the other thread need not do it."""
        _ = self.top, self.open, self.states

    @cached_property
    def sessions(self) -> dict[SessionId, Session]:
        """All sessions by identity."""
        return {key_of(session): session for session in self.frame.snapshot.sessions}

    @cached_property
    def trees(self) -> dict[SessionId, ProcessTree]:
        """The process tree of each session that has one."""
        return {
            (tree.agent, session_id): tree
            for tree in self.frame.trees
            for session_id in tree.session_ids
        }

    @cached_property
    def top(self) -> list[Row]:
        """The rows of all top-level sessions, and of agent processes without a session.

        The row with the latest activity comes first. Activity of the last minute counts as equal,
        so that sessions that run do not change places at each refresh.
        """
        latest = self.frame.snapshot.generated_at - SETTLED_SECONDS
        rows = [self._row(session) for session in top_level(list(self.sessions.values()))]
        rows += (
            Row((tree.agent, f"pid {tree.processes[0].pid}"), tree.agent, None, tree)
            for tree in self.frame.trees
            if not tree.session_ids
        )
        return sorted(rows, key=lambda row: (-min(row.last_active, latest), row.key))

    @cached_property
    def open(self) -> list[Row]:
        """The rows of `top` that have a live process or a session that is not closed."""
        return [row for row in self.top if row.is_open]

    @cached_property
    def states(self) -> Mapping[StateKind, int]:
        """The number of top-level sessions by state."""
        return Counter(row.session.state.kind for row in self.top if row.session)

    def _row(self, session: Session) -> Row:
        key = key_of(session)
        return Row(
            key,
            session.agent,
            session,
            self.trees.get(key),
            self.frame.rings.get(key, NO_SAMPLES),
            subagents=session.subagents,
        )

    def below(self, session: Session, depth: int = 1) -> list[Row]:
        """Return the rows of the direct and indirect subagents of a session, parents first."""
        rows: dict[SessionId, Row] = {}
        self._add_below(session, depth, rows)
        return list(rows.values())

    def _add_below(self, session: Session, depth: int, rows: dict[SessionId, Row]) -> None:
        for session_id in session.children:
            key = (session.agent, session_id)
            child = self.sessions.get(key)
            if child is not None and key not in rows:  # a damaged file may name its own parent
                rows[key] = Row(key, child.agent, with_own_usage(child), depth=depth)
                self._add_below(child, depth + 1, rows)

    def unfold(self, rows: list[Row], unfolded: Collection[SessionId]) -> list[Row]:
        """Return the rows, each followed by its subagents if its key is in `unfolded`."""
        if not unfolded:
            return rows
        shown: list[Row] = []
        for row in rows:
            is_open = row.key in unfolded and row.session is not None and row.subagents > 0
            shown.append(msgspec.structs.replace(row, unfolded=True) if is_open else row)
            if is_open and row.session is not None:
                shown.extend(self.below(row.session))
        return shown


def with_own_usage(session: Session) -> Session:
    """Return the session with its own usage instead of that of its tree."""
    own = Tree(session.models, session.tokens, session.cost, session.billed)
    return msgspec.structs.replace(session, tree=own)
