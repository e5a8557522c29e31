"""Opens transcripts: only regular files, read-only."""

import errno
import os
import stat


class NotAFileError(OSError):
    """The path is a directory, FIFO, socket or symbolic link, and therefore no transcript."""


def open_regular(
    path: str | os.PathLike[str], *, follow: bool = False
) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; return its descriptor and status.

    A symbolic link is an error unless `follow` is true. Opening never blocks, not even on a FIFO.
    Raises NotAFileError if the path is not a regular file, or OSError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
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
    """Return the first `limit` bytes of a regular file, or all of a shorter one.

    Symbolic links are followed. Raises NotAFileError, or OSError.
    """
    descriptor, status = open_regular(path, follow=True)
    try:
        return os.read(descriptor, min(limit, status.st_size))
    finally:
        os.close(descriptor)
