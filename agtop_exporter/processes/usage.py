"""What sessions and agents used, process trees included, in totals that never fall; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.model import ProcessMatch, ProcessUsage, SessionKey
from agtop_exporter.processes.facts import Matches, ProcessId, ProcessSample, ProcessTable
from agtop_exporter.processes.growth import NO_DEBT, Debt, Spent, growth, new_debts, plus

_SHORTEST_SECONDS = 0.001  # between two samples that give a rate
_REMEMBERED = 1024  # processes that are not seen now but may be again, as after a read error


class TreeUsage(msgspec.Struct, frozen=True):
    """All that one round must hand to the next; kept in a file, totals survive a restart.

    `pending` has what trees used that belong to no session yet, by root: their first session
    gets it.
    """

    boot_id: str = ""
    sampled_at: float = 0.0
    last: dict[ProcessId, ProcessSample] = {}
    gone: dict[ProcessId, ProcessSample] = {}
    owed: dict[ProcessId, Debt] = {}
    pending: dict[ProcessId, Spent] = {}
    sessions: dict[SessionKey, Spent] = {}
    agents: dict[str, Spent] = {}


class AgentUsage(msgspec.Struct, frozen=True, gc=False):
    """One agent's processes on this machine, those without a session included.

    Memory is what they hold together: nothing where there are none.
    """

    processes: int = 0
    orphan_processes: int = 0
    duplicate_processes: int = 0
    rss_bytes: int | None = 0
    vms_bytes: int | None = 0
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None


class UsageRound(msgspec.Struct, frozen=True):
    """The state for the next round, and what is published of this one."""

    state: TreeUsage
    sessions: Mapping[SessionKey, ProcessUsage]
    agents: Mapping[str, AgentUsage]


def advance(previous: TreeUsage, table: ProcessTable, *, matches: Matches) -> UsageRound:
    """Add what was used since the last table to the sessions and agents it belongs to.

    A table that could not be read adds nothing.
    """
    if not table.complete:
        return UsageRound(previous, {}, {})
    if previous.boot_id != table.boot_id:
        previous = TreeUsage(sessions=previous.sessions, agents=previous.agents)
    spent, owed = _spent(previous, table)
    owners = _owners(matches)
    sessions, agents, pending = _credit(previous, table, spent=spent, owners=owners)
    state = TreeUsage(
        boot_id=table.boot_id,
        sampled_at=table.sampled_at,
        last=dict(table.samples),
        gone=_remember(previous, table),
        owed=owed,
        pending=pending,
        sessions=sessions,
        agents=agents,
    )
    return UsageRound(
        state,
        _session_usages(previous, state, table=table, owners=owners, spent=spent),
        _agent_usages(state, table, matches=matches),
    )


def added(state: TreeUsage, earlier: TreeUsage) -> TreeUsage:
    """Return the state with the totals of an earlier process added."""
    sessions, agents = dict(earlier.sessions), dict(earlier.agents)
    for key, spent in state.sessions.items():
        sessions[key] = sessions.get(key, Spent()) + spent
    for agent, spent in state.agents.items():
        agents[agent] = agents.get(agent, Spent()) + spent
    return msgspec.structs.replace(state, sessions=sessions, agents=agents)


def past_usage(state: TreeUsage, session: SessionKey) -> ProcessUsage | None:
    """Return the totals of a session without a process, None if it never had one."""
    spent = state.sessions.get(session)
    return None if spent is None else _usage(spent, ())


def process_match(
    matches: Matches,
    usages: Mapping[SessionKey, ProcessUsage],
    session: SessionKey,
    *,
    parent: SessionKey | None = None,
) -> ProcessMatch | None:
    """Return the process of a session, for a subagent that of its parent; None without one.

    A subagent shows its parent's usage: sums are made of parents only.
    """
    key = parent or session
    binding = matches.bindings.get(key)
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
        usage=usages.get(key) if shown else None,
    )


def _owners(matches: Matches) -> dict[ProcessId, SessionKey]:
    """Return the session that a root's usage belongs to; a host's belongs to none."""
    by_leaf = {
        binding.process: key
        for key, binding in matches.bindings.items()
        if binding.liveness == "live" and binding.role == "session"
    } | dict(matches.duplicates)
    return {root: by_leaf[leaf] for root, leaf in matches.leaves.items() if leaf in by_leaf}


def _spent(
    previous: TreeUsage, table: ProcessTable
) -> tuple[dict[ProcessId, Spent], dict[ProcessId, Debt]]:
    """Return what each process used since the last table, and the debts that are left."""
    fresh = new_debts(previous.last, table.samples, owed=previous.owed)
    spent: dict[ProcessId, Spent] = {}
    owed: dict[ProcessId, Debt] = {}
    for process, sample in table.samples.items():
        spent[process], left = growth(
            sample,
            previous.last.get(process) or previous.gone.get(process),
            owed=previous.owed.get(process, NO_DEBT),
            fresh=fresh.get(process, NO_DEBT),
        )
        if left != NO_DEBT:
            owed[process] = left
    return spent, owed


def _credit(
    previous: TreeUsage,
    table: ProcessTable,
    *,
    spent: Mapping[ProcessId, Spent],
    owners: Mapping[ProcessId, SessionKey],
) -> tuple[dict[SessionKey, Spent], dict[str, Spent], dict[ProcessId, Spent]]:
    """Return the totals of sessions and agents, and what belongs to no session yet."""
    sessions, agents = dict(previous.sessions), dict(previous.agents)
    pending = {root: item for root, item in previous.pending.items() if root in table.samples}
    for process, root in table.roots.items():
        agent = table.agents[root].agent
        agents[agent] = agents.get(agent, Spent()) + spent[process]
        key = owners.get(root)
        if key is None:
            pending[root] = pending.get(root, Spent()) + spent[process]
        else:
            earlier = sessions.get(key, Spent()) + pending.pop(root, Spent())
            sessions[key] = earlier + spent[process]
    return sessions, agents, pending


def _remember(previous: TreeUsage, table: ProcessTable) -> dict[ProcessId, ProcessSample]:
    all_gone = [
        (process, sample)
        for process, sample in (*previous.gone.items(), *previous.last.items())
        if process not in table.samples
    ]
    return dict(all_gone[-_REMEMBERED:])


def _session_usages(
    previous: TreeUsage,
    state: TreeUsage,
    *,
    table: ProcessTable,
    owners: Mapping[ProcessId, SessionKey],
    spent: Mapping[ProcessId, Spent],
) -> dict[SessionKey, ProcessUsage]:
    members: dict[SessionKey, list[ProcessId]] = defaultdict(list)
    for process, root in table.roots.items():
        if root in owners:
            members[owners[root]].append(process)
    elapsed = state.sampled_at - previous.sampled_at
    usages: dict[SessionKey, ProcessUsage] = {}
    for key, processes in members.items():
        usage = _usage(state.sessions[key], [table.samples[process] for process in processes])
        # A tree that was not there before would show its whole life as one moment's rate.
        if elapsed >= _SHORTEST_SECONDS and not previous.last.keys().isdisjoint(processes):
            recent = sum((spent[process] for process in processes), Spent())
            usage = msgspec.structs.replace(
                usage,
                cpu_percent=_ratio(recent.cpu_microseconds, elapsed * 10_000),
                disk_read_bytes_per_second=_ratio(recent.read_bytes, elapsed),
                disk_written_bytes_per_second=_ratio(recent.written_bytes, elapsed),
            )
        usages[key] = usage
    return usages


def _usage(spent: Spent, samples: Iterable[ProcessSample]) -> ProcessUsage:
    processes, rss, vms = 0, None, None
    for sample in samples:
        processes += 1
        rss, vms = plus(rss, sample.rss_bytes), plus(vms, sample.vms_bytes)
    return ProcessUsage(
        processes=processes,
        cpu_seconds=_ratio(spent.cpu_microseconds, 1e6),
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
        samples[table.agents[root].agent].append(table.samples[process])
    usages: dict[str, AgentUsage] = {}
    for agent in sorted(samples.keys() | state.agents.keys()):
        spent = state.agents.get(agent, Spent())
        usage = _usage(spent, samples.get(agent, ()))
        usages[agent] = AgentUsage(
            processes=usage.processes,
            orphan_processes=sum(table.agents[item].agent == agent for item in matches.orphans),
            duplicate_processes=sum(key.agent == agent for key in matches.duplicates.values()),
            rss_bytes=usage.rss_bytes if usage.processes else 0,
            vms_bytes=usage.vms_bytes if usage.processes else 0,
            disk_read_bytes=usage.disk_read_bytes,
            disk_written_bytes=usage.disk_written_bytes,
        )
    return usages


def _ratio(amount: int | None, per: float) -> float | None:
    return None if amount is None else amount / per
