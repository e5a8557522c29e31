"""How SQLite can open a database without creating a file beside it.

A read-only connection to a database in WAL mode creates a missing `-shm` file
(https://sqlite.org/wal.html), so such a database is read in another way.
"""

import contextlib
import errno
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

COPY_BYTES = 1024 * 1024 * 1024  # the largest database that is copied to be read
WAL_FORMAT = 2  # a value of the header's read version
READ_VERSION_AT = 19  # its offset in the header


class Openable(NamedTuple):
    """A file and the URI options with which SQLite opens it.

    If `unlocked` is true, the read takes no lock: its result is valid only if the files of the
    database do not change meanwhile.
    """

    path: Path
    options: str
    unlocked: bool = False


def openable(path: Path, *, size: int, cleanup: contextlib.ExitStack) -> Openable:
    """Return how to open a database; `size` is the sum of its files.

    A temporary copy is removed by `cleanup`. Raises OSError.
    """
    path = path.resolve()  # SQLite keeps the journal beside the file itself
    journal = Path(f"{path}-wal")
    if not _size(journal):
        with path.open("rb") as file:
            header = file.read(READ_VERSION_AT + 1)
        if header[READ_VERSION_AT:] != bytes([WAL_FORMAT]):
            return Openable(path, "mode=ro")
        return Openable(path, "immutable=1", unlocked=True)  # no journal: the file is complete
    if Path(f"{path}-shm").exists():
        return Openable(path, "mode=ro")
    if size > COPY_BYTES:
        raise OSError(errno.EFBIG, "has a journal without -shm, and is too large", str(path))
    folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="agtop-"))
    return Openable(_copy(path, journal, Path(folder)), "mode=ro", unlocked=True)


def _copy(path: Path, journal: Path, folder: Path) -> Path:
    """Copy a database whose journal no process has open; return the path of the copy."""
    copy = folder / "copy.db"
    shutil.copyfile(path, copy)
    shutil.copyfile(journal, f"{copy}-wal")
    return copy


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
