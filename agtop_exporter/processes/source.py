"""Finds the processes of agents and their descendants, and what all of them used.

A process is read in full while it is young. After that, each tick samples only the members of the
agents' process trees, and checks a part of the other processes for a new program. Thus a machine
with many processes costs little per tick.
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
"""Until this age a process is read in every tick: a shell forks first and executes later."""
_CHECK_TICKS = 16
"""Each known process is checked once in so many ticks: it may have executed another program."""
_OTHER_USER = "other_user"


class ProcessSource(Protocol):
    """Returns process tables."""

    def sample(self, now: float) -> ProcessTable:
        """Return the agents' processes as of `now`, unix seconds.

        It raises nothing: if the processes cannot be listed, the table is not `complete`.
        """


class Reader(Protocol):
    """Answers one question about one process at a time; `ProcessReader` describes each.

    A process may end, or execute another program, before, during and after every question. None,
    "" and () mean that a process has ended or does not show something. OSError means that the
    system itself cannot be read.
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

    It shows the processes that match one of the `signatures`, which are by agent, and that belong
    to these users; None stands for all users. `procfs` is where Linux shows processes. One program
    can read one such path only.
    """
    return ProcessTracker(ProcessReader(procfs), signatures=signatures, uids=uids)


def users_of(homes: Iterable[Path]) -> frozenset[int] | None:
    """Return the owners of the homes, the user of this process if no home exists, None on Windows.

    A container that runs as root, or as a user of its own, thus finds the agents of its host.
    """
    owners = platforms.owners(homes)
    return frozenset({platforms.user_id()}) if owners is not None and not owners else owners


class ProcessTracker:
    """Follows the processes of a reader from tick to tick."""

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
        """Return the agents' processes and their descendants as of `now`, unix seconds.

        Processes change while they are read. Therefore the trees are found twice: first to select
        the processes to sample, then among the samples that agree with what is known. Only the
        latter are in the table.
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
        """Correct the starts of all known processes after the clock was set."""
        if step:
            for pid, known in self._known.items():
                started_at = known.process.started_at + step
                process = msgspec.structs.replace(known.process, started_at=started_at)
                self._known[pid] = msgspec.structs.replace(known, process=process)

    def _look(self, pids: set[int], now: float) -> None:
        """Update what is known about all processes; `pids` are all that exist."""
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
        """Read a process in full and remember it, or forget it if it has ended."""
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
            # Kernel threads and processes of other users never show all: two reads are enough.
            incomplete=partial and not (earlier and earlier.incomplete),
        )

    def _is_foreign(self, process: Process) -> bool:
        return self._uids is not None and process.uid not in self._uids

    def _sampled(self, members: Iterable[ProcessId]) -> dict[int, Sampled]:
        """Return the samples of the members by pid.

        Parents come first, so that a child's usage is not counted again in its parent's. A member
        that has changed since it was last read is read and sampled once more. One that has ended,
        or that keeps changing, is left out.
        """
        sampled: dict[int, Sampled] = {}
        for member in sorted(members, key=lambda process: (process.start_ticks, process.pid)):
            found = self._sample_one(member.pid) or self._sample_one(member.pid)
            if found:
                sampled[member.pid] = found
        return sampled

    def _sample_one(self, pid: int) -> Sampled | None:
        """Return the sample of a known process, None if the process has changed.

        A process that has changed is read again. Open files are read before the sample: a sample of
        the same process and program confirms them.
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
    """Return whether a sample shows the process and the program that are known."""
    return (sample.id, sample.comm, sample.zombie) == (process.id, process.comm, process.zombie)
