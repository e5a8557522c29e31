"""Starts the child process that reads directories, and exchanges lines with it.

`multiprocessing` is not used, because it waits for its child processes at exit. A child process
inside a call of a hung file system cannot be killed, so the exporter would not exit.

The child process does not inherit the standard output of the exporter. A program that reads this
output therefore does not wait for the end of the child process.
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import agtop_exporter

BLOCK_BYTES = 64 * 1024
PLACE_FILE = "agtop-exporter-place"  # part of its name in /proc/<pid>/fd


def command() -> tuple[str, ...]:
    """Return the command of the child. Its options make Python ignore the user's settings."""
    packages = str(Path(agtop_exporter.__file__).parent.parent)
    path = f"import sys; sys.path.insert(0, {packages!r})"
    code = f"{path}; from agtop_exporter.folders.child import main; main()"
    return (sys.executable, "-I", "-S", "-c", code)


class FolderProcess:
    """A child process that answers one request at a time.

    The methods raise OSError if the child cannot be started or written to, TimeoutError if the
    child does not answer within the time limit, and EOFError if the child has ended.
    """

    is_own = True

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Start the child. Its first message reports that it is ready."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._place = _above_streams(os.memfd_create(PLACE_FILE))
            self._descriptor = _above_streams(ours.detach())
            stream = _above_streams(theirs.detach())
            try:
                self._pid = os.posix_spawn(
                    words[0],
                    words,
                    environment,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, source, number)
                        for number, source in enumerate((stream, stream, self._place))
                    ],
                    setpgroup=0,  # Ctrl-C in the terminal must not interrupt the child
                )
            except OSError:
                os.close(self._descriptor)
                os.close(self._place)
                raise
            finally:
                os.close(stream)
        files = (self._descriptor, self._place)
        self._finalize = weakref.finalize(self, _end, self._pid, files)
        self._received = b""
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def ask(self, question: Sequence[object]) -> None:
        """Send a request."""
        os.write(self._descriptor, json.dumps(question).encode() + b"\n")

    def receive(self, limit_seconds: float) -> object:
        """Return the next message. Raises TimeoutError after `limit_seconds`."""
        deadline = time.monotonic() + limit_seconds
        while b"\n" not in self._received:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            block = os.read(self._descriptor, BLOCK_BYTES)
            if not block:
                raise EOFError
            self._received += block
        line, _, self._received = self._received.partition(b"\n")
        message: object = json.loads(line)
        return message

    def place(self) -> str:
        """Return the path that the child is accessing; "" if it is accessing none."""
        return _place(self._place)

    def continues(self) -> bool:
        """Return whether the child no longer hangs: it has answered late, or it has ended."""
        return bool(self._poll.poll(0))

    def end(self) -> None:
        """Kill the child. Do not wait for its end, because a hung file system delays the end."""
        self._finalize()

    def reap(self) -> bool:
        """Return whether the child has ended. An ended child is removed from the process table."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True


class OtherProcess:
    """A child process of another exporter. The other exporter may have ended."""

    is_own = False

    def __init__(self, pid: int) -> None:
        """Set the pid of the process."""
        self._pid = pid

    def place(self, *, since_seconds: float) -> str:
        """Return the path that the process has been accessing for at least `since_seconds`.

        The result is "" if there is no such path, or if no exporter has started the process.
        """
        path = f"/proc/{self._pid}/fd/2"
        try:
            if PLACE_FILE not in os.readlink(path):  # noqa: PTH115 - of every process
                return ""
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended, or is another user's
            return ""
        try:
            age = time.time() - os.fstat(descriptor).st_mtime  # noqa: TID251 - the clock of st_mtime
            return _place(descriptor) if age >= since_seconds else ""
        finally:
            os.close(descriptor)

    def continues(self) -> bool:
        """Return whether the process no longer hangs: it accesses no path, or it has ended."""
        return not self.place(since_seconds=0)

    def end(self) -> None:
        """Do nothing: the exporter that started the process ends it."""

    def reap(self) -> bool:
        """Return True, because this exporter does not have to wait for the end of the process."""
        return True


def hung_processes(seconds: float) -> Iterator[tuple[OtherProcess, str]]:
    """Yield each hung child process of another exporter, with the path that the process accesses.

    A process hangs if it has been accessing the same path for `seconds`. A hung process may outlive
    its exporter, because a hung process cannot be killed. A new exporter must not access the same
    path, because otherwise every start of an exporter would add another hung process.
    """
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    except OSError:
        return
    for pid in pids:
        other = OtherProcess(pid)
        if place := other.place(since_seconds=seconds):
            yield other, place


def _place(descriptor: int) -> str:
    return os.fsdecode(os.pread(descriptor, BLOCK_BYTES, 0).partition(b"\0")[0])


def _above_streams(descriptor: int) -> int:
    """Move a file descriptor to a number above 2, because 0 to 2 are the standard streams."""
    above = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return above


def _end(pid: int, descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
