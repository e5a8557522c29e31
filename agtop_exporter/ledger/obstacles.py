"""Describes the errors that prevent reading or writing the ledger file."""

import errno
import tempfile
from pathlib import Path

from agtop_exporter.existence import exists

NO_LOCKS = ("SQLITE_PROTOCOL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK")
"""The beginnings of SQLite's errors on file systems without locks or without shared memory.

Such file systems are some of NFS, Lustre, GPFS and 9P, on clusters and in virtual machines.
"""
NO_SPACE = "SQLITE_IOERR_SHMSIZE"  # a full disk has no space for the shared memory
_SPACE_BYTES = 65_536  # more than SQLite needs for an empty journal and its shared memory


def text_of(error: Exception) -> str:
    """Return the reason of an error, and what the user can do if the file system has no locks."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    name = getattr(error, "sqlite_errorname", "")
    if name == NO_SPACE:
        return "database or disk is full"
    if name.startswith(NO_LOCKS) or getattr(error, "errno", None) == errno.ENOLCK:
        text += " (file system without locks: name a local directory with --state-dir)"
    return text


def obstacle_to_writing(directory: Path) -> str:
    """Return the reason why a ledger cannot be written in a state directory; "" if it can.

    A temporary file is written in the directory, or in the nearest parent directory that exists.
    """
    existing = next(path for path in (directory, *directory.parents) if exists(path))
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(_SPACE_BYTES))
    except OSError as error:
        return f"cannot write the ledger in {existing}: {text_of(error)}; a restart loses it"
    return ""
