"""Lists the processes of each session and of each agent process without a session. No I/O."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from agtop_exporter.model import ProcessMark, ProcessNode, ProcessTree, ProcessUsage, SessionKey
from agtop_exporter.processes.facts import Matches, ProcessId, ProcessTable
from agtop_exporter.processes.growth import plus
from agtop_exporter.processes.interval import Interval
from agtop_exporter.processes.usage import owners_of

Ports = Callable[[int], tuple[int, ...]]
"""A function that takes a pid and returns the TCP ports on which the process listens."""


def process_trees(
    table: ProcessTable, matches: Matches, interval: Interval, *, ports: Ports
) -> tuple[ProcessTree, ...]:
    """Return the process tree of each session, of each host and of each orphan.

    A host is a process that runs many sessions. An orphan is an agent process without a session.

    Trees of orphans in containers are left out: their sessions may be in a home that is not read.
    """
    hosted: dict[ProcessId, list[str]] = defaultdict(list)
    for key, binding in matches.bindings.items():
        if binding.role == "host" and binding.liveness == "live":
            hosted[binding.process].append(key.session_id)
    return tuple(
        ProcessTree(
            agent=table.agents[table.roots[processes[0]]].agent,
            session_ids=(
                (owner.session_id,)
                if isinstance(owner, SessionKey)
                else tuple(hosted.get(owner, ()))
            ),
            host=owner in hosted,
            usage=_sum(table, processes, interval),
            processes=tuple(
                _node(
                    table, process, processes, interval, duplicates=matches.duplicates, ports=ports
                )
                for process in processes
            ),
        )
        for owner, processes in _members(table, matches, hosted).items()
    )


def _members(
    table: ProcessTable, matches: Matches, hosts: Collection[ProcessId]
) -> dict[SessionKey | ProcessId, list[ProcessId]]:
    """Return the processes of each session, and of each agent process without one session.

    The latter are hosts, which run many sessions, and orphans, which run no known session.
    """
    owners = owners_of(matches)
    members: dict[SessionKey | ProcessId, list[ProcessId]] = defaultdict(list)
    for process, root in table.roots.items():
        leaf = matches.leaves.get(root, root)
        if root in owners:
            members[owners[root]].append(process)
        elif leaf in hosts or leaf in matches.orphans:
            members[leaf].append(process)
    return members


def _sum(table: ProcessTable, processes: Collection[ProcessId], interval: Interval) -> ProcessUsage:
    rss: int | None = None
    for process in processes:
        rss = plus(rss, table.samples[process].rss_bytes)
    usage = ProcessUsage(processes=len(processes), rss_bytes=rss)
    return interval.with_rates(usage, processes) if interval.has_rates(processes) else usage


def _node(  # noqa: PLR0913 - a process, and the tree and table in which it is
    table: ProcessTable,
    process: ProcessId,
    tree: Collection[ProcessId],
    interval: Interval,
    *,
    duplicates: Mapping[ProcessId, SessionKey],
    ports: Ports,
) -> ProcessNode:
    facts, sample = table.processes[process], table.samples[process]
    has_parent = any(facts.parent_pid == other.pid for other in tree)
    mark: ProcessMark = ""
    if process in duplicates:
        mark = "duplicate"
    elif process not in table.agents and not has_parent:
        mark = "orphan"
    usage = ProcessUsage(
        processes=1,
        cpu_seconds=sample.cpu_seconds,
        rss_bytes=sample.rss_bytes,
        disk_read_bytes=sample.read_bytes,
        disk_written_bytes=sample.written_bytes,
    )
    return ProcessNode(
        pid=process.pid,
        parent_pid=facts.parent_pid,
        name=facts.comm,
        started_at=facts.started_at,
        usage=interval.with_rates(usage, (process,)) if interval.has_rates(tree) else usage,
        listening_ports=ports(process.pid),
        mark=mark,
    )
