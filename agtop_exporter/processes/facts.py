"""What is known about processes and sessions when they are paired; nothing here does I/O."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from agtop_exporter.model import SessionKey

Role = Literal["session", "host", "helper", "wrapper"]
Confidence = Literal["high", "medium", "low"]


class ProcessId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One process, for as long as the machine runs: pids are reused, pids with a start are not."""

    pid: int
    start_ticks: int  # clock ticks since boot: field 22 of /proc/PID/stat


class Process(msgspec.Struct, frozen=True, gc=False):
    """What does not change between two looks; `argv` is kept for agents only.

    "" and () stand for what the system does not tell.
    """

    id: ProcessId
    started_at: float  # unix seconds, as exact as the kernel's boot time: one second
    parent_pid: int = 0
    uid: int = -1
    comm: str = ""
    exe: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    ended: bool = False  # and not yet waited for by its parent


class ProcessSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one process used until now; None is "not readable", never 0.

    `reaped_*` is the time of the children that it has waited for, and of theirs; on Linux the
    disk bytes include theirs as well.
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
    denied: bool = False  # the system refused a part of it
    ended: bool = False  # and not yet waited for by its parent

    @property
    def cpu_seconds(self) -> float | None:
        """User and system time of the process itself, without its children."""
        if self.user_microseconds is None or self.system_microseconds is None:
            return None
        return (self.user_microseconds + self.system_microseconds) / 1e6


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """Which agent a process belongs to, as what, and the session that its arguments name.

    `forks` says that `session_id` is only where the session was copied from.
    """

    agent: str
    role: Role = "session"
    session_id: str = ""
    forks: bool = False


class ProcessTable(msgspec.Struct, frozen=True):
    """One sample of the machine: the agents' processes and all that they started.

    `roots` maps every member of a tree to the agent process that it belongs to, its root; the
    members of a tree are in it parents first. `skipped` counts processes that were left out or are
    only partly readable, by reason, each process once in the life of the source. `hidden` has the
    agents that have processes in other namespaces; `isolated` means that the source itself is in a
    container and sees no process of its machine.

    These hold for every table of a `ProcessSource`:

    * `processes` and `samples` have the members of `roots` as their keys, no more and no fewer, and
      each value has its key as id. No two members have the same pid.
    * A process and its sample show the same name, parent and state.
    * A root is its own root, is in `agents`, and is no helper. Every agent process that is no
      helper is a root. A helper is a member of another agent's tree, or is not in the table.
    * `agents` has members only, and `open_files` has the roots as its keys.
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
    isolated: bool = False
    complete: bool = True  # False: the system did not even list its processes

    def shows_all_of(self, agent: str) -> bool:
        """Tell whether an agent can have no other process than those that are listed."""
        return self.complete and not self.isolated and agent not in self.hidden


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A session and its process; `status` and `waiting_for` are the registry's, "" without one."""

    session: SessionKey
    process: ProcessId
    started_at: float
    confidence: Confidence
    evidence: tuple[str, ...]
    liveness: Literal["live", "stopped"] = "live"
    role: Literal["session", "host"] = "session"
    status: str = ""
    waiting_for: str = ""


class Matches(msgspec.Struct, frozen=True):
    """The outcome of one round; the next round wants it back.

    `leaves` maps every agent process to the one that does its work. Duplicates run a session that
    another process is bound to; clients belong to a session that a host runs; orphans have no
    session. `ended` has the sessions whose process has ended, and when that was noticed.
    """

    bindings: Mapping[SessionKey, Binding] = {}
    leaves: Mapping[ProcessId, ProcessId] = {}
    duplicates: Mapping[ProcessId, SessionKey] = {}
    clients: Mapping[ProcessId, SessionKey] = {}
    orphans: tuple[ProcessId, ...] = ()
    ended: Mapping[SessionKey, float] = {}
