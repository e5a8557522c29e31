"""A lock file ensures that only one process writes a ledger."""

import os
from pathlib import Path

from agtop_exporter import platforms
from agtop_exporter.model import AgtopError


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Set the path of the lock file. The file is not opened yet."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Acquire the lock, unless this process holds the lock already.

        Raises AgtopError if another process holds the lock. Raises OSError if the lock file cannot
        be created.
        """
        if self.is_held():
            return
        self.release()
        descriptor = platforms.open_private(self._path)
        try:
            platforms.lock(descriptor)
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
        """Return whether this process holds the lock and the lock file has not been replaced."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
