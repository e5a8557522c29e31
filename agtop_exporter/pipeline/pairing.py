"""Matches sessions with live processes, and sums the resource usage of each process tree."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, signatures_of
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Key
from agtop_exporter.model import (
    ProcessMatch,
    ProcessTree,
    ProcessUsage,
    Series,
    SessionKey,
    SessionState,
)
from agtop_exporter.pipeline import saved_usage
from agtop_exporter.pipeline.candidates import SLACK_SECONDS, Candidates, Dated
from agtop_exporter.pipeline.guard import Guard
from agtop_exporter.pipeline.registries import Registries
from agtop_exporter.pipeline.skipped import SkippedProcesses
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pipeline.tool_starts import ToolStarts
from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import Binding, Matches, ProcessId, ProcessTable
from agtop_exporter.processes.interval import Interval
from agtop_exporter.processes.match import match
from agtop_exporter.processes.members import process_trees
from agtop_exporter.processes.source import ProcessSource
from agtop_exporter.processes.usage import (
    AgentUsage,
    TreeUsage,
    added,
    advance,
    past_usage,
    process_match,
)
from agtop_exporter.signature import RegistryEntry

WRITER_SECONDS = 15.0  # a transcript written within this time has a writer, even an invisible one


class Pairing:
    """Determines which process runs which session, and how much the processes have used."""

    def __init__(  # noqa: PLR0913 - the parts of a pipeline that it works with
        self,
        source: ProcessSource | None,
        agents: Sequence[Agent],
        homes: Sequence[Path],
        environment: Environment,
        *,
        saved: Mapping[str, bytes],
        steps: Steps,
        folders: Folders,
        guard: Guard,
    ) -> None:
        """Start with the resource usage in `saved`, and without matches.

        `saved` has the results of `to_save` from earlier runs of the exporter. If `source` is None,
        no session is matched.
        """
        self._source = source
        self._folders = folders
        self._registries = Registries(
            agents, homes, environment, steps=steps, folders=folders, guard=guard
        )
        self._signatures = signatures_of(agents)
        self._candidates = Candidates()
        self._table = ProcessTable(sampled_at=0.0, complete=False)
        self._matches = Matches()
        self._usage = self._saved = saved_usage.restored(saved)
        self._sessions: Mapping[SessionKey, ProcessUsage] = {}
        self._agents: Mapping[str, AgentUsage] = {}
        self._interval = Interval()
        self._skipped = SkippedProcesses()
        self._tool_starts = ToolStarts()
        self._reported: dict[SessionKey, RegistryEntry] = {}

    def add_history(self, saved: Mapping[str, bytes]) -> None:
        """Add resource usage that could not be read from the ledger at the start.

        `saved` has this usage in the encoding of `to_save`.
        """
        if saved_usage.NAME in saved:
            self._usage = added(self._usage, saved_usage.restored(saved))
            self._saved = TreeUsage()  # save everything again

    def add(self, key: Key, record: SessionState) -> None:
        """Add a new or changed session to the sessions that `pair` matches."""
        self._candidates.add(key, record)

    def remove_closed(self, open_sessions: Collection[Key]) -> None:
        """Remove old sessions from the sessions that `pair` matches.

        A session is old if its last activity was before the start of the oldest agent process. A
        session in `open_sessions` and a session that is bound to a process are never removed.
        """
        self._candidates.remove_old(open_sessions, self._matches.bindings)

    def pair(
        self,
        now: float,
        sessions: Mapping[Key, SessionState],
        *,
        dated: Dated = lambda session: session,
    ) -> set[SessionKey]:
        """Match the processes at `now` (unix seconds) with the sessions.

        Return the sessions that have a process now, the sessions that had a process at the previous
        call, and the sessions that an agent itself reports as live. `sessions` has all sessions of
        the ledger. `dated` returns a session with times in the future corrected. If an exception is
        raised, the results of the previous call remain valid.
        """
        if self._source is None:
            return set()
        before = self._matches
        table = self._source.sample(now)
        registry = self._registries.read(table)
        self._candidates.add_possible(table, registry, sessions, dated)
        matches = self._matched(table, registry)
        turn = advance(self._usage, table, matches=matches)
        # Nothing below raises an exception, so these values always belong to one table.
        self._table, self._matches = table, matches
        self._usage, self._sessions, self._agents = turn.state, turn.sessions, turn.agents
        self._interval = turn.interval
        self._reported = {
            key: entry
            for entry in registry
            if entry.status and not table.shows_all_of(entry.agent)
            if (key := SessionKey(entry.agent, entry.session_id)) not in matches.bindings
        }
        self._tool_starts.keep_only(matches.bindings)
        return {
            *before.bindings,
            *matches.bindings,
            *(self._reported.keys() & self._candidates.known.keys()),
        }

    def _matched(self, table: ProcessTable, registry: Iterable[RegistryEntry]) -> Matches:
        before = self._matches
        if table.agents or before.bindings:
            evidence = gather(
                table,
                self._candidates.known,
                signatures=self._signatures,
                registry=registry,
            )
            return match(
                table, self._candidates.known, evidence, previous=before, real_path=self._real_path
            )
        # Without processes there is nothing to match, even if there are thousands of sessions.
        return Matches(ended=before.ended) if table.complete else before

    def _real_path(self, path: str) -> str:
        """Resolve the symbolic links of a path, within a time limit."""
        return self._folders.find(path).real if path else ""

    @property
    def found_agents(self) -> bool:
        """Whether the last call of `pair` found any agent process."""
        return bool(self._table.agents)

    def binding(self, session: SessionKey) -> Binding | None:
        """Return the process that runs a session, as a Binding; None if no process is known."""
        return self._matches.bindings.get(session)

    def reported(self, session: SessionKey) -> RegistryEntry | None:
        """Return what the agent itself reports about a session whose process is not visible.

        The result is None if the agent reports nothing, or if a visible process runs the session.
        """
        return self._reported.get(session)

    def process(self, session: SessionKey) -> ProcessMatch | None:
        """Return the process of a top-level session with its usage; None if no process is known."""
        return process_match(self._matches, self._sessions, session)

    def trees(self) -> tuple[ProcessTree, ...]:
        """Return the process trees of sessions, hosts and orphans that the last `pair` found."""
        if self._source is None:
            return ()
        ports = self._source.listening_ports
        return process_trees(self._table, self._matches, self._interval, ports=ports)

    def past_usage(self, session: SessionKey) -> ProcessUsage | None:
        """Return the total usage of all processes that ever ran a session; None if unknown."""
        return past_usage(self._usage, session)

    def has_started_tool(self, session: SessionKey, time: float) -> bool:
        """Return whether a session has started a tool process since its last record.

        `time` is the time of the last record in unix seconds. See `ToolStarts.has_started`.
        """
        return self._tool_starts.has_started(
            session, time, table=self._table, matches=self._matches
        )

    def has_no_process(
        self, session: SessionKey, now: float, *, last_active: float | None, hosted: bool
    ) -> bool:
        """Return whether a session that is not matched certainly has no process.

        The result is True in two cases. First, the process of the session ended after the last
        record. Second, all processes of the agent are visible, and each of them either runs only
        other sessions or started after the last record. The second case does not apply if the last
        record is less than WRITER_SECONDS old. `now` and `last_active` (the time of the last
        record) are in unix seconds. `hosted` is the result of `may_be_hosted`.
        """
        ended = self._matches.ended.get(session)
        if ended is not None and (last_active is None or last_active <= ended):
            return True
        written_lately = last_active is not None and now - last_active < WRITER_SECONDS
        if hosted or written_lately or not self._table.shows_all_of(session.agent):
            return False
        orphans = (*self._matches.orphans, *self._matches.container_orphans)
        return not self._any_started(orphans, session.agent, last_active or now)

    def may_be_hosted(self, session: SessionKey, time: float) -> bool:
        """Return whether a visible host may run a session that is not matched.

        `time` is the time of the last record of the session in unix seconds. A host may run
        sessions of other directories than its own. If the agent keeps the transcripts open, the
        open files of a host show all its sessions, and the result is False.
        """
        signature = self._signatures.get(session.agent)
        if signature is None or signature.transcript_names:
            return False
        hosts = (process for process, found in self._table.agents.items() if found.role == "host")
        return self._any_started(hosts, session.agent, time)

    def _any_started(self, processes: Iterable[ProcessId], agent: str, time: float) -> bool:
        """Return whether any of the processes is of an agent and started before `time`."""
        return any(
            self._table.processes[process].started_at <= time + SLACK_SECONDS
            for process in processes
            if self._table.agents[process].agent == agent
        )

    def agent(self, name: str, *, installed: bool) -> AgentUsage | None:
        """Return the resource usage of an agent's processes; None if the usage is unknown.

        If the agent has no processes, the usage is zero if the agent is `installed`, and unknown
        otherwise.
        """
        hidden = self.container_orphans(name) or not self._table.shows_all_of(name)
        usage = self._agents.get(name)
        if hidden and (usage is None or not usage.processes):
            return None
        return usage or (AgentUsage() if installed else None)

    def others_run(self, agent: str) -> bool:
        """Return whether another user runs an agent in a container."""
        return agent in self._table.hidden

    def container_orphans(self, agent: str) -> int:
        """Return how many processes of an agent run in a container and have no known session."""
        return sum(
            self._table.agents[root].agent == agent for root in self._matches.container_orphans
        )

    def skipped(self) -> dict[Series, int]:
        """Return the increase of `process_scan_errors` by reason since the last call of `skipped`.

        `SkippedProcesses` describes the processes that are counted.
        """
        return self._skipped.growth(self._table, self._matches)

    def totals(self) -> dict[Series, float]:
        """Return the total CPU seconds and disk bytes of each agent. The totals never decrease."""
        totals: dict[Series, float] = {}
        for agent, spent in self._usage.agents.items():
            if spent.cpu_microseconds is not None:
                totals["agent_cpu_seconds", agent] = spent.cpu_microseconds / 1e6
            if spent.read_bytes is not None:
                totals["agent_disk_read_bytes", agent] = spent.read_bytes
            if spent.written_bytes is not None:
                totals["agent_disk_written_bytes", agent] = spent.written_bytes
        return totals

    def to_save(self) -> dict[str, bytes]:
        """Return the usage that has changed since the last call, as {name: encoded usage}."""
        data = saved_usage.changes(self._saved, self._usage)
        if data:
            self._saved = self._usage
        return data
