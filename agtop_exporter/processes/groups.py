"""Groups each wrapper with the agent process that it started. Performs no I/O."""

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import Process, ProcessId, ProcessTable, Role
from agtop_exporter.processes.identify import script_of

_DEEPEST = 64  # largest number of ancestors to follow; reused pids can form a cycle
_LAUNCH_SECONDS = 10.0  # longest time from the start of a wrapper to the start of its agent process
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "fish"})


class Group(msgspec.Struct, frozen=True, gc=False):
    """The agent processes that together run one session: wrappers and the leaf.

    `leaf` is the process that does the work. The wrappers started it.
    """

    leaf: Process
    agent: str
    role: Role
    members: tuple[ProcessId, ...]  # roots of process trees; the last one is the leaf

    @property
    def place(self) -> tuple[str, str]:
        """The name of the agent, and the working directory without a separator at its end."""
        return self.agent, self.leaf.cwd.rstrip("/\\") or self.leaf.cwd


def group(
    table: ProcessTable, named: Mapping[ProcessId, frozenset[SessionKey]]
) -> tuple[Group, ...]:
    """Return the groups of all agent processes in a table, sorted by the id of the leaf.

    `named` maps a process to the sessions that the process certainly runs. Processes that run
    different sessions are never in one group.
    """
    roots = sorted(set(table.roots.values()))
    children: dict[ProcessId, list[ProcessId]] = defaultdict(list)
    by_pid = {process.id.pid: process for process in table.processes.values()}
    for process in roots:
        parent = _wrapper_of(process, table, by_pid=by_pid)
        if parent is not None:
            children[parent].append(process)
    leaf_of = {process: process for process in roots}
    # Newest first: the leaf of a child is needed to find the leaf of its parent.
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
        return process  # an agent that starts several agents runs a session of its own
    leaf = leaf_of[children[0]]
    own, other = named.get(process, frozenset()), named.get(leaf, frozenset())
    return process if own and other and own != other else leaf


def _wrapper_of(
    process: ProcessId, table: ProcessTable, *, by_pid: Mapping[int, Process]
) -> ProcessId | None:
    """Return the wrapper that may have started `process`; None if there is none.

    Only the nearest ancestor that is an agent process and not a helper can be the wrapper. This
    ancestor must belong to the same agent. It must also have the role `wrapper`, or be the direct
    parent, have the same role as `process` and only start this process.
    """
    recognized = table.agents[process]
    child = table.processes[process]
    for distance in range(_DEEPEST):
        parent = by_pid.get(child.parent_pid)
        if parent is None or parent.id.start_ticks > child.id.start_ticks:
            return None
        known = table.agents.get(parent.id)
        if known is not None and known.role != "helper":
            same = known.agent == recognized.agent
            inner = known.role == "wrapper" or (
                not distance and known.role == recognized.role and _only_starts(parent, child)
            )
            return parent.id if same and inner else None
        child = parent
    return None


def _only_starts(parent: Process, child: Process) -> bool:
    """Return whether an agent process is probably a wrapper that has started its child `child`.

    A shell that runs one command becomes this command. An agent that a tool of another one runs is
    therefore often a direct child, too. A wrapper starts its child soon, or is a script of a shell.
    A wrapper that starts the same script again, as some agents do after a change of their settings,
    passes its own arguments on.
    """
    if parent.exe.rpartition("/")[2] in _SHELLS:
        return True
    if child.started_at - parent.started_at <= _LAUNCH_SECONDS:
        return True
    script, arguments = script_of(parent)
    again, same = script_of(child)
    return bool(script and again) and arguments == same
