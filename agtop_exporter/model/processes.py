"""The processes that belong to a session: one value per process, without arguments."""

from typing import Literal

import msgspec

from agtop_exporter.model.session import ProcessUsage

ProcessMark = Literal["", "orphan", "duplicate"]


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
