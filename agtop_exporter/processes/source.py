"""Finds the processes of agents and their descendants, and samples their resource usage.

A process is read in full while it is young. After that, each tick samples only the members of the
agents' process trees, and checks a part of the other processes for a new program. This keeps a tick
short on a machine with many processes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from agtop_exporter import platforms
from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample, ProcessTable
from agtop_exporter.processes.identify import identify
from agtop_exporter.processes.reader import ProcessReader
from agtop_exporter.processes.trees import Known, Sampled, find_roots
from agtop_exporter.signature import ProcessSignature

_YOUNG_SECONDS = 15.0
"""Age until which a process is read in every tick. A new process often executes another program."""
_CHECK_TICKS = 16
"""Number of ticks in which each known process is checked once for a new program."""
_OTHER_USER = "other_user"


class ProcessSource(Protocol):
    """Returns process tables."""

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes at `now` (unix seconds).

        No error is raised. If the processes cannot be listed, the table is not `complete`.
        """


class Reader(Protocol):
    """Reads one process at a time. `ProcessReader` documents the methods.

    A process may end, or execute another program, before, during or after any call. None, "" and ()
    mean that the process has ended or that the value is not readable. OSError means that the system
    itself cannot be read.
    """

    def boot_id(self) -> str: ...  # noqa: D102 see ProcessReader
    def clock_step(self) -> float: ...  # noqa: D102
    def pids(self) -> Iterable[int]: ...  # noqa: D102
    def look(self, pid: int) -> Process | None: ...  # noqa: D102
    def cwd(self, pid: int) -> str: ...  # noqa: D102
    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None: ...  # noqa: D102
    def written_files(self, pid: int) -> tuple[str, ...]: ...  # noqa: D102
    def namespace_mismatch(self, pid: int) -> str: ...  # noqa: D102
    def inner_pid(self, pid: int) -> int: ...  # noqa: D102
    def in_container(self) -> bool: ...  # noqa: D102


def system_processes(
    procfs: str = "/proc",
    *,
    signatures: Mapping[str, ProcessSignature],
    uids: frozenset[int] | None,
) -> ProcessSource:
    """Return the source for this machine.

    It returns the processes that match one of the `signatures` (by agent name) and that belong to
    one of the users `uids`. None means all users. `procfs` is the path of the proc file system on
    Linux. A program can use only one such path.
    """
    return ProcessTracker(ProcessReader(procfs), signatures=signatures, uids=uids)


def users_of(homes: Iterable[Path]) -> frozenset[int] | None:
    """Return the user ids of the owners of the homes.

    If no home exists, the result is the user of this process. On Windows, the result is None. The
    owners are used because an exporter in a container may run as another user than the agents.
    """
    owners = platforms.owners(homes)
    return frozenset({platforms.user_id()}) if owners is not None and not owners else owners


class ProcessTracker:
    """Keeps the known processes of a reader between ticks, so that each tick reads little."""

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
        """Return the agents' processes and their descendants at `now` (unix seconds).

        Processes change while they are read. Therefore the trees are built twice: first to select
        the processes to sample, then from the processes whose sample agrees with the known facts.
        Only the latter are in the table.
        """
        self._tick += 1
        try:
            boot_id, in_container = self._reader.boot_id(), self._reader.in_container()
            self._follow_clock(self._reader.clock_step())
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
            in_container=in_container,
        )

    def _follow_clock(self, step: float) -> None:
        """Add a step of the clock, in seconds, to the start times of all known processes."""
        if step:
            for pid, known in self._known.items():
                started_at = known.process.started_at + step
                process = msgspec.structs.replace(known.process, started_at=started_at)
                self._known[pid] = msgspec.structs.replace(known, process=process)

    def _look(self, pids: set[int], now: float) -> None:
        """Update the known processes. `pids` has the pids of all processes."""
        for pid in self._known.keys() - pids:
            self._forget(pid)
        for pid in sorted(pids):
            if pid not in self._known or self._due(pid, now):
                self._examine(pid)

    def _due(self, pid: int, now: float) -> bool:
        """Return whether a known process may have changed and must be read again."""
        known = self._known[pid]
        if known.incomplete or abs(now - known.process.started_at) < _YOUNG_SECONDS:
            return True
        if pid % _CHECK_TICKS != self._tick % _CHECK_TICKS:
            return False
        sample = self._reader.sample(pid)
        return sample is None or not _agree(sample, known.process)

    def _examine(self, pid: int) -> None:
        """Read a process in full and store it, or remove it if it has ended."""
        process, earlier = self._reader.look(pid), self._known.get(pid)
        if process is None or (earlier and earlier.process.id != process.id):
            self._forget(pid)
            earlier = None
        if process is None:
            return
        recognised = None if process.zombie else identify(process, self._signatures)
        foreign = recognised is not None and self._is_foreign(process)
        partial = not (process.zombie or (process.argv and process.exe))
        if recognised and not foreign:
            process = msgspec.structs.replace(
                process,
                cwd=self._reader.cwd(pid),
                container=self._reader.namespace_mismatch(pid),
                inner_pid=self._reader.inner_pid(pid),
            )
        else:
            process = msgspec.structs.replace(process, argv=())  # they are private
        if foreign:
            self._count(_OTHER_USER, process.id)
        self._known[pid] = Known(
            process,
            recognised=None if foreign else recognised,
            hidden_agent=(
                recognised.agent if recognised and foreign and self._reader.inner_pid(pid) else ""
            ),
            # Kernel threads and other users' processes are never complete: two reads are enough.
            incomplete=partial and not (earlier and earlier.incomplete),
        )

    def _is_foreign(self, process: Process) -> bool:
        return self._uids is not None and process.uid not in self._uids

    def _sampled(self, members: Iterable[ProcessId]) -> dict[int, Sampled]:
        """Return the samples of the members by pid.

        Parents are sampled before their children. Otherwise a child that ends in between would be
        counted twice. A member that has changed since it was last read is read and sampled once
        more. A member that has ended, or that changes again, is left out.
        """
        sampled: dict[int, Sampled] = {}
        for member in sorted(members, key=lambda process: (process.start_ticks, process.pid)):
            found = self._sample_one(member.pid) or self._sample_one(member.pid)
            if found:
                sampled[member.pid] = found
        return sampled

    def _sample_one(self, pid: int) -> Sampled | None:
        """Return the sample of a known process; None if the process has changed.

        A process that has changed is read again. Open files are read before the sample, so that a
        sample with the known process and program confirms that they belong to it.
        """
        known = self._known.get(pid)
        if known is None:
            return None
        files = self._reader.written_files(pid) if known.is_root else ()
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
    """Return whether a sample has the identity, the name and the state of a known process."""
    return (sample.id, sample.comm, sample.zombie) == (process.id, process.comm, process.zombie)
