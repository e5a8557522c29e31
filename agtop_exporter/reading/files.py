"""Opens regular files for reading, and rejects other kinds of files.

Apart from `platforms`, this module imports only the standard library, because the child process of
the module `folders` imports it.
"""

import errno
import os
import stat

from agtop_exporter import platforms

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors write it at the start of a UTF-8 text


class NotAFileError(OSError):
    """The path is not a regular file but a directory, FIFO, socket, device or loop of links."""


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; return (file descriptor, status).

    Symbolic links are followed. Opening does not block, not even for a FIFO. Raises NotAFileError
    if the path is not a regular file, or OSError.
    """
    try:
        descriptor = platforms.open_for_reading(path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotAFileError(error.errno, "not a regular file", path) from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotAFileError(errno.EINVAL, "not a regular file", path)
    return descriptor, status


def read_head(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the first `limit` bytes of a regular file, without a byte order mark at the start.

    Symbolic links are followed. Raises NotAFileError if the path is not a regular file, or OSError.
    """
    descriptor, status = open_regular(path)
    try:
        return os.read(descriptor, min(limit, status.st_size)).removeprefix(BYTE_ORDER_MARK)
    finally:
        os.close(descriptor)
