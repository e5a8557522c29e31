"""Describes the errors that prevent reading or writing the ledger file."""

import errno

NO_LOCKS = ("SQLITE_PROTOCOL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK")
"""The beginnings of SQLite's errors on file systems without locks or without shared memory.

Such file systems are some of NFS, Lustre, GPFS and 9P, on clusters and in virtual machines.
"""
NO_SPACE = "SQLITE_IOERR_SHMSIZE"  # a full disk has no space for the shared memory


def text_of(error: Exception) -> str:
    """Return the reason of an error, and what the user can do if the file system has no locks."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    name = getattr(error, "sqlite_errorname", "")
    if name == NO_SPACE:
        return "database or disk is full"
    if name.startswith(NO_LOCKS) or getattr(error, "errno", None) == errno.ENOLCK:
        text += " (file system without locks: name a local directory with --state-dir)"
    return text
