"""Process trees: finds the agent process that each process belongs to; no I/O."""

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample, Recognised


class Known(msgspec.Struct, frozen=True, gc=False):
    """A process as it was when it was last read in full.

    `recognised` is None if the process is not an agent's or is left out. `hidden_agent` is the
    agent of a process that is left out because another user owns it, and that is in a container.
    """

    process: Process
    recognised: Recognised | None = None
    hidden_agent: str = ""
    incomplete: bool = False  # it was read during an exec or an exit: read it again

    @property
    def is_root(self) -> bool:
        """Whether this is an agent with its own tree; a helper belongs to its parent's tree."""
        return self.recognised is not None and self.recognised.role != "helper"


class Sampled(msgspec.Struct, frozen=True, gc=False):
    """A process with its sample; both have the same id."""

    known: Known
    sample: ProcessSample
    open_files: tuple[str, ...] = ()  # of a root, for writing


def find_roots(
    known: Mapping[int, Known], earlier: Mapping[ProcessId, ProcessId]
) -> dict[ProcessId, ProcessId]:
    """Return the root of every member of a tree, the members of a tree parents first.

    `known` contains all processes by pid. Every root is its own root. `earlier` is the previous
    result: a process whose parent has ended stays in the tree of the agent that started it.
    """
    children: dict[int, list[Known]] = defaultdict(list)
    agents: list[Known] = []
    for item in known.values():
        children[item.process.parent_pid].append(item)
        if item.is_root:
            agents.append(item)
    roots: dict[ProcessId, ProcessId] = {}
    for agent in agents:
        _adopt(agent, agent.process.id, children=children, roots=roots)
    for member, root in earlier.items():
        orphan = known.get(member.pid)
        if orphan is not None and orphan.process.id == member and root in roots:
            _adopt(orphan, roots[root], children=children, roots=roots)
    return roots


def _adopt(
    start: Known,
    root: ProcessId,
    *,
    children: Mapping[int, list[Known]],
    roots: dict[ProcessId, ProcessId],
) -> None:
    """Add a process and those of its descendants that have no tree yet to the tree of `root`."""
    queue = [start]
    for item in queue:
        member = item.process.id
        if member in roots:
            continue
        roots[member] = root
        queue.extend(
            child
            for child in children.get(member.pid, ())
            # A child cannot be older than its parent: then the pid of its parent was reused.
            if not child.is_root and child.process.id.start_ticks >= member.start_ticks
        )
