"""Types for processes, samples of processes, and matches of processes with sessions. No I/O."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from agtop_exporter.model import SessionKey

Role = Literal["session", "host", "helper", "wrapper"]
Confidence = Literal["high", "medium", "low"]


class ProcessId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Identifies a process until the next boot.

    A later process with the same pid has another start time.
    """

    pid: int
    start_ticks: int  # Linux: clock ticks since boot (field 22 of /proc/PID/stat); else 1/100 s


class Process(msgspec.Struct, frozen=True, gc=False):
    """The properties of a process that rarely change. `argv` is stored for agent processes only.

    Unknown strings are "", and an unknown `argv` is ().
    """

    id: ProcessId
    started_at: float  # unix seconds, by the clock as it is set now; up to one second too early
    parent_pid: int = 0
    uid: int = -1
    comm: str = ""
    exe: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    zombie: bool = False  # the process has ended, and its parent has not waited for it
    container: str = ""  # the differing namespace, such as `other_pid_namespace`; "" if none
    inner_pid: int = 0  # the pid in the container; 0 if unknown, or if not in a container
    stack_start: int = 0  # address of the stack, the same in a fork; 0 if unknown


class ProcessSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The resources that one process has used since its start; None if a value is unreadable.

    `written_bytes` excludes bytes that never reached the disk, so `written_bytes` can decrease when
    a file is deleted. `reaped_*` is the CPU time of reaped descendants: they have ended, and their
    parents have waited for them. `disk_includes_reaped` means that `read_bytes` and `written_bytes`
    include the bytes of reaped descendants. This is the case on Linux.
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
    denied: bool = False  # the system refused access to some of these values
    zombie: bool = False  # the process has ended, and its parent has not waited for it
    written_characters: int | None = None  # bytes passed to write calls, including terminals

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time of the process without its children, in seconds; None if unreadable."""
        if self.user_microseconds is None or self.system_microseconds is None:
            return None
        return (self.user_microseconds + self.system_microseconds) / 1e6


class Recognized(msgspec.Struct, frozen=True, gc=False):
    """The agent and the role of a process, and the session id in the arguments of the process.

    `session_id` is "" if the arguments name no session. `forks` means that the process runs a copy
    of the session `session_id`, not the session itself. The roles are:

    * `session`: the process runs one session;
    * `host`: the process runs many sessions;
    * `helper`: the process runs no session;
    * `wrapper`: the process only starts the agent process.
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
    other sessions. `skipped` counts the processes that are left out or partly unreadable, by
    reason. Each process is counted once per reason. `hidden` has the names of agents that have
    processes in containers of other users. `partial` means that this program does not see every
    process of the users: it runs in a container, or the system hides processes of other users.

    The following holds for every table of a `ProcessSource`:

    * `processes`, `samples` and `roots` have the same keys: the members of all trees. In
      `processes` and `samples`, the id of each value is its key. No two members have the same pid.
    * A process and its sample have the same name, parent and state.
    * `roots` maps each root to itself. Every root is in `agents`, and no root has the role
      `helper`. Every agent process with another role is a root. A helper is a member of the tree of
      another agent process, or is not in the table.
    * All keys of `agents` are members of trees. The keys of `open_files` are the roots.
    * A table that is not `complete` is empty.
    """

    sampled_at: float  # in unix seconds
    boot_id: str = ""
    processes: Mapping[ProcessId, Process] = {}
    agents: Mapping[ProcessId, Recognized] = {}
    roots: Mapping[ProcessId, ProcessId] = {}
    samples: Mapping[ProcessId, ProcessSample] = {}
    open_files: Mapping[ProcessId, tuple[str, ...]] = {}
    skipped: Mapping[str, int] = {}
    hidden: frozenset[str] = frozenset()
    partial: bool = False
    complete: bool = True  # False: the processes could not be listed

    def shows_all_of(self, agent: str) -> bool:
        """Return whether this table contains every process of an agent on this machine.

        A virtual machine counts as another machine. On macOS and Windows, containers run in a
        virtual machine.
        """
        return self.complete and not self.partial and agent not in self.hidden


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A session and the process that runs the session.

    `liveness` is `stopped` if the process has ended. `status` and `waiting_for` are from the
    registry in which the agent lists its live processes.
    """

    session: SessionKey
    process: ProcessId
    started_at: float  # start of the process in unix seconds
    confidence: Confidence
    evidence: tuple[str, ...]
    liveness: Literal["live", "stopped"] = "live"
    role: Literal["session", "host"] = "session"
    status: str = ""
    waiting_for: str = ""


class Written(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The numbers of bytes that a process has written since its start; None if unknown.

    `characters` includes writes to terminals, pipes and sockets. `disk_bytes` counts whole blocks
    of files.
    """

    characters: int | None = None
    disk_bytes: int | None = None


class Matches(msgspec.Struct, frozen=True):
    """The result of one round of matching, and an input of the next round.

    `leaves` maps each agent process to its leaf, the process that does the work. The leaf of a
    wrapper is the agent process that the wrapper started. Any other process is its own leaf.

    `bindings` maps each session to its process. `duplicates` maps a process to its session if the
    session is bound to another process. `clients` maps a process to its session if the session runs
    in a host, a process that runs many sessions. `orphans` has the processes without a session,
    except processes in containers. `container_orphans` has the processes in containers without a
    session. Their sessions may be in a home directory that is not read.

    `ended` maps each session whose process has ended to the time at which the end was noticed.
    `former_wrappers` maps each wrapper whose agent process has ended to the time at which the end
    was noticed. These times are unix seconds. `contested` maps each new session without a process
    to the processes that may have written the session. `seen` maps each session in the directory of
    an agent process to the time of the last record of the session. `written` maps each leaf to the
    bytes that it had written at `sampled_at`. `written_before` is `written` of the previous round.
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
