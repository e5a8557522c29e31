"""Keeps log messages while the view is open, because nothing else may write to the terminal."""

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from agtop_exporter import platforms

NOTICES_MAX = 200


class Notices:
    """The last messages in memory. All messages are also written to a file, if there is one."""

    def __init__(self, path: Path | None = None) -> None:
        """Keep messages in memory, and append them to the file at `path`."""
        self.path = path
        self._kept: deque[str] = deque(maxlen=NOTICES_MAX)

    @property
    def latest_first(self) -> Sequence[str]:
        """The messages that are kept, the latest first."""
        return tuple(reversed(self._kept))

    def add(self, text: str) -> None:
        """Keep a message, and append it to the file.

        If the file cannot be written, a message reports it, and the file is not used again.
        """
        self._kept.append(text)
        if self.path is not None:
            self.write(f"{text}\n")

    def write(self, text: str) -> bool:
        """Append text to the file only. Return whether this was possible."""
        if self.path is None:
            return False
        try:
            descriptor = platforms.open_private(self.path)
            with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
                file.seek(0, os.SEEK_END)
                file.write(text)
        except OSError as error:
            self._kept.append(f"cannot write {self.path}: {error.strerror}")
            self.path = None
            return False
        return True
