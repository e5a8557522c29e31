"""The process source: which processes are agents, what they started, what all these used.

New pids are looked at once; known ones are only sampled when they belong to an agent, and the
others are checked in turn, so a machine full of processes costs little per tick.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from agtop_exporter.processes.facts import (
    Process,
    ProcessId,
    ProcessSample,
    ProcessTable,
    Recognised,
)
from agtop_exporter.processes.portable import PsutilReader
from agtop_exporter.processes.procfs import ProcfsReader
from agtop_exporter.processes.recognise import recognise

_YOUNG_SECONDS = 15.0
"""Until this age a process is looked at again: shells fork first and become the agent later."""
_CHECK_TICKS = 16
"""Every known process is checked once in so many ticks: it may have become another program."""


class ProcessSource(Protocol):
    """Where process tables come from."""

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes as of `now`, unix seconds; never raises."""


class Reader(Protocol):
    """One system's processes, one question at a time; None means that the process has gone."""

    def boot_id(self) -> str: ...  # noqa: D102 see ProcfsReader, which describes them
    def pids(self) -> Iterable[int]: ...  # noqa: D102
    def look(self, pid: int) -> Process | None: ...  # noqa: D102
    def cwd(self, pid: int) -> str: ...  # noqa: D102
    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None: ...  # noqa: D102
    def open_files(self, pid: int) -> tuple[str, ...]: ...  # noqa: D102
    def foreign(self, pid: int) -> str: ...  # noqa: D102
    def isolated(self) -> bool: ...  # noqa: D102


def system_processes(
    procfs: str = "/proc", *, uids: frozenset[int] | None, platform: str = sys.platform
) -> ProcessSource:
    """Return the source for this machine: processes of these users only, None for every user's."""
    if platform == "linux":
        return ProcessTracker(ProcfsReader(procfs), uids=uids)
    return ProcessTracker(PsutilReader(), uids=uids)


def users_of(homes: Iterable[Path]) -> frozenset[int] | None:
    """Return whose homes these are, the user of this process if none exists, None on Windows.

    A container that runs as root, or under a user of its own, so sees the agents of its host.
    """
    if not hasattr(os, "geteuid"):
        return None
    owners = frozenset(home.stat().st_uid for home in homes if home.is_dir())
    return owners or frozenset({os.geteuid()})


