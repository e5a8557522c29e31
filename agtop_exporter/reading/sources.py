"""Opens a text file for reading, and decompresses a compressed file during the read."""

import errno
from typing import Literal

from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import Cursor
from agtop_exporter.reading.plain import PlainFile

COMPRESSED_SUFFIXES = (".zst", ".zstd")


def is_at_end(path: str, cursor: Cursor) -> bool:
    """Return whether `cursor` is at the end of the file that was read.

    The offset in a compressed file counts decompressed bytes and the size does not, so they cannot
    be compared. The result for a compressed file is True.
    """
    return path.endswith(COMPRESSED_SUFFIXES) or cursor.offset >= cursor.size


def open_source(path: str) -> PlainFile:
    """Open a text file. If its name has one of COMPRESSED_SUFFIXES, reading decompresses it.

    Raises NotAFileError if the path is not a regular file, or OSError.
    """
    if not path.endswith(COMPRESSED_SUFFIXES):
        return PlainFile(path)
    try:
        from agtop_exporter.reading.compressed import CompressedFile  # noqa: PLC0415 - seldom needed
    except ImportError as error:  # the module is an optional part of Python 3.14
        raise OSError(errno.ENOTSUP, "this Python has no zstd module", path) from error
    return CompressedFile(path)


def decompressed(data: bytes) -> tuple[bytes, ParseErrorReason | Literal[""]]:
    """Return (text, problem) of a compressed value, such as a cell of a database.

    See `compressed.decompressed`. Raises OSError if this Python has no zstd module.
    """
    try:
        from agtop_exporter.reading import compressed  # noqa: PLC0415 - seldom needed
    except ImportError as error:  # as in `open_source`
        raise OSError(errno.ENOTSUP, "this Python has no zstd module") from error
    return compressed.decompressed(data)
