"""Starts the child process that reads directories, and exchanges lines with it.

`multiprocessing` is not used, because it waits for its children at exit, and a process inside a
call of a hung file system cannot be killed. The child has only its own three files open. A program
that reads the exporter's output therefore does not wait for the end of the child.
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
    """Return the command of the child. The options ignore user settings, so Python starts fast."""
    packages = str(Path(agtop_exporter.__file__).parent.parent)
    path = f"import sys; sys.path.insert(0, {packages!r})"
    code = f"{path}; from agtop_exporter.folders.child import main; main()"
    return (sys.executable, "-I", "-S", "-c", code)


class FolderProcess:
    """A child process that answers one request at a time.

    Methods raise OSError if the child cannot be started or written to, TimeoutError if it is late,
    and EOFError if it has ended.
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
        """Return the path that the child accesses."""
        return _place(self._place)

    def continues(self) -> bool:
        """Return whether a late child has written something since, or has ended."""
        return bool(self._poll.poll(0))

    def end(self) -> None:
        """Kill the child without waiting for its end, which a hung file system delays."""
        self._finalize()

    def reap(self) -> bool:
        """Return whether the child has ended. If so, it is removed from the process table."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True


class OtherProcess:
    """A child process that another exporter or an earlier exporter has started."""

    is_own = False

    def __init__(self, pid: int) -> None:
        """Set the pid of the process."""
        self._pid = pid

    def place(self, *, since_seconds: float) -> str:
        """Return the path that it has accessed for at least `since_seconds`; "" if none."""
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
        """Return whether the process has left its place or has ended."""
        return not self.place(since_seconds=0)

    def end(self) -> None:
        """Do nothing: the exporter that started the process ends it."""

    def reap(self) -> bool:
        """Return True: the exporter that started the process removes it."""
        return True


def hung_processes(seconds: float) -> Iterator[tuple[OtherProcess, str]]:
    """Yield the child processes of other exporters that hang, each with the path that it accesses.

    A process hangs if it has accessed the same path for `seconds`. A process that cannot be killed
    outlives its exporter. Without this check, every start would leave another process.
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
    """Replace a descriptor by one above 2, so that it is never that of a standard stream."""
    above = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return above


def _end(pid: int, descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
