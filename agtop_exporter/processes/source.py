"""Finds the processes of agents and their descendants, and samples their resource usage.

A tick is one call of `sample`. A process is read in full in each tick while it is young. Of the
older processes, each tick samples only the members of the agents' process trees. Each tick also
checks a part of the older processes for a new program. This keeps a tick short on a machine with
many processes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from agtop_exporter import platforms
from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample, ProcessTable
from agtop_exporter.processes.identify import identify
from agtop_exporter.processes.reader import ProcessReader
from agtop_exporter.processes.trees import Known, Sampled, find_roots
from agtop_exporter.signature import ProcessSignature

_YOUNG_SECONDS = 15.0
"""Age in seconds until which each call of `sample` reads a process in full.

A new process often executes another program.
"""
_CHECK_TICKS = 16
"""Each known process is checked for a new program once in this number of calls of `sample`."""
_OTHER_USER = "other_user"

log = structlog.get_logger()


class ProcessSource(Protocol):
    """Returns samples of the agents' processes and their descendants (process tables)."""

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes and their descendants at `now` (unix seconds).

        No error is raised. If the processes cannot be listed, the table is not `complete`.
        """

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        """Return the TCP ports on which a process accepts connections; () if unknown."""


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
    def listening_ports(self, pid: int) -> tuple[int, ...]: ...  # noqa: D102
    def namespace_mismatch(self, pid: int) -> str: ...  # noqa: D102
    def inner_pid(self, pid: int) -> int: ...  # noqa: D102
    def stack_start(self, pid: int) -> int: ...  # noqa: D102
    def in_container(self) -> bool: ...  # noqa: D102
    def hides_others(self) -> bool: ...  # noqa: D102


def system_processes(
    procfs: str = "/proc",
    *,
    signatures: Mapping[str, ProcessSignature],
    uids: frozenset[int] | None,
) -> ProcessSource:
    """Return the source of process tables for this machine.

    The tables contain the agent processes of the users `uids` (None: of all users), and their
    descendants. `signatures` maps the names of agents to the signatures of their processes.
    `procfs` is the path of the proc file system on Linux. All sources in one program share this
    path.
    """
    return ProcessTracker(ProcessReader(procfs), signatures=signatures, uids=uids)


def users_of(homes: Iterable[Path]) -> frozenset[int] | None:
    """Return the user ids of the owners of the home directories `homes`.

    If no home directory exists, return the user id of this process. On Windows, return None. The
    owners matter because an exporter in a container may run as another user than the agents.
    """
    owners = platforms.owners(homes)
    return frozenset({platforms.user_id()}) if owners is not None and not owners else owners


class ProcessTracker:
    """A process source that stores what it has read, so that each call of `sample` reads little."""

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
        self._is_failing = False  # the last call of `sample` could not list the processes
        self._known: dict[int, Known] = {}
        self._roots: dict[ProcessId, ProcessId] = {}
        self._skipped: dict[str, int] = {}
        self._counted: dict[ProcessId, set[str]] = {}  # reasons for which a process was counted

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes and their descendants at `now` (unix seconds).

        Processes change while they are read. Therefore the trees are built twice. The first trees
        select the processes to sample. The second trees contain only processes whose sample agrees
        with the known facts. The table has the second trees.
        """
        self._tick += 1
        try:
            boot_id, partial = self._reader.boot_id(), self._is_partial()
            self._follow_clock(self._reader.clock_step())
            self._look(set(self._reader.pids()), now)
            members = find_roots(self._known, self._roots)
            sampled = self._sampled(members)
        except OSError as error:
            self._count("unreadable", ProcessId(0, 0))
            if not self._is_failing:
                log.warning("cannot read processes", reason=str(error))
            self._is_failing = True
            return ProcessTable(sampled_at=now, skipped=dict(self._skipped), complete=False)
        if self._is_failing:
            log.info("processes are read again")
        self._is_failing = False
        roots = find_roots({pid: item.known for pid, item in sampled.items()}, members)
        self._roots = roots
        rows = {member: sampled[member.pid] for member in roots}
        return ProcessTable(
            sampled_at=now,
            boot_id=boot_id,
            processes={member: row.known.process for member, row in rows.items()},
            agents={
                member: row.known.recognized
                for member, row in rows.items()
                if row.known.recognized and (roots[member] == member or not row.known.is_root)
            },
            roots=dict(roots),
            samples={member: row.sample for member, row in rows.items()},
            open_files={
                member: row.open_files for member, row in rows.items() if roots[member] == member
            },
            skipped=dict(self._skipped),
            hidden=frozenset(item.hidden_agent for item in self._known.values()) - {""},
            partial=partial,
        )

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        """Return the TCP ports on which a process accepts connections; () if unknown."""
        return self._reader.listening_ports(pid)

    def _follow_clock(self, step: float) -> None:
        """Add `step` (an adjustment of the clock in seconds) to all start times of processes."""
        if step:
            for pid, known in self._known.items():
                started_at = known.process.started_at + step
                process = msgspec.structs.replace(known.process, started_at=started_at)
                self._known[pid] = msgspec.structs.replace(known, process=process)

    def _look(self, pids: set[int], now: float) -> None:
        """Update the known processes: remove ended processes, read new and changed processes.

        `pids` has the pids of all running processes. `now` is in unix seconds.
        """
        for pid in self._known.keys() - pids:
            self._forget(pid)
        for pid in sorted(pids):
            if pid not in self._known or self._due(pid, now):
                self._examine(pid)

    def _due(self, pid: int, now: float) -> bool:
        """Return whether a known process must be read in full again.

        A process must be read again if it is young, was read incompletely, or has changed. Each
        tick checks only some of the older processes for a change.
        """
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
        recognized = None if process.zombie else identify(process, self._signatures)
        foreign = recognized is not None and self._is_foreign(process)
        partial = not (process.zombie or (process.argv and process.exe))
        if recognized and not foreign:
            process = msgspec.structs.replace(
                process,
                cwd=self._reader.cwd(pid),
                container=self._reader.namespace_mismatch(pid),
                inner_pid=self._reader.inner_pid(pid),
                stack_start=self._reader.stack_start(pid),
            )
        else:
            process = msgspec.structs.replace(process, argv=())  # they are private
        if foreign:
            self._count(_OTHER_USER, process.id)
        self._known[pid] = Known(
            process,
            recognized=None if foreign else recognized,
            hidden_agent=(
                recognized.agent if recognized and foreign and self._reader.inner_pid(pid) else ""
            ),
            # Kernel threads and other users' processes are never complete: two reads are enough.
            incomplete=partial and not (earlier and earlier.incomplete),
        )

    def _is_partial(self) -> bool:
        """Return whether processes of the users may be invisible."""
        others = self._uids is None or not self._uids <= {platforms.user_id()}
        return self._reader.in_container() or (others and self._reader.hides_others())

    def _is_foreign(self, process: Process) -> bool:
        return self._uids is not None and process.uid not in self._uids

    def _sampled(self, members: Iterable[ProcessId]) -> dict[int, Sampled]:
        """Return the samples of the members of the process trees, by pid.

        Parents are sampled before their children. Otherwise, the usage of a child that ends between
        the two samples would be counted twice. A member that has changed since it was last read is
        read and sampled once more. A member that has ended, or that changes again, is left out.
        """
        sampled: dict[int, Sampled] = {}
        for member in sorted(members, key=lambda process: (process.start_ticks, process.pid)):
            found = self._sample_one(member.pid) or self._sample_one(member.pid)
            if found:
                sampled[member.pid] = found
        return sampled

    def _sample_one(self, pid: int) -> Sampled | None:
        """Return the sample of a known process; None if the process has changed.

        A process that has changed is read again. Open files are read before the sample. If the
        sample has the known identity and name, the open files belong to the known process.
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
