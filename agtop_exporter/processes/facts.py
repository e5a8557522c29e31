"""Values that describe processes, samples of them, and their matches with sessions. No I/O."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from agtop_exporter.model import SessionKey

Role = Literal["session", "host", "helper", "wrapper"]
Confidence = Literal["high", "medium", "low"]


class ProcessId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Identifies a process until the next boot. A reused pid has another start time."""

    pid: int
    start_ticks: int  # Linux: clock ticks since boot (field 22 of /proc/PID/stat); else 1/100 s


class Process(msgspec.Struct, frozen=True, gc=False):
    """The properties of a process that rarely change. `argv` is stored for agents only.

    Unknown properties are "" or ().
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
    container: str = ""  # the differing namespace, such as `other_pid_namespace`; "" outside
    inner_pid: int = 0  # its pid in that namespace; 0 if unknown, or if it is not in a container


class ProcessSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The resources that one process has used since its start; None means unreadable.

    `written_bytes` excludes bytes that never reached the disk, so it can decrease when a file is
    deleted. `reaped_*` is the CPU time of ended descendants that have been waited for. If
    `disk_includes_reaped`, as on Linux, the disk bytes include those of these descendants.
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
    written_characters: int | None = None  # bytes passed to write calls, including terminals

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

    `roots` maps each member of a process tree to the agent process at its root. In each tree,
    parents come before their children. `open_files` has the files that a root has open for
    writing. Files open for reading are no evidence, because an agent also reads the transcripts of
    other sessions. `skipped` counts, by reason, the processes that are left out or partly
    unreadable; each process is counted once. `hidden` has the agents with processes in containers
    of other users. `in_container` means that this program runs in a container and sees only the
    container's processes.

    The following holds for every table of a `ProcessSource`:

    * `processes`, `samples` and `roots` have the same keys, and the id of each value is its key. No
      two members have the same pid.
    * A process and its sample have the same name, parent and state.
    * A root is its own root, is in `agents`, and is not a helper. Every agent process that is not a
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

        A virtual machine counts as another machine. macOS and Windows run containers in one.
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
    """The number of bytes that a process has written since its start; None if unknown.

    `characters` includes writes to terminals, pipes and sockets. `disk_bytes` counts whole blocks
    of files.
    """

    characters: int | None = None
    disk_bytes: int | None = None


class Matches(msgspec.Struct, frozen=True):
    """The result of one round of matching, and an input of the next one.

    `leaves` maps each agent process to the process that does its work: a wrapper to the agent
    process that it started, any other process to itself. `duplicates` are processes that run a
    session that is bound to another process. `clients` are processes whose session runs in a host.
    `orphans` are processes without a session. `container_orphans` are processes in containers
    without a session; their sessions may be in a home that is not read.

    `ended` has the sessions whose process has ended, and `former_wrappers` the wrappers whose agent
    process has ended. Their values are the times at which the end was noticed, in unix seconds.
    `contested` has the new sessions without a process, each with the processes that may have
    written it. `seen` has the times of the last records of the sessions in the processes'
    directories. `written` has the bytes that each leaf had written at `sampled_at`, and
    `written_before` the same values of the previous round.
    """

    bindings: Mapping[SessionKey, Binding] = {}
    leaves: Mapping[ProcessId, ProcessId] = {}
    duplicates: Mapping[ProcessId, SessionKey] = {}
    clients: Mapping[ProcessId, SessionKey] = {}
    orphans: tuple[ProcessId, ...] = ()
    container_orphans: tuple[ProcessId, ...] = ()
    ended: Mapping[SessionKey, float] = {}
    former_wrappers: Mapping[ProcessId, float] = {}
    contested: Mapping[SessionKey, frozenset[ProcessId]] = {}
    seen: Mapping[SessionKey, float | None] = {}
    written: Mapping[ProcessId, Written] = {}
    written_before: Mapping[ProcessId, Written] = {}
    sampled_at: float = 0.0
