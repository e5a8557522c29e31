"""Manages the child process that reads directories, and earlier child processes that hang.

A child process that exceeds its time limit is late. It is left running, because not even SIGKILL
ends a process inside a call of a hung FUSE file system.

New child processes must not access the file system in which a late child hangs, so at most one
child process hangs in each file system. On a local file system, only the path that the late child
accesses is forbidden. Access is permitted again when the late child continues or when the file
system is unmounted.
"""

from collections.abc import Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from agtop_exporter.folders.mounts import Mount, MountTable, mount_of
from agtop_exporter.project import Rules

if TYPE_CHECKING:
    from agtop_exporter.folders.process import FolderProcess, OtherProcess

PROJECT, PROBE = "project", "probe"  # kinds of requests
LOCAL = "local"  # additional time for local file systems, which are slow on a busy machine
LIMITS = {PROJECT: 2.0, PROBE: 5.0, LOCAL: 8.0}  # seconds; a file server needs milliseconds
START_SECONDS = 10.0  # limit for the start of an interpreter; it takes 0.03 s on an idle machine
END_SECONDS = 0.2  # limit for the end of a killed child; it takes a millisecond if it does not hang
POLL_SECONDS = 0.001


class NoAnswerError(Exception):
    """A path leads to a directory or a mount point that does not respond.

    The argument of the exception is the path of this directory or mount point.
    """


class _Late(NamedTuple):
    """A child process that exceeded its time limit, and the id of the mount that it accesses.

    The id is None if the file system is local or unknown.
    """

    child: "FolderProcess | OtherProcess"
    mount: bytes | None


class Helper:
    """Sends requests to a child process, and replaces the process if it is late or has ended.

    The methods raise OSError or EOFError if the child process has ended or cannot be started. The
    next request then starts another child process.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        table: MountTable,
        *,
        limits: Mapping[str, float],
        command: Sequence[str],
    ) -> None:
        """Set the parameters. The first request starts the child process.

        `environment` and `command` are the environment and the command of the child process. An
        empty command means the default. `table` has the mounted file systems. `limits` has the time
        limit of each kind of request in seconds.
        """
        self._environment = environment
        self._table = table
        self._limits = limits
        self._command = command
        self._child: FolderProcess | None = None
        self._searched_others = False
        self._late: dict[str, _Late] = {}  # by the forbidden path
        self._ended: list[FolderProcess | OtherProcess] = []

    def count_late(self) -> int:
        """Return how many late children of this exporter still hang.

        Before counting, end each late child that has continued or whose file system was unmounted.
        """
        mounted = {mount.id for mount in self._table.mounts()} if self._late else set()
        for place, (child, mount) in tuple(self._late.items()):
            if child.continues() or (mount is not None and mount not in mounted):
                del self._late[place]
                self._end(child)
        return sum(child.is_own for child, _ in self._late.values())

    def send(self, kind: str, paths: Sequence[str], rules: Rules) -> None:
        """Send a request of one kind for several paths.

        Before this call, all answers to the previous request must have been received.
        """
        self.count_late()
        try:
            child = self._child or self._start()
            child.ask((kind, paths, tuple(self._late), rules))
        except (OSError, EOFError):
            self.end()
            raise

    def receive(self, kind: str, path: str) -> tuple[str, str]:
        """Receive the next answer, and return the real path and the project of `path`.

        Answers come in the order of the request, so `path` must be the first path of the request
        that has no answer yet. Raises NoAnswerError if the path leads to a directory that does not
        respond.
        """
        child = self._child
        if child is None:
            raise EOFError
        try:
            answer = self._answer(child, kind, path)
        except TimeoutError:
            self._child = None
            raise NoAnswerError(self._leave(child, child.place() or path)) from None
        except (OSError, EOFError):
            self.end()
            raise
        if not isinstance(answer, list):
            raise NoAnswerError(answer)
        real, project = answer
        return real, project

    def _answer(self, child: "FolderProcess", kind: str, path: str) -> object:
        try:
            return child.receive(self._limits[kind])
        except TimeoutError:
            if self._remote_mount(child.place() or path):
                raise
        return child.receive(self._limits[LOCAL])

    def end(self) -> None:
        """End the current child process. Late child processes are left running."""
        if self._child is not None:
            self._end(self._child)
            self._child = None
        self._ended = [child for child in self._ended if not child.reap()]

    def close(self) -> None:
        """Kill all child processes, including late ones. Wait for their end at most END_SECONDS."""
        self.end()
        for child, _ in self._late.values():
            child.end()
        deadline = monotonic() + END_SECONDS
        while self._ended and monotonic() < deadline:
            sleep(POLL_SECONDS)
            self._ended = [child for child in self._ended if not child.reap()]

    def _start(self) -> "FolderProcess":
        from agtop_exporter.folders import process  # noqa: PLC0415 - it needs a POSIX system

        if not self._searched_others:
            self._searched_others = True
            for other, place in process.hung_processes(self._limits[PROJECT]):
                self._leave(other, place)
        words = tuple(self._command or process.command())
        child = self._child = process.FolderProcess(words, self._environment)
        child.receive(START_SECONDS)
        return child

    def _leave(self, child: "FolderProcess | OtherProcess", place: str) -> str:
        """Abandon a late child that accesses the path `place`, and return the path to forbid.

        New child processes must not access the returned path. It is the mount point of the file
        system. If the file system is local or unknown, it is `place`, because a local file system
        may merely be slow.
        """
        mount = self._remote_mount(place)
        if mount is None:
            self._late[place] = _Late(child, None)
            return place
        self._late[mount.point] = _Late(child, mount.id)
        return mount.point

    def _remote_mount(self, place: str) -> Mount | None:
        mount = mount_of(self._table.mounts(), place)
        return None if mount is None or mount.is_local else mount

    def _end(self, child: "FolderProcess | OtherProcess") -> None:
        child.end()
        self._ended.append(child)
