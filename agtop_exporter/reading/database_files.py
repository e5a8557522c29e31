"""Selects how a database is opened, so that SQLite creates no file beside the database.

A read-only connection to a database in WAL mode creates the `-shm` file if this file is missing
(https://sqlite.org/wal.html). A database without its `-shm` file is therefore opened as immutable
if it has no journal; otherwise a copy of the database and its journal is opened.
"""

import contextlib
import errno
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from agtop_exporter.existence import exists

COPY_BYTES = 1024 * 1024 * 1024  # maximum size of a database that is copied
WAL_FORMAT = 2  # value of the read version in the header of a database in WAL mode
READ_VERSION_AT = 19  # byte offset of the read version


class Openable(NamedTuple):
    """The path of a database file and the URI options for opening the file.

    If `unlocked` is true, SQLite does not lock the database. The caller must then check that the
    files of the database did not change during the read.
    """

    path: Path
    options: str
    unlocked: bool = False


def openable(path: Path, *, size: int, cleanup: contextlib.ExitStack) -> Openable:
    """Return the file and the URI options for opening a database.

    `size` is the total size of the database's files in bytes. The file may be a temporary copy,
    which is removed when `cleanup` is closed. Raises OSError if a copy is needed and the database
    is larger than COPY_BYTES, or if a file cannot be read.
    """
    path = path.resolve()  # SQLite looks for the journal beside the target of a link
    journal = Path(f"{path}-wal")
    if not _size(journal):
        with path.open("rb") as file:
            header = file.read(READ_VERSION_AT + 1)
        if header[READ_VERSION_AT:] != bytes([WAL_FORMAT]):
            return Openable(path, "mode=ro")
        # without a journal the file is complete
        return Openable(path, "immutable=1", unlocked=True)
    if exists(f"{path}-shm"):
        return Openable(path, "mode=ro")
    if size > COPY_BYTES:
        raise OSError(errno.EFBIG, "has a journal without -shm, and is too large", str(path))
    folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="agtop-"))
    return Openable(_copy(path, journal, Path(folder)), "mode=ro", unlocked=True)


def _copy(path: Path, journal: Path, folder: Path) -> Path:
    """Copy a database and its journal into a folder; return the path of the copied database.

    The `-shm` file is missing, so no process has the database open.
    """
    copy = folder / "copy.db"
    shutil.copyfile(path, copy)
    shutil.copyfile(journal, f"{copy}-wal")
    return copy


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
