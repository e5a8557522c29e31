"""The process source: the processes of agents, what they started, and what all these used.

A pid is looked at when it is new and while it is young. After that only the members of the agents'
trees are sampled in every tick, and the others are checked in turn, so that a machine with many
processes costs little per tick.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample, ProcessTable
from agtop_exporter.processes.identify import identify
from agtop_exporter.processes.portable import PsutilReader
from agtop_exporter.processes.procfs import ProcfsReader
from agtop_exporter.processes.trees import Known, Sampled, find_roots
from agtop_exporter.signature import ProcessSignature

_YOUNG_SECONDS = 15.0
"""Until this age a process is looked at in every tick: a shell forks first and executes later."""
_CHECK_TICKS = 16
"""Every known process is checked once in so many ticks: it may have executed another program."""
_OTHER_USER = "other_user"  # a reason to leave a process out; the others are those of `foreign`


class ProcessSource(Protocol):
    """Where process tables come from."""

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes as of `now`, unix seconds.

        It never raises: a table that could not be read is not `complete`.
        """


class Reader(Protocol):
    """One system's processes, one question at a time.

    A process may end, or execute another program, before, during and after every question. None,
    "" and () stand for what a process that has ended does not show. OSError means that the system
    itself cannot be read.
    """

    def boot_id(self) -> str: ...  # noqa: D102 see ProcfsReader, which describes them
    def pids(self) -> Iterable[int]: ...  # noqa: D102
    def look(self, pid: int) -> Process | None: ...  # noqa: D102
    def cwd(self, pid: int) -> str: ...  # noqa: D102
    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None: ...  # noqa: D102
    def open_files(self, pid: int) -> tuple[str, ...]: ...  # noqa: D102
    def foreign(self, pid: int) -> str: ...  # noqa: D102
    def isolated(self) -> bool: ...  # noqa: D102


