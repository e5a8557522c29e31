"""Standard error that never raises: a log that cannot be written must not end the program.

A disk that is full (ENOSPC), a pipe whose reader is gone (EPIPE) and a closed file make every
write raise, and Python's own flush at the end turn the exit status into 120.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO


class SafeStream:
    """A text stream that does not raise where the stream below it cannot be written.

    That one keeps a few kilobytes, which it writes with the next text that it can write; what is
    beyond them is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines, or drop them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what the stream holds back, as far as that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        """Return an attribute of the stream below."""
        return getattr(self._stream, name)


def protect_stderr() -> None:
    """Put a SafeStream in the place of `sys.stderr`, for everybody in this process.

    Where standard error is closed, what is written goes nowhere, and no other file is opened under
    its number.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    if not isinstance(sys.stderr, SafeStream):
        sys.stderr = SafeStream(sys.stderr)
