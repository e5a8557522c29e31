"""Which processes are one: a wrapper and the program that it started; pure."""

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import Process, ProcessId, ProcessTable, Role

_DEEPEST = 64  # ancestors to look at: a table can hold a circle where pids were reused


class Group(msgspec.Struct, frozen=True, gc=False):
    """Agent processes that act as one; the leaf is the one that does the work."""

    leaf: Process
    agent: str
    role: Role
    members: tuple[ProcessId, ...]  # roots of process trees, the leaf's last


def group(
    table: ProcessTable, named: Mapping[ProcessId, frozenset[SessionKey]]
) -> tuple[Group, ...]:
    """Return the groups, ordered by their leaf.

    `named` has the sessions that a process is known to run on its own account: two processes
    that run different ones are never one.
    """
    roots = sorted(set(table.roots.values()))
    children: dict[ProcessId, list[ProcessId]] = defaultdict(list)
    by_pid = {process.id.pid: process for process in table.processes.values()}
    for process in roots:
        parent = _wrapper_of(process, table, by_pid=by_pid)
        if parent is not None:
            children[parent].append(process)
    leaf_of = {process: process for process in roots}
    # Latest first: a child is always settled before its parent asks for the child's leaf.
    for process in sorted(roots, key=lambda item: (-item.start_ticks, -item.pid)):
        leaf = _leaf(process, children[process], table=table, leaf_of=leaf_of, named=named)
        leaf_of[process] = leaf
    members: dict[ProcessId, list[ProcessId]] = defaultdict(list)
    for process in roots:
        if process != leaf_of[process]:
            members[leaf_of[process]].append(process)
    return tuple(
        Group(
            leaf=table.processes[leaf],
            agent=table.agents[leaf].agent,
            role=table.agents[leaf].role,
            members=(*members[leaf], leaf),
        )
        for leaf in roots
        if leaf_of[leaf] == leaf
    )


def _leaf(
    process: ProcessId,
    children: list[ProcessId],
    *,
    table: ProcessTable,
    leaf_of: Mapping[ProcessId, ProcessId],
    named: Mapping[ProcessId, frozenset[SessionKey]],
) -> ProcessId:
    if not children or (len(children) > 1 and table.agents[process].role != "wrapper"):
        return process  # a session that starts several of its kind stays one itself
    leaf = leaf_of[children[0]]
    own, other = named.get(process, frozenset()), named.get(leaf, frozenset())
    return process if own and other and own != other else leaf


def _wrapper_of(
    process: ProcessId, table: ProcessTable, *, by_pid: Mapping[int, Process]
) -> ProcessId | None:
    """Return the agent process that this one may be the inner part of.

    Directly below the same agent in the same role, or anywhere below a launcher for it.
    """
    recognised = table.agents[process]
    child = table.processes[process]
    for distance in range(_DEEPEST):
        parent = by_pid.get(child.parent_pid)
        if parent is None or parent.id.start_ticks > child.id.start_ticks:
            return None
        known = table.agents.get(parent.id)
        if known is not None and known.role != "helper":
            same = known.agent == recognised.agent
            inner = known.role == "wrapper" or (not distance and known.role == recognised.role)
            return parent.id if same and inner else None
        child = parent
    return None
