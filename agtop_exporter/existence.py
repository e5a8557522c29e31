"""Checks whether files and directories exist.

`Path.exists`, `Path.is_file` and `Path.is_dir` of Python 3.14 return False after every error. But
an error does not show that a file is absent: perhaps a directory above it cannot be read. The
functions here raise such errors in all versions of Python.
"""

import errno
import os
import stat
from pathlib import Path

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP})
ABSENT_ON_WINDOWS = frozenset({21, 123, 1921})  # no disk in the drive, invalid name, loop of links


def exists(path: str | Path) -> bool:
    """Return whether a path names anything, after links. Raises OSError if that is unknown."""
    return _mode(path) is not None


def is_file(path: str | Path) -> bool:
    """Return whether a path names a regular file, after links. Raises OSError, as `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_directory(path: str | Path) -> bool:
    """Return whether a path names a directory, after links. Raises OSError, as `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _mode(path: str | Path) -> int | None:
    """Return type and permissions, as in `os.stat_result.st_mode`; None if nothing is there."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - the path may be a str
    except ValueError:  # a NUL byte in the path
        return None
    except OSError as error:
        if error.errno in ABSENT or getattr(error, "winerror", None) in ABSENT_ON_WINDOWS:
            return None
        raise
