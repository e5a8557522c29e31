"""The SQLite file of a ledger: locking, migration and repair.

One process holds the lock and writes. Other processes may read. A file that has an older schema
version or damaged pages is replaced by a new file with all readable rows of the old file.
"""

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

from agtop_exporter import platforms
from agtop_exporter.existence import exists, is_directory
from agtop_exporter.ledger import damage as lost
from agtop_exporter.ledger import rows, schema
from agtop_exporter.ledger.lock import LOCK_NAME, Lock
from agtop_exporter.ledger.migrations import intact_rows
from agtop_exporter.ledger.replacement import (
    FILE_NAME,
    beside,
    connect,
    connect_alone,
    copy_of,
    draft,
    finish,
    readable,
    reading_mode,
    transaction,
    uri_of,
)
from agtop_exporter.ledger.salvage import is_damage, is_intact
from agtop_exporter.model import AgtopError

LARGE_BYTES = 200_000_000  # the size of a file whose pages are checked in 0.3 s


class NewerSchemaError(sqlite3.OperationalError):
    """The ledger file was written by a later version of this program."""


class LedgerFile:
    """The ledger file of one state directory.

    `database` is the open connection, or None. `writable` is True if this process may write. After
    a repair, `repaired` is a message about the repair. `incomplete` has the names of the tables
    that lost rows in the repair. `in_memory` has the names of the tables whose rows the caller has
    in memory and will write again.
    """

    def __init__(self, directory: Path) -> None:
        """Set the path. The file is not opened before `open_for_writing` or `open_for_reading`."""
        self.path = directory / FILE_NAME
        self.database: sqlite3.Connection | None = None
        self.writable = False
        self.incomplete: set[str] = set()
        self.in_memory: frozenset[str] = frozenset()
        self.repaired = ""
        self._lock = Lock(directory / LOCK_NAME)
        self._identity = (0, 0)

    # --- opening --------------------------------------------------------------------------------

    def open_for_writing(self, *, brief: bool = False) -> None:
        """Acquire the lock, then create, migrate or repair the file.

        `brief` is set for a command that ends soon, see `Lock.acquire`. Raises LockedError if
        another process holds the lock. Raises OSError or sqlite3.Error if the
        file cannot be written now. After an error, the file is closed and the lock is released.
        """
        try:
            platforms.make_directory(self.path.parent)
            self._lock.acquire(brief=brief)
            finish(self.path, "damaged")
            os.close(platforms.open_private(self.path))
            self._make_current()
            self._start_writing()
        except BaseException:
            self.close()
            raise

    def _make_current(self) -> None:
        """Create the tables of a new file. Replace a file that is damaged or has an old schema."""
        tables = self._tables_to_check()
        try:
            database = self._connect(self.path, "rw")
            version = known_version(database)
            if version != schema.SCHEMA_VERSION:
                tables = frozenset()
            damage = "" if is_intact(database, tables) else "a page is not well-formed"
            if version == schema.SCHEMA_VERSION and not schema.is_complete(database):
                damage = "a table is missing"
            if version == schema.EMPTY_VERSION and not damage:
                with transaction(database):
                    schema.create(database)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            version, damage = schema.SCHEMA_VERSION, str(error)
        if damage:
            self.repair(damage)
        elif version not in (schema.EMPTY_VERSION, schema.SCHEMA_VERSION):
            self._replace(keep_as="")

    def _tables_to_check(self) -> frozenset[str]:
        """Return the tables whose pages are checked before the file is used; empty means all pages.

        A large file without a journal was closed properly, so its large tables are not checked. If
        a page of such a table is damaged nevertheless, reading the page raises an error, and the
        file is then repaired.
        """
        journal = beside(self.path, "-wal")
        if exists(journal) or self.path.stat().st_size <= LARGE_BYTES:
            return frozenset()
        return frozenset(schema.TABLES) - schema.LARGE_TABLES

    def _start_writing(self) -> None:
        self._disconnect()
        database = self._connect(self.path, "rw")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = ON")  # titles quote prompts
        with transaction(database):  # fails here if the file is read-only
            pass
        self._identity = _identity(self.path)
        self.writable = True

    def open_for_reading(self) -> None:
        """Open the file for reading, if the file exists.

        One transaction stays open, so that all reads see the same data. Raises OSError or
        sqlite3.Error.
        """
        if not exists(self.path):
            return
        if is_directory(self.path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            self._open_view(self.path)
        except sqlite3.OperationalError as error:
            if isinstance(error, NewerSchemaError) or not exists(beside(self.path, "-wal")):
                raise
            # SQLite needs a shared memory file beside a journal. A full disk has no space for it.
            try:
                with copy_of(self.path) as copy:
                    self._open_view(copy)
            except OSError:  # the disk with the temporary files is full, too
                self._read_into_memory()

    def _open_view(self, path: Path) -> None:
        try:
            database = self._connect(path, reading_mode(path))
            database.execute("BEGIN")
            if known_version(database) != schema.SCHEMA_VERSION:
                self.read_intact_rows()
        except BaseException:
            self._disconnect()
            raise

    def _read_into_memory(self) -> None:
        """Copy the file into memory. Other processes cannot use the file meanwhile."""
        memory = connect(":memory:")
        with contextlib.closing(connect_alone(self.path)) as source:
            source.backup(memory)
        self._disconnect()
        self.database = memory
        if known_version(memory) != schema.SCHEMA_VERSION:
            self.read_intact_rows()

    def read_intact_rows(self) -> None:
        """Copy the readable rows of an old or damaged file into a database in memory.

        `database` is then the connection to the database in memory. The file does not change.
        Raises OSError or sqlite3.Error.
        """
        memory = connect(":memory:")
        self._fill(memory)
        self._disconnect()
        self.database = memory

    # --- replacing ------------------------------------------------------------------------------

    def repair(self, damage: str) -> None:
        """Replace the damaged file with a new file with all readable rows.

        The damaged file gets another name. `damage` is a text for the message in `repaired`. Raises
        OSError or sqlite3.Error if the new file cannot be written. Nothing has changed then.
        """
        aside = self._replace(keep_as="damaged")
        missing = ", ".join(sorted(self.incomplete)) or "none"
        self.repaired = (
            f"{self.path} was damaged ({damage}): it was repaired, the damaged file is {aside}; "
            f"tables with missing rows: {missing}"
        )
        if lost.must_count_again(self.incomplete - self.in_memory):
            self.repaired += f"; {lost.CONSEQUENCE}"
        self._start_writing()

    def recreate(self) -> None:
        """Write the file again after another program removed or replaced it.

        The rows come from the open connection. If the path now leads to another ledger, that ledger
        stays: it was restored, or its file system was mounted. Raises AgtopError, OSError or
        sqlite3.Error if the file cannot be written now.
        """
        if self.database is None:
            raise sqlite3.OperationalError("it is not open")
        if self._is_other_ledger():
            raise AgtopError("another ledger has replaced it; restart agtop-exporter to use that")
        platforms.make_directory(self.path.parent)
        self._lock.acquire()
        with draft(self.path) as target:
            self.database.backup(target)
        finish(self.path, "replaced")
        self.repaired = f"{self.path} was removed or replaced: it was written again"
        self._start_writing()

    def mark(self, *, stored: bool) -> None:
        """Show other processes whether the file has all data of this process."""
        self._lock.mark(stored=stored)

    def is_in_place(self) -> bool:
        """Return whether the open file and its lock file are still at their paths."""
        return self._lock.is_held() and _identity(self.path) == self._identity

    def _is_other_ledger(self) -> bool:
        """Return whether the path leads to a ledger that is not the open file."""
        if _identity(self.path) in {(0, 0), self._identity}:
            return False
        try:
            uri = uri_of(self.path, reading_mode(self.path))
            with contextlib.closing(connect(uri)) as database:
                return schema.version_of(database) != schema.EMPTY_VERSION
        except sqlite3.Error:
            return False

    def _replace(self, *, keep_as: str) -> Path | None:
        with draft(self.path) as target:
            self._fill(target)
        self._disconnect()
        return finish(self.path, keep_as)

    def _fill(self, target: sqlite3.Connection) -> None:
        """Copy the readable rows of the file into the empty database `target`."""
        self.incomplete = set()
        self._disconnect()
        with transaction(target), readable(self.path) as source:
            schema.create(target)
            version = known_version(source) or schema.SCHEMA_VERSION
            insert = {n: t.insert(n, otherwise="IGNORE") for n, t in schema.TABLES.items()}
            agents: set[str] = set()
            for table, row in intact_rows(source, version, self.incomplete):
                target.execute(insert[table], row)
                if table == "totals":
                    agents.update(lost.agent_of(*rows.total_of(row)[0]))
            lost.note(target, self.incomplete - self.in_memory, agents)

    # --- connections ----------------------------------------------------------------------------

    def _connect(self, path: Path, mode: str) -> sqlite3.Connection:
        self._disconnect()
        self.database = connect(uri_of(path, mode))
        return self.database

    def _disconnect(self) -> None:
        self.writable = False
        if self.database is not None:
            self.database.close()
            self.database = None

    def close(self) -> None:
        """Close the file and release the lock."""
        self._disconnect()
        self._lock.release()


def known_version(database: sqlite3.Connection) -> int:
    """Return the schema version of a database.

    Raises NewerSchemaError if the version is later than SCHEMA_VERSION.
    """
    version = schema.version_of(database)
    if version > schema.SCHEMA_VERSION:
        raise NewerSchemaError(
            f"its schema version is {version}, this program knows {schema.SCHEMA_VERSION}:"
            " install the newer agtop-exporter again"
        )
    return version


def _identity(path: Path) -> tuple[int, int]:
    """Return (device, inode) of the file at a path; (0, 0) if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino
