"""Pairs sessions with live processes, and adds up what the process trees use."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.ledger import SessionRecord
from agtop_exporter.model import ProcessMatch, ProcessUsage, Series
from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import (
    Binding,
    Matches,
    ProcessTable,
    RegistryEntry,
    SessionFacts,
    SessionKey,
)
from agtop_exporter.processes.match import match
from agtop_exporter.processes.registries import read_claude_registry
from agtop_exporter.processes.source import ProcessSource
from agtop_exporter.processes.usage import (
    AgentUsage,
    TreeUsage,
    advance,
    past_usage,
    process_match,
)

REGISTRIES = {"claude": read_claude_registry}  # what agents say of their own live processes
SAVE_SECONDS = 60.0  # what a process used since is read again from the system after a crash
WRITER_SECONDS = 15.0  # a transcript that was just written has a writer, seen or not


class Pairing:
    """The processes, their sessions, and what they used, from one refresh to the next."""

    def __init__(
        self,
        source: ProcessSource | None,
        agents: Sequence[Agent],
        homes: Sequence[Path],
        environment: Environment,
        *,
        saved: bytes = b"",
    ) -> None:
        """Begin with what an earlier process `saved`; without a source nothing is paired."""
        self._source = source
        self._registries = [
            (REGISTRIES[agent.name], root.parent)
            for agent in agents
            if agent.name in REGISTRIES
            for home in homes
            for root in agent.roots(home, environment)
        ]
        self._facts: dict[SessionKey, SessionFacts] = {}
        self._table = ProcessTable(sampled_at=0.0, complete=False)
        self._matches = Matches()
        self._usage = _decoded(saved)
        self._sessions: Mapping[SessionKey, ProcessUsage] = {}
        self._saved_at = 0.0
        self._skipped: dict[str, int] = {}
        self.agents: Mapping[str, AgentUsage] = {}

    def learn(self, records: Iterable[SessionRecord]) -> None:
        """Take in sessions that are new or have changed; a subagent has its parent's process."""
        for record in records:
            facts = record.facts
            if not facts.parent_session_id:
                key = SessionKey(record.agent, record.session_id)
                self._facts[key] = SessionFacts(
                    key=key,
                    cwd=_real(facts.cwd),
                    started_at=facts.started_at,
                    last_active=facts.last_active,
                    data_path=facts.data_path,
                )

    def pair(self, now: float) -> set[SessionKey]:
        """Look at the processes as of `now`; return the sessions that have or had one."""
        if self._source is None:
            return set()
        before = set(self._matches.bindings)
        self._table = self._source.sample(now)
        registry: list[RegistryEntry] = []
        if self._table.agents:
            registry = [entry for read, root in self._registries for entry in read(root).entries]
        evidence = gather(self._table, self._facts, registry=registry)
        self._matches = match(self._table, self._facts, evidence, previous=self._matches)
        turn = advance(self._usage, self._table, matches=self._matches)
        self._usage, self._sessions, self.agents = turn.state, turn.sessions, turn.agents
        return before | set(self._matches.bindings)

    @property
    def sees_agents(self) -> bool:
        """At the last look there were processes of agents."""
        return bool(self._table.agents)

    def binding(self, session: SessionKey) -> Binding | None:
        """Return what a session is bound to."""
        return self._matches.bindings.get(session)

    def process(self, session: SessionKey) -> ProcessMatch | None:
        """Return the process of a top-level session, as it is published."""
        return process_match(self._matches, self._sessions, session)

    def past(self, session: SessionKey) -> ProcessUsage | None:
        """Return what a session used whose process has ended."""
        return past_usage(self._usage, session)

    def looked_for(self, session: SessionKey, *, age: float | None) -> bool:
        """Say that all processes are known, and that none can be this session's."""
        if not self._table.complete or (age is not None and age < WRITER_SECONDS):
            return False
        agents = self._table.agents
        return all(agents[process].agent != session.agent for process in self._matches.orphans)

    def skipped(self) -> dict[Series, int]:
        """Return by how much the counts of unreadable processes have grown since the last call."""
        grown: dict[Series, int] = {
            ("process_scan_errors", reason): count - self._skipped.get(reason, 0)
            for reason, count in self._table.skipped.items()
        }
        self._skipped = dict(self._table.skipped)
        return grown

    def totals(self) -> dict[Series, float]:
        """Return the agents' totals: seconds and bytes, which never fall."""
        totals: dict[Series, float] = {}
        for agent, usage in self.agents.items():
            if usage.user_seconds is not None and usage.system_seconds is not None:
                totals["agent_cpu_seconds", agent] = usage.user_seconds + usage.system_seconds
            if usage.disk_read_bytes is not None:
                totals["agent_disk_read_bytes", agent] = usage.disk_read_bytes
            if usage.disk_written_bytes is not None:
                totals["agent_disk_written_bytes", agent] = usage.disk_written_bytes
        return totals

    def gauges(self) -> dict[Series, float]:
        """Return what the agents' processes hold now, in bytes."""
        gauges: dict[Series, float] = {}
        for agent, usage in self.agents.items():
            if usage.rss_bytes is not None:
                gauges["agent_memory_rss_bytes", agent] = usage.rss_bytes
            if usage.vms_bytes is not None:
                gauges["agent_virtual_memory_bytes", agent] = usage.vms_bytes
        return gauges

    def to_save(self, now: float) -> bytes:
        """Return what the next process must know, b"" where there is nothing new to save yet."""
        if not self._usage.agents or now - self._saved_at < SAVE_SECONDS:
            return b""
        self._saved_at = now
        return msgspec.msgpack.encode(self._usage)


def _decoded(saved: bytes) -> TreeUsage:
    try:
        return msgspec.msgpack.decode(saved, type=TreeUsage) if saved else TreeUsage()
    except msgspec.MsgspecError:  # of another version
        return TreeUsage()


@lru_cache(maxsize=4096)
def _real(cwd: str) -> str:
    return os.path.realpath(cwd) if cwd else ""
