"""A lock file ensures that only one process writes a ledger.

The file has one line, such as `daemon 4711`: the kind and the id of the process that holds the
lock. A `command` ends soon, so a daemon waits for its end. The modification time of the file is the
time at which the last process acquired the lock, and 0 while this process cannot write the ledger.
"""

import contextlib
import os
from pathlib import Path
from time import sleep

from agtop_exporter import platforms
from agtop_exporter.model import AgtopError

LOCK_NAME = "ledger.lock"
COMMAND, DAEMON = "command", "daemon"  # the kinds of processes that hold the lock
STEP_SECONDS = 0.05
STEPS = 1200  # a minute: how long a daemon waits for a command


class LockedError(AgtopError):
    """Another process holds the lock."""


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Set the path of the lock file. The file is not opened yet."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, brief: bool = False) -> None:
        """Acquire the lock, unless this process holds the lock already.

        Set `brief` in a command that ends soon: the command does not wait for the lock. Any other
        process waits until such a command has ended. Raises LockedError if another process holds
        the lock. Raises OSError if the lock file cannot be created.
        """
        if self.is_held():
            return
        self.release()
        descriptor = platforms.open_private(self._path)
        try:
            self._lock(descriptor, steps=0 if brief else STEPS)
        except BaseException:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            kind = COMMAND if brief else DAEMON
            os.write(descriptor, f"{kind} {os.getpid()}\n".encode())
        self._descriptor = descriptor

    def _lock(self, descriptor: int, steps: int) -> None:
        for step in range(steps + 1):
            try:
                platforms.lock(descriptor)
            except BlockingIOError:
                # In the first step, the holder may not have written its kind yet.
                if step == steps or (step and self._holder()[0] != COMMAND):
                    break
                sleep(STEP_SECONDS)
            else:
                return
        pid = self._holder()[1]
        raise LockedError(
            f"another agtop-exporter already writes to {self._path.parent}"
            f"{f' (process {pid})' if pid else ''}; "
            "stop it, or choose another directory with --state-dir"
        )

    def _holder(self) -> tuple[str, str]:
        """Return the kind and the id of the process that holds the lock; "" if unknown."""
        try:
            kind, _, pid = self._path.read_text(errors="replace").strip().partition(" ")
        except OSError:
            return "", ""
        return kind, pid if pid.isdecimal() else ""

    def is_held(self) -> bool:
        """Return whether this process holds the lock and the lock file has not been replaced."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def mark(self, *, stored: bool) -> None:
        """Show other processes whether the ledger file has all data of this process.

        Only the modification time changes, because a full disk has no space for a text.
        """
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.utime(self._descriptor, None if stored else (0, 0))

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(directory: Path) -> bool:
    """Return whether another process writes the ledger in a state directory.

    The result is False while the other process cannot write the ledger file.
    """
    if last_writer_started_at(directory) == 0:
        return False
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        platforms.lock(descriptor)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(descriptor)


def last_writer_started_at(directory: Path) -> float | None:
    """Return when the last writer of a ledger started (unix seconds); None if there was none.

    The result is 0 if the last writer had data that it could not write.
    """
    try:
        return (directory / LOCK_NAME).stat().st_mtime
    except OSError:
        return None
