"""Starts the child process that looks at folders, and exchanges lines with it.

Not `multiprocessing`: at exit it waits for its children, and a process inside a call of a dead
file system cannot be killed. The child has no other file open, so a program that reads the
exporter's output does not wait for the child either.
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
PLACE_FILE = "agtop-exporter-place"  # as the kernel names it in /proc/<pid>/fd


def command() -> tuple[str, ...]:
    """Return the command of the child: without the user's settings of Python, and their cost."""
    packages = str(Path(agtop_exporter.__file__).parent.parent)
    path = f"import sys; sys.path.insert(0, {packages!r})"
    code = f"{path}; from agtop_exporter.folders.child import main; main()"
    return (sys.executable, "-I", "-S", "-c", code)


class FolderProcess:
    """A child process that answers one question at a time.

    Raises OSError where it cannot be started or asked, TimeoutError where it is late, and EOFError
    where it has ended.
    """

    is_own = True

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Start it; its first message is that it is ready."""
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
                    setpgroup=0,  # an interrupt from the terminal is for the exporter alone
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
        """Send a question."""
        os.write(self._descriptor, json.dumps(question).encode() + b"\n")

    def receive(self, limit_seconds: float) -> object:
        """Return the next message."""
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
        """Return the place that it looks at."""
        return _place(self._place)

    def goes_on(self) -> bool:
        """Tell whether a child that was late has written something since, or has ended."""
        return bool(self._poll.poll(0))

    def end(self) -> None:
        """Kill it without waiting: a call of a dead file system delays its end."""
        self._finalize()

    def reap(self) -> bool:
        """Tell whether it has ended; if so, its entry in the process table is removed."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True


class OtherProcess:
    """A child process that another exporter, or an earlier one, has started."""

    is_own = False

    def __init__(self, pid: int) -> None:
        """Name it."""
        self._pid = pid

    def place(self, *, since_seconds: float) -> str:
        """Return the place that it has been looking at for so long; "" if there is none."""
        path = f"/proc/{self._pid}/fd/2"
        try:
            if PLACE_FILE not in os.readlink(path):  # noqa: PTH115 - of every process
                return ""
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended, or is another user's
            return ""
        try:
            age = time.time() - os.fstat(descriptor).st_mtime  # noqa: TID251 - as the file's
            return _place(descriptor) if age >= since_seconds else ""
        finally:
            os.close(descriptor)

    def goes_on(self) -> bool:
        """Tell whether it looks at another place, or has ended."""
        return not self.place(since_seconds=0)

    def end(self) -> None:
        """Leave it to the other."""

    def reap(self) -> bool:
        """Leave it to the other."""
        return True


def others_at(seconds: float) -> Iterator[tuple[OtherProcess, str]]:
    """Find the processes that have been looking at a place for so long, and the place.

    A process that cannot be killed outlives its exporter. Every further one would leave another.
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
    """Return the file under a number that no standard stream has, be they closed or not."""
    above = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return above


def _end(pid: int, descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
