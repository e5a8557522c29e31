"""The processes of sessions, without arguments: their resources, matches and trees."""

from typing import Literal

import msgspec

ProcessMark = Literal["", "orphan", "duplicate"]


class ProcessUsage(msgspec.Struct, frozen=True, gc=False):
    """The resources that a session's process tree uses. None: the system does not report the value.

    `cpu_seconds`, `disk_read_bytes` and `disk_written_bytes` are totals, which never decrease.
    Their count starts when the session is first matched with the process tree.
    """

    processes: int = 0
    cpu_seconds: float | None = None
    cpu_percent: float | None = None  # share of one core
    rss_bytes: int | None = None
    vms_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    disk_read_bytes_per_second: float | None = None
    disk_written_bytes_per_second: float | None = None


class ProcessMatch(msgspec.Struct, frozen=True, gc=False):
    """The process that runs a session, and the confidence of the match."""

    pid: int
    started_at: float
    liveness: Literal["live", "stopped"]
    confidence: Literal["high", "medium", "low"]
    evidence: tuple[str, ...] = ()
    role: Literal["session", "host"] = "session"  # host: runs several sessions
    usage: ProcessUsage | None = None


class ProcessNode(msgspec.Struct, frozen=True, gc=False):
    """One process of a process tree. Its arguments are left out, because they may hold prompts.

    `usage` has the rates and the memory of this process alone. `listening_ports` has the TCP ports
    on which the process accepts connections. `mark` is `orphan` if the parent of the process has
    ended, and `duplicate` if the process runs a session that another process runs too.
    """

    pid: int
    parent_pid: int
    name: str
    started_at: float
    usage: ProcessUsage
    listening_ports: tuple[int, ...] = ()
    mark: ProcessMark = ""


class ProcessTree(msgspec.Struct, frozen=True, gc=False):
    """The processes that run the same sessions of one agent; parents come before their children.

    `session_ids` has one session, or several if the process is a `host`, or none if no session is
    known. `usage` is the sum of all processes.
    """

    agent: str
    session_ids: tuple[str, ...]
    host: bool
    usage: ProcessUsage
    processes: tuple[ProcessNode, ...]
