"""Reads an uncompressed text file, and checks whether a cursor in it is still valid."""

import hashlib
import os
from typing import Literal

from agtop_exporter import platforms
from agtop_exporter.labels import ParseErrorReason, ResetReason
from agtop_exporter.model import Cursor
from agtop_exporter.reading.files import open_regular

FINGERPRINT_BYTES = 512  # number of bytes at the start and at the end of the text in the digest


class PlainFile:
    """A regular file that is open for reading.

    `problem` is the reason why the text after the current position cannot be read; "" if there is
    no problem. `status` is the file's status when it was opened.
    """

    problem: ParseErrorReason | Literal[""] = ""

    def __init__(self, path: str) -> None:
        """Open a regular file. Raises NotAFileError if it is another kind of file, or OSError."""
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
        """Return False: the number of lines in a batch is never excessive in an uncompressed file.

        CompressedFile overrides this method, because a small compressed file can have millions of
        lines.
        """
        return False

    def reset_reason(self, cursor: Cursor) -> ResetReason | Literal[""]:
        """Return why the file must be read again from its start; "" if the cursor is valid."""
        if self._is_shorter(cursor):
            return "truncated"
        if self._begins_as_before(cursor):
            return ""
        same_file = (self.status.st_dev, self.status.st_ino) == (cursor.device, cursor.inode)
        return "rewritten" if same_file else "replaced"

    def _is_shorter(self, cursor: Cursor) -> bool:
        return self.status.st_size < cursor.offset

    def _begins_as_before(self, cursor: Cursor) -> bool:
        return self.fingerprint(cursor.offset) == cursor.fingerprint

    def fingerprint(self, offset: int) -> bytes:
        """Return a digest of the text before a byte offset.

        The digest is computed from the first and the last FINGERPRINT_BYTES of this text. A changed
        digest shows that the text was changed.
        """
        head = platforms.read_at(self._fd, min(FINGERPRINT_BYTES, offset), 0)
        tail_at = max(0, offset - FINGERPRINT_BYTES)
        tail = platforms.read_at(self._fd, offset - tail_at, tail_at)
        return hashlib.blake2b(head + tail, digest_size=16).digest()
