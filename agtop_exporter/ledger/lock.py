"""The lock file that keeps two processes from writing the same ledger."""

import fcntl
import os
from pathlib import Path

from agtop_exporter.model import AgtopError


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Prepare; nothing is opened yet."""
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, or do nothing where it is held.

        Raises AgtopError where another process holds it, OSError where the file cannot be created.
        """
        if self.is_held():
            return
        self.release()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AgtopError(
                f"another agtop-exporter already writes to {self._path.parent}; "
                "stop it, or choose another directory with --state-dir"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Return whether this process holds the lock on the file that is there now."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
