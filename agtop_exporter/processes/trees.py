"""Builds process trees: finds the agent process to which each process belongs. No I/O."""

from collections import defaultdict
from collections.abc import Container, Mapping

import msgspec

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample, Recognized


class Known(msgspec.Struct, frozen=True, gc=False):
    """The facts about a process that were read when it was last read in full.

    `recognized` is None if the process is no agent process, or if it belongs to another user and is
    left out. `hidden_agent` is the name of the agent if the process is left out and runs in a
    container; otherwise it is "".
    """

    process: Process
    recognized: Recognized | None = None
    hidden_agent: str = ""
    incomplete: bool = False  # read during an exec or an exit; must be read again

    @property
    def is_root(self) -> bool:
        """Whether the process is an agent process, but no helper; a root, unless it is a fork."""
        return self.recognized is not None and self.recognized.role != "helper"


class Sampled(msgspec.Struct, frozen=True, gc=False):
    """A process and its sample. Both have the same id."""

    known: Known
    sample: ProcessSample
    open_files: tuple[str, ...] = ()  # files open for writing; known for roots only


def find_roots(
    known: Mapping[int, Known], earlier: Mapping[ProcessId, ProcessId]
) -> dict[ProcessId, ProcessId]:
    """Map every member of a process tree to its root. In each tree, parents come first.

    A root is mapped to itself. A fork of an agent process, such as a worker of Python's
    `multiprocessing`, is no root, although it has the name and the arguments of its parent. `known`
    contains all processes by pid. `earlier` is the previous result of this function. With
    `earlier`, a process whose parent has ended stays in the tree of its earlier root.
    """
    children: dict[int, list[Known]] = defaultdict(list)
    agents: dict[ProcessId, Known] = {}
    for item in known.values():
        children[item.process.parent_pid].append(item)
        if item.is_root and not _is_fork(item, known.get(item.process.parent_pid)):
            agents[item.process.id] = item
    roots: dict[ProcessId, ProcessId] = {}
    for root, agent in agents.items():
        _adopt(agent, root, agents=agents, children=children, roots=roots)
    for member, root in earlier.items():
        orphan = known.get(member.pid)
        if orphan is not None and orphan.process.id == member and root in roots:
            _adopt(orphan, roots[root], agents=agents, children=children, roots=roots)
    return roots


def _is_fork(child: Known, parent: Known | None) -> bool:
    """Return whether `child` is a copy of the agent process `parent` and executed no program."""
    return (
        parent is not None
        and parent.is_root
        and child.process.stack_start == parent.process.stack_start != 0
        and child.process.argv == parent.process.argv
        and child.process.id.start_ticks >= parent.process.id.start_ticks
    )


def _adopt(
    start: Known,
    root: ProcessId,
    *,
    agents: Container[ProcessId],
    children: Mapping[int, list[Known]],
    roots: dict[ProcessId, ProcessId],
) -> None:
    """Add `start` and its descendants to the tree of `root`, except members of another tree.

    `agents` has the roots of all trees.
    """
    queue = [start]
    for item in queue:
        member = item.process.id
        if member in roots:
            continue
        roots[member] = root
        queue.extend(
            child
            for child in children.get(member.pid, ())
            # A child is never older than its parent. If it is, the parent's pid was reused.
            if child.process.id not in agents and child.process.id.start_ticks >= member.start_ticks
        )