def system_processes(
    procfs: str = "/proc",
    *,
    signatures: Mapping[str, ProcessSignature],
    uids: frozenset[int] | None,
    platform: str = sys.platform,
) -> ProcessSource:
    """Return the source for this machine.

    It shows the processes that match one of the `signatures`, which are by agent, and that belong
    to these users; None stands for all users.
    """
    if platform == "linux":
        return ProcessTracker(ProcfsReader(procfs), signatures=signatures, uids=uids)
    return ProcessTracker(PsutilReader(), signatures=signatures, uids=uids)


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

    def __init__(
        self,
        reader: Reader,
        *,
        signatures: Mapping[str, ProcessSignature],
        uids: frozenset[int] | None,
    ) -> None:
        self._reader = reader
        self._signatures = signatures
        self._uids = uids
        self._tick = 0
        self._known: dict[int, Known] = {}
        self._roots: dict[ProcessId, ProcessId] = {}
        self._skipped: dict[str, int] = {}
        self._counted: dict[ProcessId, set[str]] = {}  # the reasons that a process is counted for

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes and all that they started, as of `now`.

        Processes change while they are read, so the trees are found twice: first to know what to
        sample, then among those that were sampled and still are what the last look showed. The
        table has nothing but the latter.
        """
        self._tick += 1
        try:
            boot_id, isolated = self._reader.boot_id(), self._reader.isolated()
            self._look(set(self._reader.pids()), now)
            members = find_roots(self._known, self._roots)
            sampled = self._sampled(members)
        except OSError:
            self._count("unreadable", ProcessId(0, 0))
            return ProcessTable(sampled_at=now, skipped=dict(self._skipped), complete=False)
        self._roots = find_roots({pid: item.known for pid, item in sampled.items()}, members)
        rows = {member: sampled[member.pid] for member in self._roots}
        return ProcessTable(
            sampled_at=now,
            boot_id=boot_id,
            processes={member: row.known.process for member, row in rows.items()},
            agents={
                member: row.known.recognised for member, row in rows.items() if row.known.recognised
            },
            roots=dict(self._roots),
            samples={member: row.sample for member, row in rows.items()},
            open_files={
                member: row.open_files for member, row in rows.items() if row.known.is_root
            },
            skipped=dict(self._skipped),
            hidden=frozenset(item.hidden_agent for item in self._known.values()) - {""},
            isolated=isolated,
        )

    def _look(self, pids: set[int], now: float) -> None:
        """Bring up to date what is known of these pids, which are all that the system has."""
        for pid in self._known.keys() - pids:
            self._forget(pid)
        for pid in sorted(pids):
            if pid not in self._known or self._due(pid, now):
                self._examine(pid)

    def _due(self, pid: int, now: float) -> bool:
        """Tell whether a known process must be looked at again: it can have changed."""
        known = self._known[pid]
        if known.incomplete or abs(now - known.process.started_at) < _YOUNG_SECONDS:
            return True
        if pid % _CHECK_TICKS != self._tick % _CHECK_TICKS:
            return False
        sample = self._reader.sample(pid)
        return sample is None or not _agree(sample, known.process)

    def _examine(self, pid: int) -> None:
        """Look at a process and remember what it is, or forget it if it has ended."""
        process, earlier = self._reader.look(pid), self._known.get(pid)
        if process is None or (earlier and earlier.process.id != process.id):
            self._forget(pid)
            earlier = None
        if process is None:
            return
        recognised = None if process.ended else identify(process, self._signatures)
        reason = self._reason_to_omit(process) if recognised else ""
        if reason:
            self._count(reason, process.id)
        partial = not (process.ended or (process.argv and process.exe))
        if recognised and not reason:
            process = msgspec.structs.replace(process, cwd=self._reader.cwd(pid))
        else:
            process = msgspec.structs.replace(process, argv=())  # not ours to keep
        self._known[pid] = Known(
            process,
            recognised=None if reason else recognised,
            hidden_agent=recognised.agent if recognised and reason not in {"", _OTHER_USER} else "",
            # Kernel threads and other users' processes never show all: two looks are enough.
            incomplete=partial and not (earlier and earlier.incomplete),
        )

    def _reason_to_omit(self, process: Process) -> str:
        if self._uids is not None and process.uid not in self._uids:
            return _OTHER_USER
        return self._reader.foreign(process.id.pid)

    def _sampled(self, members: Iterable[ProcessId]) -> dict[int, Sampled]:
        """Sample members, parents first: what a child used is then never seen twice.

        A member that has changed since its last look is looked at and sampled once more. One that
        has ended, or that keeps changing, is left out.
        """
        sampled: dict[int, Sampled] = {}
        for member in sorted(members, key=lambda process: (process.start_ticks, process.pid)):
            found = self._sample_one(member.pid) or self._sample_one(member.pid)
            if found:
                sampled[member.pid] = found
        return sampled

    def _sample_one(self, pid: int) -> Sampled | None:
        """Sample a known process; None if it has changed, after which it has been looked at again.

        Whatever else is read of a process is read before its sample: a sample of the same process
        and program confirms it.
        """
        known = self._known.get(pid)
        if known is None:
            return None
        files = self._reader.open_files(pid) if known.is_root else ()
        sample = self._reader.sample(pid, full=True)
        if sample is None or not _agree(sample, known.process):
            self._examine(pid)
            return None
        if sample.denied:
            self._count("access_denied", sample.id)
        if sample.parent_pid != known.process.parent_pid:
            process = msgspec.structs.replace(known.process, parent_pid=sample.parent_pid)
            known = self._known[pid] = msgspec.structs.replace(known, process=process)
        return Sampled(known, sample, files)

    def _forget(self, pid: int) -> None:
        known = self._known.pop(pid, None)
        if known:
            self._counted.pop(known.process.id, None)

    def _count(self, reason: str, process: ProcessId) -> None:
        counted = self._counted.setdefault(process, set())
        if reason not in counted:
            counted.add(reason)
            self._skipped[reason] = self._skipped.get(reason, 0) + 1


def _agree(sample: ProcessSample, process: Process) -> bool:
    """Tell whether a sample shows the same process with the same program as the last look."""
    return (sample.id, sample.comm, sample.ended) == (process.id, process.comm, process.ended)