class ProcessTracker:
    """Follows the processes that a reader sees from tick to tick."""

    def __init__(self, reader: Reader, *, uids: frozenset[int] | None) -> None:
        self._reader = reader
        self._uids = uids
        self._tick = 0
        self._known: dict[int, Process] = {}
        self._agents: dict[ProcessId, Recognised] = {}
        self._hidden: dict[ProcessId, str] = {}  # agents of other namespaces
        self._roots: dict[ProcessId, ProcessId] = {}
        self._skipped: dict[str, int] = {}
        self._told: dict[ProcessId, set[str]] = {}

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes and all that they started, as of `now`."""
        self._tick += 1
        try:
            pids = set(self._reader.pids())
            boot_id = self._reader.boot_id()
        except OSError:
            self._count("unreadable", ProcessId(0, 0))
            return ProcessTable(sampled_at=now, skipped=dict(self._skipped), complete=False)
        for pid in self._known.keys() - pids:
            self._forget(pid)
        samples = self._samples(self._roots)
        for pid in sorted(pids):
            if pid not in self._known or self._due(pid, now):
                self._examine(pid)
        self._roots = self._trees()
        samples |= self._samples(self._roots.keys() - samples.keys())
        roots = {
            member: root
            for member, root in self._roots.items()
            if member in samples and root in samples
        }
        return ProcessTable(
            sampled_at=now,
            boot_id=boot_id,
            processes={member: self._known[member.pid] for member in roots},
            agents={member: self._agents[member] for member in roots if member in self._agents},
            roots=roots,
            samples={member: samples[member] for member in roots},
            open_files={
                root: self._reader.open_files(root.pid) for root in sorted(set(roots.values()))
            },
            skipped=dict(self._skipped),
            hidden=frozenset(self._hidden.values()),
            isolated=self._reader.isolated(),
        )

    def _due(self, pid: int, now: float) -> bool:
        if abs(now - self._known[pid].started_at) < _YOUNG_SECONDS:
            return True
        if pid % _CHECK_TICKS != self._tick % _CHECK_TICKS:
            return False
        known, sample = self._known[pid], self._reader.sample(pid)
        return (
            sample is None
            or sample.id != known.id
            or (sample.comm, sample.ended) != (known.comm, known.ended)
        )

    def _examine(self, pid: int) -> None:
        process = self._reader.look(pid)
        known = self._known.get(pid)
        if process is None or (known and known.id != process.id):
            self._forget(pid)
        if process is None:
            return
        recognised = None if process.ended else recognise(process)
        if recognised and self._admitted(process, recognised.agent):
            process = msgspec.structs.replace(process, cwd=self._reader.cwd(pid))
            self._agents[process.id] = recognised
        else:
            self._agents.pop(process.id, None)
            process = msgspec.structs.replace(process, argv=())  # not ours to keep
        self._known[pid] = process

    def _admitted(self, process: Process, agent: str) -> bool:
        if self._uids is not None and process.uid not in self._uids:
            reason = "other_user"
        else:
            reason = self._reader.foreign(process.id.pid)
            if reason:
                self._hidden[process.id] = agent
        if reason:
            self._count(reason, process.id)
        return not reason

    def _trees(self) -> dict[ProcessId, ProcessId]:
        """Return the root of every member of a tree.

        A tool whose parent has ended stays with the agent that started it.
        """
        children: dict[int, list[Process]] = defaultdict(list)
        for process in self._known.values():
            children[process.parent_pid].append(process)
        roots: dict[ProcessId, ProcessId] = {}
        for agent, recognised in self._agents.items():
            if recognised.role != "helper":
                self._adopt(agent, agent, children=children, roots=roots)
        for member, root in self._roots.items():
            known = self._known.get(member.pid)
            if known and known.id == member and root in roots and member not in roots:
                self._adopt(member, root, children=children, roots=roots)
        return roots

    def _adopt(
        self,
        start: ProcessId,
        root: ProcessId,
        *,
        children: Mapping[int, list[Process]],
        roots: dict[ProcessId, ProcessId],
    ) -> None:
        queue = [start]
        for member in queue:
            if member in roots:
                continue
            roots[member] = root
            queue.extend(
                child.id
                for child in children.get(member.pid, ())
                if child.id not in self._agents or self._agents[child.id].role == "helper"
            )

    def _samples(self, members: Iterable[ProcessId]) -> dict[ProcessId, ProcessSample]:
        """Sample members, parents first: what a child used is then never seen twice.

        A member that has become something else is looked at again.
        """
        samples: dict[ProcessId, ProcessSample] = {}
        for member in sorted(members, key=lambda process: (process.start_ticks, process.pid)):
            known = self._known.get(member.pid)
            sample = self._reader.sample(member.pid, full=True) if known else None
            if known is None or sample is None or sample.id != member:
                self._forget(member.pid)
                continue
            samples[member] = sample
            if sample.denied:
                self._count("access_denied", member)
            if (sample.comm, sample.ended) != (known.comm, known.ended):
                self._examine(member.pid)
            elif sample.parent_pid != known.parent_pid:
                self._known[member.pid] = msgspec.structs.replace(
                    known, parent_pid=sample.parent_pid
                )
        return samples

    def _forget(self, pid: int) -> None:
        process = self._known.pop(pid, None)
        if process:
            self._agents.pop(process.id, None)
            self._hidden.pop(process.id, None)
            self._told.pop(process.id, None)

    def _count(self, reason: str, process: ProcessId) -> None:
        told = self._told.setdefault(process, set())
        if reason not in told:
            told.add(reason)
            self._skipped[reason] = self._skipped.get(reason, 0) + 1
