"""Replaces the ledger file with a new file. At any time, one of the two files is complete on disk.

The new file is written in the same directory with the suffix `.new`. When all its data is on disk,
the suffix is changed to `.complete`. Then the file is renamed to the path of the old file. If the
process is killed before the last step, the next start of the program finishes the replacement.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter import platforms
from agtop_exporter.existence import exists
from agtop_exporter.ledger import schema
from agtop_exporter.ledger.salvage import is_damage, lacks_journal

FILE_NAME = "ledger.db"
BUSY_SECONDS = 2.0
PAGE_BYTES = 4096  # SQLite's default
JOURNALS = ("-wal", "-shm")
KEPT_FILES = 3  # number of damaged or replaced files that are kept


def finish(path: Path, keep_as: str) -> Path | None:
    """Replace the file at `path` with the file that has the suffix `.complete`.

    Do nothing if no file with this suffix exists. The old file gets the suffix `keep_as` and a
    number. If `keep_as` is empty, the old file is deleted. Returns the new path of the old file, or
    None.
    """
    complete = beside(path, ".complete")
    if not exists(complete):
        return None
    aside = _unused(path, keep_as) if keep_as else None
    for suffix in ("", *JOURNALS):
        old = beside(path, suffix)
        if exists(old):
            if aside is None:
                old.unlink()
            else:
                old.rename(beside(aside, suffix))
    complete.rename(path)
    if aside is not None:
        _remove_older(aside)
    return aside


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run the block in a transaction. Roll back if the block raises an exception."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has already caused a rollback
            database.execute("ROLLBACK")
        raise


def connect(uri: str) -> sqlite3.Connection:
    """Open a database by its SQLite URI, without implicit transactions."""
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
    )


@contextlib.contextmanager
def draft(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield an empty new database for the ledger file at `path`.

    After the block, the new file gets the suffix `.complete`. After an error, it is deleted.
    """
    new = beside(path, ".new")
    for suffix in ("", "-journal", *JOURNALS):
        beside(new, suffix).unlink(missing_ok=True)
    os.close(platforms.open_private(new))
    try:
        with contextlib.closing(connect(uri_of(new, "rw"))) as target:
            yield target
        new.rename(beside(path, ".complete"))
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def connect_alone(path: Path) -> sqlite3.Connection:
    """Open a database so that no other process can use it. SQLite then shares no memory.

    https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
    """
    database = connect(uri_of(path, "rw"))
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    return database


@contextlib.contextmanager
def readable(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a file that may be damaged.

    If the file cannot be read in place, the connection is to a copy of the file. This is the case
    on a full disk, and if the first page is damaged. The copy of a damaged file has a new first
    page. If there is no space for a copy, no other process can use the file meanwhile.
    """
    with contextlib.ExitStack() as stack:
        mode = "rw" if os.access(path, os.W_OK) else reading_mode(path)
        source = stack.enter_context(contextlib.closing(connect(uri_of(path, mode))))
        try:
            source.execute("SELECT * FROM sqlite_schema").fetchall()
        except sqlite3.Error as error:
            if not is_damage(error) and not lacks_journal(error):
                raise
            source.close()
            try:
                copy = stack.enter_context(copy_of(path))
            except OSError:
                if is_damage(error):
                    raise
                source = stack.enter_context(contextlib.closing(connect_alone(path)))
            else:
                if is_damage(error):
                    _write_first_page(copy)
                source = stack.enter_context(contextlib.closing(connect(uri_of(copy, "rw"))))
        yield source


def reading_mode(path: Path) -> str:
    """Return the mode in which SQLite opens a ledger file for reading, and creates no files.

    Without a journal no process writes. `immutable` keeps SQLite from creating one.
    """
    return "ro" if exists(beside(path, "-wal")) else "ro&immutable=1"


def uri_of(path: Path, mode: str) -> str:
    """Return the SQLite URI of a file. `mode` is `ro` or `rw`, optionally with more parameters."""
    return f"{path.absolute().as_uri()}?mode={mode}"


@contextlib.contextmanager
def copy_of(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary copy of a database file. The journal is copied as well.

    A connection to the copy can still be used after the copy is removed.
    """
    with tempfile.TemporaryDirectory(prefix="agtop-") as folder:
        copy = Path(folder) / FILE_NAME
        shutil.copyfile(path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(beside(path, "-wal"), beside(copy, "-wal"))
        yield copy


def _write_first_page(path: Path) -> None:
    """Replace the first page of a database file. This page lists the tables and their root pages.

    All files of one schema version have the same first page, except for the number of pages (bytes
    28 to 31), the list of unused pages (32 to 39) and the journal mode (18 and 19):
    https://www.sqlite.org/fileformat2.html#the_database_header.
    """
    new = beside(path, ".new")
    with contextlib.closing(connect(uri_of(new, "rwc"))) as database, transaction(database):
        schema.create(database)
    page = bytearray(new.read_bytes()[:PAGE_BYTES])
    page[18:20] = b"\2\2" if exists(beside(path, "-wal")) else b"\1\1"
    page[28:32] = (path.stat().st_size // PAGE_BYTES).to_bytes(4, "big")
    page[32:40] = bytes(8)
    with path.open("r+b") as file:
        file.write(page)


def beside(path: Path, suffix: str) -> Path:
    """Return `path` with `suffix` appended to the file name."""
    return path.with_name(path.name + suffix)


def _unused(path: Path, kind: str) -> Path:
    """Return an unused path for an old file that is kept, such as `ledger.db.damaged-3`.

    `kind` is the reason why the file is replaced: `damaged` or `replaced`.
    """
    numbers = [_number(kept) for kept in path.parent.glob(f"{path.name}.{kind}-*")]
    return beside(path, f".{kind}-{max(numbers, default=0) + 1}")


def _number(kept: Path) -> int:
    digits = kept.name.rpartition(".")[2].partition("-")[2].partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def _remove_older(aside: Path) -> None:
    """Delete old ledger files of the same kind as `aside`, except the newest KEPT_FILES.

    The files may be large.
    """
    kind = aside.name.rpartition(".")[2].partition("-")[0]
    for kept in aside.parent.glob(f"{FILE_NAME}.{kind}-*"):
        if _number(kept) <= _number(aside) - KEPT_FILES:
            kept.unlink(missing_ok=True)
