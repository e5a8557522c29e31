"""Reads a file that is compressed with Zstandard (RFC 8878), without unpacking it to disk.

All offsets are byte offsets in the decompressed text. A compressed file can grow by further frames,
or be replaced. A cursor is valid while the bytes that the file had at the last read do not change.
A small file can contain an enormous text, so the memory for decompression and the length of the
text are limited. The number of lines is limited too: reading ends early if the lines are very
short.
"""

import hashlib
import sys
from typing import Literal

from agtop_exporter import platforms
from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import Cursor
from agtop_exporter.reading.plain import FINGERPRINT_BYTES, PlainFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW_LOG_MAX = 24  # 16 MiB of memory; compression levels 1 to 19 need at most 8 MiB
TEXT_BYTES = 32 * 1024 * 1024  # constant part of the maximum length of the text
TEXT_RATIO = 64  # text bytes per compressed byte, added to the maximum; transcripts have 5 to 10
LINE_BYTES = 100  # a text whose lines are shorter on average is no transcript
DISCARD_BYTES = 1024 * 1024


def decompressed(data: bytes) -> tuple[bytes, ParseErrorReason | Literal[""]]:
    """Return (text, problem) of a small compressed value, such as a cell of a database.

    `problem` is `corrupt` if the value is damaged, `too_large` if its text is longer than
    TEXT_BYTES, and "" if the text is complete.
    """
    options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG_MAX}
    decompressor = zstd.ZstdDecompressor(options=options)
    try:
        text = decompressor.decompress(data, max_length=TEXT_BYTES)
    except (zstd.ZstdError, EOFError):
        return b"", "corrupt"
    if decompressor.eof:
        return text, ""
    return b"", "corrupt" if decompressor.needs_input else "too_large"


class CompressedFile(PlainFile):
    """A compressed regular file that is open for reading.

    The texts of all Zstandard frames in the file form one text. `problem` is `corrupt` if the file
    is damaged or truncated. `problem` is `too_large` if the text is longer than `limit` bytes or
    has too many short lines. The text before the problem can be read.
    """

    def __init__(self, path: str) -> None:
        """Open a regular file. Raises NotAFileError if it is another kind of file, or OSError."""
        super().__init__(path)
        self.limit = TEXT_BYTES + TEXT_RATIO * self.status.st_size
        self._position = 0  # offset in the text
        self._last = b""  # the result of the last `read`
        self._pushed_back = b""  # decompressed text after the position
        self._file = open(self._fd, "rb", closefd=False)  # noqa: SIM115 - closed by `close`
        options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG_MAX}
        self._text = zstd.ZstdFile(self._file, options=options)

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._file.close()
        super().close()

    def seek(self, offset: int) -> None:
        """Continue reading at a byte offset of the text.

        An offset within the result of the last `read` needs no decompression. Any other offset
        before the current position requires decompressing the text again from its start.
        """
        back = self._position - offset
        if 0 < back <= len(self._last):
            self._pushed_back, self._position = self._last[-back:], offset
        elif back > 0:
            self._text.seek(0)
            self._pushed_back, self._position = b"", 0
        self._last = b""
        scratch = memoryview(bytearray(min(DISCARD_BYTES, max(0, offset - self._position))))
        while self._position < offset:
            if not self.read_into(scratch[: offset - self._position]):
                return

    def read_into(self, buffer: memoryview) -> int:
        """Read text into a buffer and return the number of bytes; 0 at the end or at a problem.

        Raises OSError.
        """
        got = self._read_pushed_back(buffer) if self._pushed_back else self._decompress(buffer)
        self._position += got
        return got

    def _read_pushed_back(self, buffer: memoryview) -> int:
        text, self._pushed_back = self._pushed_back[: len(buffer)], self._pushed_back[len(buffer) :]
        buffer[: len(text)] = text
        return len(text)

    def _decompress(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self.limit - self._position)
        try:
            return self._text.readinto1(buffer[:wanted]) if wanted else self._check_limit()
        except (zstd.ZstdError, EOFError):
            self.problem = "corrupt"
            return 0

    def _check_limit(self) -> Literal[0]:
        """Set `problem` to `too_large` if the text continues after `limit`. Return 0."""
        if self._text.read1(1):
            self.problem = "too_large"
        return 0

    def is_excessive(self, length: int, lines: int) -> bool:
        """Return whether the lines of a full batch are too short for a transcript; set `problem`.

        `length` is the number of bytes in the batch, and `lines` is the number of lines. A small
        compressed file can contain millions of lines that are no records, and reading each line
        takes time.
        """
        if length < lines * LINE_BYTES:
            self.problem = "too_large"
        return bool(self.problem)

    def read(self, count: int) -> bytes:
        """Return at most `count` bytes of text; b"" at the end. Raises OSError."""
        buffer = bytearray(count)
        self._last = bytes(buffer[: self.read_into(memoryview(buffer))])
        return self._last

    def _is_shorter(self, _cursor: Cursor) -> bool:
        return False  # the file has compressed bytes, the cursor counts text bytes

    def _begins_as_before(self, cursor: Cursor) -> bool:
        return self._digest(cursor.size) == cursor.fingerprint

    def fingerprint(self, _offset: int) -> bytes:
        """Return a digest of the compressed file: of its size and its first and last bytes."""
        return self._digest(self.status.st_size)

    def _digest(self, size: int) -> bytes:
        """Return a digest of the first `size` bytes of the compressed file."""
        head = platforms.read_at(self._fd, min(FINGERPRINT_BYTES, size), 0)
        tail_at = max(0, size - FINGERPRINT_BYTES)
        tail = platforms.read_at(self._fd, size - tail_at, tail_at)
        return hashlib.blake2b(b"%d:" % size + head + tail, digest_size=16).digest()
