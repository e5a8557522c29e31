"""Sums the resources used by the process trees of sessions and agents. Performs no I/O.

The totals never decrease.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from agtop_exporter.model import ProcessMatch, ProcessUsage, SessionKey
from agtop_exporter.processes.facts import Matches, ProcessId, ProcessSample, ProcessTable
from agtop_exporter.processes.growth import (
    NOTHING_UNREAPED,
    ResourceTotals,
    UnreapedUsage,
    growth,
    newly_unreaped,
    plus,
)
from agtop_exporter.processes.interval import Interval, ratio

_REMEMBERED = 1024  # largest number of `gone` samples: a read error may hide a process for a while


class TreeUsage(msgspec.Struct, frozen=True):
    """The state between two rounds. It is stored in the ledger, so totals survive a restart.

    `sampled_at` is the time of the last round in unix seconds. `last` has its samples. `gone` has
    the last samples of processes that have disappeared. `owed` maps a parent to its unreaped usage,
    see `growth`. `pending` maps the root of a process tree without a session to the usage of the
    tree. When the tree gets a session, its pending usage is added to that session. `sessions` and
    `agents` have the totals.
    """

    boot_id: str = ""
    sampled_at: float = 0.0
    last: dict[ProcessId, ProcessSample] = {}
    gone: dict[ProcessId, ProcessSample] = {}
    owed: dict[ProcessId, UnreapedUsage] = {}
    pending: dict[ProcessId, ResourceTotals] = {}
    sessions: dict[SessionKey, ResourceTotals] = {}
    agents: dict[str, ResourceTotals] = {}


class AgentUsage(msgspec.Struct, frozen=True, gc=False):
    """The numbers of processes of one agent on this machine, and the memory of these processes.

    `processes` counts all processes in the process trees of the agent, except trees in containers
    that have no session. `orphan_processes` counts agent processes without a session, and
    `orphan_pids` has their process ids. `duplicate_processes` counts agent processes whose session
    runs in another process too. `rss_bytes` and `vms_bytes` are sums over all `processes`. The sums
    are 0 if there are no processes, and None if no value is readable.
    """

    processes: int = 0
    orphan_processes: int = 0
    orphan_pids: tuple[int, ...] = ()
    duplicate_processes: int = 0
    rss_bytes: int | None = 0
    vms_bytes: int | None = 0


class UsageRound(msgspec.Struct, frozen=True):
    """The state for the next round, and the published usage of sessions and agents."""

    state: TreeUsage
    sessions: Mapping[SessionKey, ProcessUsage]
    agents: Mapping[str, AgentUsage]
    interval: Interval = Interval()


def advance(previous: TreeUsage, table: ProcessTable, *, matches: Matches) -> UsageRound:
    """Add the usage since the last table to the totals of the sessions and agents.

    `previous` is the state of the last round. A table that is not complete adds nothing.
    """
    if not table.complete:
        return UsageRound(previous, {}, {})
    if previous.boot_id != table.boot_id:
        previous = TreeUsage(sessions=previous.sessions, agents=previous.agents)
    spent, owed = _spent(previous, table)
    owners = owners_of(matches)
    sessions, agents, pending = _credit(
        previous,
        table,
        spent=spent,
        owners=owners,
        container_orphans=frozenset(matches.container_orphans),
    )
    state = TreeUsage(
        boot_id=table.boot_id,
        sampled_at=table.sampled_at,
        last=_highest(previous, table),
        gone=_remember(previous, table),
        owed=owed,
        pending=pending,
        sessions=sessions,
        agents=agents,
    )
    interval = Interval(table.sampled_at - previous.sampled_at, spent, previous.last.keys())
    return UsageRound(
        state,
        _session_usages(state, interval, table=table, owners=owners),
        _agent_usages(state, table, matches=matches),
        interval,
    )


def added(state: TreeUsage, earlier: TreeUsage) -> TreeUsage:
    """Return `state` with its totals increased by the totals in `earlier`.

    `earlier` is the state at the end of an earlier run of the exporter.
    """
    sessions, agents = dict(earlier.sessions), dict(earlier.agents)
    for key, spent in state.sessions.items():
        sessions[key] = sessions.get(key, ResourceTotals()) + spent
    for agent, spent in state.agents.items():
        agents[agent] = agents.get(agent, ResourceTotals()) + spent
    return msgspec.structs.replace(state, sessions=sessions, agents=agents)


def past_usage(state: TreeUsage, session: SessionKey) -> ProcessUsage | None:
    """Return the usage of all processes that have ever run a session; None if there were none."""
    spent = state.sessions.get(session)
    return None if spent is None else _usage(spent, ())


def process_match(
    matches: Matches, usages: Mapping[SessionKey, ProcessUsage], session: SessionKey
) -> ProcessMatch | None:
    """Return the process of a top-level session; None if the session has no process.

    The match has no usage if the process has ended or runs several sessions.
    """
    binding = matches.bindings.get(session)
    if binding is None:
        return None
    shown = binding.liveness == "live" and binding.role == "session"
    return ProcessMatch(
        pid=binding.process.pid,
        started_at=binding.started_at,
        liveness=binding.liveness,
        confidence=binding.confidence,
        evidence=binding.evidence,
        role=binding.role,
        usage=usages.get(session) if shown else None,
    )


def owners_of(matches: Matches) -> dict[ProcessId, SessionKey]:
    """Return the session of each root of a process tree.

    A host has no entry, because it runs many sessions. A root without a session has no entry.
    """
    by_leaf = {
        binding.process: key
        for key, binding in matches.bindings.items()
        if binding.liveness == "live" and binding.role == "session"
    } | dict(matches.duplicates)
    return {root: by_leaf[leaf] for root, leaf in matches.leaves.items() if leaf in by_leaf}


def _spent(
    previous: TreeUsage, table: ProcessTable
) -> tuple[dict[ProcessId, ResourceTotals], dict[ProcessId, UnreapedUsage]]:
    """Return the usage of each process since the last table, and the unreaped usage by parent.

    The module `growth` defines unreaped usage.
    """
    fresh = newly_unreaped(previous.last, table.samples, owed=previous.owed)
    spent: dict[ProcessId, ResourceTotals] = {}
    owed: dict[ProcessId, UnreapedUsage] = {}
    for process, sample in table.samples.items():
        spent[process], left = growth(
            sample,
            previous.last.get(process) or previous.gone.get(process),
            owed=previous.owed.get(process, NOTHING_UNREAPED),
            fresh=fresh.get(process, NOTHING_UNREAPED),
        )
        if left != NOTHING_UNREAPED:
            owed[process] = left
    return spent, owed


def _credit(
    previous: TreeUsage,
    table: ProcessTable,
    *,
    spent: Mapping[ProcessId, ResourceTotals],
    owners: Mapping[ProcessId, SessionKey],
    container_orphans: Collection[ProcessId],
) -> tuple[
    dict[SessionKey, ResourceTotals], dict[str, ResourceTotals], dict[ProcessId, ResourceTotals]
]:
    """Return the new totals of sessions, of agents, and of process trees without a session.

    `spent` has the usage of each process since the last table, and `owners` the session of each
    root. The usage of a tree in a container is added to its agent only after the tree has been
    matched with a session. `container_orphans` has the roots in containers without a session.
    """
    sessions, agents = dict(previous.sessions), dict(previous.agents)
    pending = {root: item for root, item in previous.pending.items() if root in table.samples}
    for process, root in table.roots.items():
        agent, key = table.agents[root].agent, owners.get(root)
        if root not in container_orphans:
            counted = spent[process]
            if key is not None and table.processes[root].container:
                counted += pending.get(root, ResourceTotals())
            agents[agent] = agents.get(agent, ResourceTotals()) + counted
        if key is None:
            pending[root] = pending.get(root, ResourceTotals()) + spent[process]
        else:
            earlier = sessions.get(key, ResourceTotals()) + pending.pop(root, ResourceTotals())
            sessions[key] = earlier + spent[process]
    return sessions, agents, pending


def _highest(previous: TreeUsage, table: ProcessTable) -> dict[ProcessId, ProcessSample]:
    """Return the samples of the table, with the largest `written_bytes` so far of each process.

    `written_bytes` decreases if a file is deleted before its content reaches the disk. After that,
    writes count only when `written_bytes` exceeds the largest value before.
    """
    samples = dict(table.samples)
    for process, sample in table.samples.items():
        before = previous.last.get(process) or previous.gone.get(process)
        counted = before.written_bytes if before else None
        if counted is not None and sample.written_bytes is not None:
            written = max(counted, sample.written_bytes)
            if written != sample.written_bytes:
                samples[process] = msgspec.structs.replace(sample, written_bytes=written)
    return samples


def _remember(previous: TreeUsage, table: ProcessTable) -> dict[ProcessId, ProcessSample]:
    all_gone = [
        (process, sample)
        for process, sample in (*previous.gone.items(), *previous.last.items())
        if process not in table.samples
    ]
    return dict(all_gone[-_REMEMBERED:])


def _session_usages(
    state: TreeUsage,
    interval: Interval,
    *,
    table: ProcessTable,
    owners: Mapping[ProcessId, SessionKey],
) -> dict[SessionKey, ProcessUsage]:
    members: dict[SessionKey, list[ProcessId]] = defaultdict(list)
    for process, root in table.roots.items():
        if root in owners:
            members[owners[root]].append(process)
    usages: dict[SessionKey, ProcessUsage] = {}
    for key, processes in members.items():
        usage = _usage(state.sessions[key], [table.samples[process] for process in processes])
        has_rates = interval.has_rates(processes)
        usages[key] = interval.with_rates(usage, processes) if has_rates else usage
    return usages


def _usage(spent: ResourceTotals, samples: Iterable[ProcessSample]) -> ProcessUsage:
    processes, rss, vms = 0, None, None
    for sample in samples:
        processes += 1
        rss, vms = plus(rss, sample.rss_bytes), plus(vms, sample.vms_bytes)
    return ProcessUsage(
        processes=processes,
        cpu_seconds=ratio(spent.cpu_microseconds, 1e6),
        rss_bytes=rss,
        vms_bytes=vms,
        disk_read_bytes=spent.read_bytes,
        disk_written_bytes=spent.written_bytes,
    )


def _agent_usages(
    state: TreeUsage, table: ProcessTable, *, matches: Matches
) -> dict[str, AgentUsage]:
    samples: dict[str, list[ProcessSample]] = defaultdict(list)
    for process, root in table.roots.items():
        if root not in matches.container_orphans:
            samples[table.agents[root].agent].append(table.samples[process])
    orphans: dict[str, list[int]] = defaultdict(list)
    for orphan in sorted(matches.orphans):
        orphans[table.agents[orphan].agent].append(orphan.pid)
    usages: dict[str, AgentUsage] = {}
    for agent in sorted(samples.keys() | state.agents.keys()):
        spent = state.agents.get(agent, ResourceTotals())
        usage = _usage(spent, samples.get(agent, ()))
        usages[agent] = AgentUsage(
            processes=usage.processes,
            orphan_processes=len(orphans[agent]),
            orphan_pids=tuple(orphans[agent]),
            duplicate_processes=sum(key.agent == agent for key in matches.duplicates.values()),
            rss_bytes=usage.rss_bytes if usage.processes else 0,
            vms_bytes=usage.vms_bytes if usage.processes else 0,
        )
    return usages
