"""Opens the plain or compressed file from which lines are read."""

import errno
import hashlib
import os
from typing import Literal

from agtop_exporter import platforms
from agtop_exporter.labels import ParseErrorReason, ResetReason
from agtop_exporter.model import Cursor
from agtop_exporter.reading.files import open_regular

FINGERPRINT_BYTES = 512  # length of the head and of the tail in the digest
COMPRESSED_SUFFIX = ".zst"


class PlainFile:
    """A regular file that is open for reading.

    `problem` is the reason why the text after the current position cannot be read; "" if it can.
    """

    problem: ParseErrorReason | Literal[""] = ""

    def __init__(self, path: str) -> None:
        """Open a file. Raises NotAFileError, or OSError."""
        self._fd, self.status = open_regular(path)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def seek(self, offset: int) -> None:
        """Continue reading at a byte offset of the text."""
        os.lseek(self._fd, offset, os.SEEK_SET)

    def read_into(self, buffer: memoryview) -> int:
        """Read text into a buffer and return the number of bytes; 0 at the end. Raises OSError."""
        return platforms.read_into(self._fd, buffer)

    def read(self, count: int) -> bytes:
        """Return at most `count` bytes of text; b"" at the end. Raises OSError."""
        return os.read(self._fd, count)

    def is_excessive(self, _length: int, _lines: int) -> bool:
        """Return whether a batch of so many bytes and lines shows that the text is no transcript.

        If so, it is a `problem`. The lines of a file that is not compressed take as much space on
        disk as in the text, and are all read.
        """
        return False

    def reset_reason(self, cursor: Cursor) -> ResetReason | Literal[""]:
        """Return why the file must be read again from its start; "" if the cursor is valid."""
        if self._is_shorter(cursor):
            return "truncated"
        if self.fingerprint(cursor.offset) == cursor.fingerprint:
            return ""
        same_file = (self.status.st_dev, self.status.st_ino) == (cursor.device, cursor.inode)
        return "rewritten" if same_file else "replaced"

    def _is_shorter(self, cursor: Cursor) -> bool:
        return self.status.st_size < cursor.offset

    def fingerprint(self, offset: int) -> bytes:
        """Return a digest that changes if the text before an offset changes.

        It covers the first and the last FINGERPRINT_BYTES of that text.
        """
        head = platforms.read_at(self._fd, min(FINGERPRINT_BYTES, offset), 0)
        tail_at = max(0, offset - FINGERPRINT_BYTES)
        tail = platforms.read_at(self._fd, offset - tail_at, tail_at)
        return hashlib.blake2b(head + tail, digest_size=16).digest()


def open_source(path: str) -> PlainFile:
    """Open a file; decompress it while reading if its name ends in `.zst`.

    Raises NotAFileError, or OSError.
    """
    if not path.endswith(COMPRESSED_SUFFIX):
        return PlainFile(path)
    try:
        from agtop_exporter.reading.compressed import CompressedFile  # noqa: PLC0415 - seldom needed
    except ImportError as error:  # the module is an optional part of Python 3.14
        raise OSError(errno.ENOTSUP, "this Python has no zstd module", path) from error
    return CompressedFile(path)
