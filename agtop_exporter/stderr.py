"""A stream for standard error that ignores write errors, so that they do not stop the program.

A write fails if the disk is full (ENOSPC), the reader of a pipe has exited (EPIPE) or the file is
closed. Without this stream, Python's flush at exit would then set the exit status to 120.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO


class SafeStream:
    """A text stream that wraps another stream and ignores its write errors.

    After a write error, the wrapped stream buffers a few kilobytes of text, and writes this text
    when writing is possible again. Further text is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        """Set the wrapped stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; if that fails, drop it."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines; drop each line that cannot be written."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the wrapped stream, if possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        """Return an attribute of the wrapped stream."""
        return getattr(self._stream, name)


def protect_stderr() -> None:
    """Replace `sys.stderr` with a SafeStream.

    If standard error is closed, its file descriptor is opened on /dev/null. Otherwise the next file
    that is opened would get that descriptor and receive log messages.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open
    if not isinstance(sys.stderr, SafeStream):
        sys.stderr = SafeStream(sys.stderr)
