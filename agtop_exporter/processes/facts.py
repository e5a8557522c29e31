"""Values that describe processes and sessions and how they are paired; no I/O."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from agtop_exporter.model import SessionKey

Role = Literal["session", "host", "helper", "wrapper"]
Confidence = Literal["high", "medium", "low"]


class ProcessId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Identifies a process until the next boot: pids are reused, but not with the same start."""

    pid: int
    start_ticks: int  # Linux: clock ticks since boot (field 22 of /proc/PID/stat); else 1/100 s


class Process(msgspec.Struct, frozen=True, gc=False):
    """The properties of a process that change seldom. `argv` is kept for agents only.

    "" and () mean unknown.
    """

    id: ProcessId
    started_at: float  # unix seconds, by the clock as it is set now; up to one second too early
    parent_pid: int = 0
    uid: int = -1
    comm: str = ""
    exe: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    zombie: bool = False  # it has ended, and its parent has not waited for it
    container: str = ""  # the namespace that separates it from this machine: `other_pid_namespace`
    inner_pid: int = 0  # its pid in that namespace; 0 if unknown, or if it is not in a container


class ProcessSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The resources that one process has used until now; None means unreadable.

    `written_bytes` is without those that never reached the disk, so it can fall when a file is
    deleted. `reaped_*` is the CPU time of its ended children, and of theirs, that have been waited
    for. If `disk_includes_reaped`, as on Linux, its disk bytes include theirs.
    """

    id: ProcessId
    parent_pid: int = 0
    comm: str = ""
    user_microseconds: int | None = None
    system_microseconds: int | None = None
    reaped_user_microseconds: int = 0
    reaped_system_microseconds: int = 0
    rss_bytes: int | None = None
    vms_bytes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    disk_includes_reaped: bool = False
    denied: bool = False  # the system refused some of these figures
    zombie: bool = False  # it has ended, and its parent has not waited for it
    written_characters: int | None = None  # bytes passed to write calls, those to a terminal too

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time of the process itself, without its children."""
        if self.user_microseconds is None or self.system_microseconds is None:
            return None
        return (self.user_microseconds + self.system_microseconds) / 1e6


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """The agent of a process, its role, and the session that its arguments name.

    If `forks`, the process runs a copy of the session `session_id`.
    """

    agent: str
    role: Role = "session"
    session_id: str = ""
    forks: bool = False


class ProcessTable(msgspec.Struct, frozen=True):
    """One sample of the machine: the agents' processes and their descendants.

    `roots` maps each member of a process tree to the agent process at its root; the members of a
    tree are ordered parents first. `open_files` contains the files that a root has open for
    writing: an agent also reads the transcripts of other sessions. `skipped` counts, by reason, the
    processes that are left out or partly unreadable; a process is counted once. `hidden` contains
    the agents that have processes in containers of other users. `in_container` means that the
    observer is in a container and sees only its processes.

    The following holds for every table of a `ProcessSource`:

    * `processes` and `samples` have the members of `roots` as their keys, no more and no fewer, and
      the id of each value is its key. No two members have the same pid.
    * A process and its sample have the same name, parent and state.
    * A root is its own root, is in `agents`, and is no helper. Every agent process that is no
      helper is a root. A helper is a member of another agent's tree, or is not in the table.
    * `agents` contains members only, and `open_files` has the roots as its keys.
    * A table that is not `complete` is empty.
    """

    sampled_at: float
    boot_id: str = ""
    processes: Mapping[ProcessId, Process] = {}
    agents: Mapping[ProcessId, Recognised] = {}
    roots: Mapping[ProcessId, ProcessId] = {}
    samples: Mapping[ProcessId, ProcessSample] = {}
    open_files: Mapping[ProcessId, tuple[str, ...]] = {}
    skipped: Mapping[str, int] = {}
    hidden: frozenset[str] = frozenset()
    in_container: bool = False
    complete: bool = True  # False: the processes could not be listed

    def shows_all_of(self, agent: str) -> bool:
        """Return whether this table contains every process of an agent on this machine.

        Virtual machines, in which some systems run their containers, are other machines.
        """
        return self.complete and not self.in_container and agent not in self.hidden


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A session and its process. `status` and `waiting_for` are from the agent's registry."""

    session: SessionKey
    process: ProcessId
    started_at: float
    confidence: Confidence
    evidence: tuple[str, ...]
    liveness: Literal["live", "stopped"] = "live"
    role: Literal["session", "host"] = "session"
    status: str = ""
    waiting_for: str = ""


class Written(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a process has written until now, in bytes; None if unknown.

    `characters` includes writes to terminals, pipes and sockets. `disk_bytes` are whole blocks of
    files.
    """

    characters: int | None = None
    disk_bytes: int | None = None


class Matches(msgspec.Struct, frozen=True):
    """The result of one round of pairing, and an input of the next.

    `leaves` maps each agent process to the one that does its work; a wrapper differs from it.
    `duplicates` run a session that is bound to another process. `clients` belong to a session that
    a host runs. `orphans` have no session. `strangers` have none either, but are in a container:
    their sessions may be in a home that is not read.

    `ended` maps each session whose process has ended, and `former_wrappers` each wrapper whose
    agent process has ended, to the time, in unix seconds, at which that was noticed. `contested`
    contains new sessions without a process that each of several processes can have written.
    `seen` has the times of the last records of the sessions in the processes' directories.
    `written` is what each leaf has written at `sampled_at`, and `written_before` the same of the
    round before.
    """

    bindings: Mapping[SessionKey, Binding] = {}
    leaves: Mapping[ProcessId, ProcessId] = {}
    duplicates: Mapping[ProcessId, SessionKey] = {}
    clients: Mapping[ProcessId, SessionKey] = {}
    orphans: tuple[ProcessId, ...] = ()
    strangers: tuple[ProcessId, ...] = ()
    ended: Mapping[SessionKey, float] = {}
    former_wrappers: Mapping[ProcessId, float] = {}
    contested: Mapping[SessionKey, frozenset[ProcessId]] = {}
    seen: Mapping[SessionKey, float | None] = {}
    written: Mapping[ProcessId, Written] = {}
    written_before: Mapping[ProcessId, Written] = {}
    sampled_at: float = 0.0
