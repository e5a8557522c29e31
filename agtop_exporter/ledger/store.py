"""`Store`: the rows in the ledger file, and new rows that are only in memory.

`flush` writes all new rows in one transaction. A crash or a full disk therefore loses no row and
writes no row twice.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from agtop_exporter.ledger import retention
from agtop_exporter.ledger.file import LedgerFile
from agtop_exporter.ledger.lock import LockedError
from agtop_exporter.ledger.new_rows import NewRows
from agtop_exporter.ledger.obstacles import text_of
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.replacement import transaction
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.salvage import is_damage, is_intact
from agtop_exporter.ledger.schema import TABLES, UNPRICED
from agtop_exporter.ledger.stored import OF_SESSIONS, DamagedError, StoredRows, parts
from agtop_exporter.model import MAX_SUM, AgtopError


class Store(StoredRows):
    """The rows in the ledger file, and newer rows in memory.

    `warning` is the reason why the file cannot be read or written. It is "" if the file has no
    problem, or if the ledger has no file.
    """

    def __init__(
        self, directory: Path | None = None, *, read_only: bool = False, brief: bool = False
    ) -> None:
        """Open the ledger file in a directory. If the directory is None, use no file.

        `brief` is set for a command that ends soon. It only reads a file that it cannot write.
        Otherwise, raises LockedError if another process writes to the directory.
        """
        super().__init__(LedgerFile(directory) if directory else None)
        self.warning = ""
        self.read_only = read_only
        self._directory = directory
        self.new = NewRows()
        self._refused_events = 0  # the number of events that the last flush could not write
        self._rolled_up_to = b""  # the last event key that the present roll-up has visited
        self.erases = False  # the next flush also empties the journal, which still has erased text
        if self.file is not None:
            self._open(self.file, brief=brief)

    @classmethod
    def for_file(cls, file: LedgerFile) -> "Store":
        """Return a store for a file that is open for writing."""
        store = cls()
        store.file, store._directory = file, file.path.parent
        return store

    # --- the file -------------------------------------------------------------------------------

    @property
    def has_rows(self) -> bool:
        """Whether a ledger file is open, so that its rows can be read."""
        return self._database is not None

    def damage(self) -> str:
        """Check all pages of the file. Return a message if a page is damaged, else ""."""
        if self.file is None or self._database is None or is_intact(self._database):
            return ""
        return f"{self.file.path} is damaged; the daemon repairs it when it starts"

    def is_settled(self) -> bool:
        """Return whether a flush would have nothing to do if no value has changed.

        The result is False if the file is missing or replaced, or if an error prevents writing.
        """
        file = self.file
        return file is None or self.read_only or (bool(self.durable) and file.is_in_place())

    def _open(self, file: LedgerFile, *, brief: bool) -> None:
        """Open the file for writing. If the file cannot be written, open it for reading."""
        reason: Exception | None = None
        if not self.read_only:
            try:
                file.open_for_writing(brief=brief)
            except (OSError, sqlite3.Error, LockedError) as error:
                if isinstance(error, LockedError) and not brief:
                    raise
                self.read_only, reason = brief, None if brief else error
            else:
                return
        self._open_for_reading(file, reason)

    def _open_for_reading(self, file: LedgerFile, reason: Exception | None) -> None:
        """Open the file for reading. `reason` is the error that prevents writing, or None."""
        try:
            file.open_for_reading()
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self.read_intact_rows(error)
            else:
                self._warn(file, reason or error)
            return
        if reason is not None:
            self._warn(file, reason)

    def _warn(self, file: LedgerFile, error: Exception) -> None:
        action = "write" if self.has_rows else "use"
        self.warning = (
            f"cannot {action} {file.path}: {text_of(error)}; keeping the ledger in memory"
        )

    @property
    def durable(self) -> bool | None:
        """Whether all flushed rows are on disk. None if this process writes no file."""
        if self.file is None or self.read_only:
            return None
        return self.file.writable and not self.warning

    def reopened(self) -> LedgerFile | None:
        """Try to open a file for writing that could not be written before. Return the open file.

        Return None if the file still cannot be written, or if it is open for writing already.
        """
        if self._directory is None or self.read_only or (self.file and self.file.writable):
            return None
        file = LedgerFile(self._directory)
        try:
            file.open_for_writing()
        except (OSError, sqlite3.Error, AgtopError) as error:
            self._warn(file, error)
            return None
        return file

    def use(self, file: LedgerFile) -> None:
        """Replace the open file with `file`, which has the same rows and is open for writing."""
        if self.file is not None:
            self.file.close()
        self.file = file
        self.warning = ""

    def read_intact_rows(self, error: Exception) -> None:
        """Load the readable rows of a damaged file that cannot be written."""
        if self.file is None:
            return
        self.warning = f"{self.file.path} is damaged ({error}); using its intact rows"
        try:
            self.file.read_intact_rows()
        except (OSError, sqlite3.Error) as obstacle:
            self.file.close()
            self._warn(self.file, obstacle)

    def repair(self, error: Exception) -> set[str]:
        """Replace the damaged file with a new file with its readable rows.

        `error` is the error that revealed the damage. If the file cannot be written, the readable
        rows are loaded into memory. Returns the names of the tables with lost rows.
        """
        if self.file is None:
            return set()
        if self.read_only:
            self.read_intact_rows(error)
        else:
            try:
                self.file.repair(str(error))
            except (OSError, sqlite3.Error):
                self.read_intact_rows(error)
        return self.file.incomplete

    def close(self) -> None:
        """Close the file and release its lock."""
        if self.file is not None:
            self.file.close()

    def hours(self, start: int = 0, end: int = MAX_SUM) -> Iterator[Row]:
        """Yield the rows of `hourly` from the hour `start` to the one before `end`.

        Sums that are not on disk yet are yielded as separate rows. Raises DamagedError.
        """
        yield from self._select("SELECT * FROM hourly WHERE hour >= ? AND hour < ?", (start, end))
        yield from self.new.hours(start, end)

    def entries(self, keys: Collection[bytes]) -> dict[bytes, Entry]:
        """Return the stored events with these keys, by key. Raises DamagedError."""
        found = self.new.find(keys)
        wanted = [key for key in keys if key not in found] if self.has_events() else []
        for part in parts(wanted):
            marks = ",".join("?" * len(part))
            found.update(self._stored(f"WHERE key IN ({marks})", part))
        return found

    def unpriced(self) -> dict[bytes, Entry]:
        """Return the events whose price is unknown, by key. Raises DamagedError."""
        stored = self._stored(f"WHERE {UNPRICED}")
        return {key: entry for key, entry in stored if key not in self.new} | self.new.unpriced()

    def all_entries(self, where: str = "") -> Iterator[tuple[bytes, Entry]]:
        """Yield (key, event) of all events, on disk or only in memory. Raises DamagedError.

        `where` is an SQL condition that leaves out events on disk, such as `WHERE time > 0`.
        """
        for key, entry in self._stored(where):
            if key not in self.new:
                yield key, entry
        yield from self.new.entries()

    def entries_after(
        self, key: bytes, number: int
    ) -> tuple[list[tuple[bytes, Entry]], bytes | None]:
        """Return the next events after `key` as (list of (key, event), last key).

        The list has up to `number` events from disk, sorted by key. If `key` is empty, the list
        starts with all events that are not on disk yet. The last key is None if no event follows.
        Raises DamagedError.
        """
        found = [] if key else list(self.new.entries())
        stored = list(self._stored(f"WHERE key > ? ORDER BY key LIMIT {number}", (key,)))
        found += [(k, entry) for k, entry in stored if k not in self.new]
        return found, stored[-1][0] if len(stored) == number else None

    # --- writing --------------------------------------------------------------------------------

    def waiting_events(self) -> int:
        """Return how many events the next flush will write. 0 if the file cannot be written.

        After a flush has failed, the result is 0 until the number has doubled. A scan of many files
        would otherwise try to write all events again after each file.
        """
        writable = self.file is not None and self.file.writable
        return len(self.new) if writable and len(self.new) >= 2 * self._refused_events else 0

    def flush(
        self,
        changes: Mapping[str, Iterable[Row]],
        *,
        sessions: Collection[int],
        gone: Iterable[tuple[str, str]],
    ) -> bool:
        """Write all changes in one transaction. If writing fails, set `warning` and return False.

        `changes` has the changed rows by table name. `sessions` has the numbers of the sessions
        whose earlier rows in the tables OF_SESSIONS are deleted. `gone` has the (agent, path) of
        each cursor to delete. If this process writes no file, do nothing and return True. Raises
        DamagedError.
        """
        file, database = self.file, self._database
        if file is None or self.read_only:
            return True
        if database is None or not file.writable:
            return False
        try:
            if not file.is_in_place():
                file.recreate()
                database = self._database or database
            with transaction(database):
                self._write(database, changes, sessions, gone)
            if self.erases:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (OSError, sqlite3.Error, AgtopError) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                raise DamagedError(str(error)) from error
            self.warning = f"cannot write {file.path}: {text_of(error)}; going on in memory"
            self._refused_events = len(self.new)
            file.mark(stored=False)
            if file.database is None:
                self._open_for_reading(file, error)
            return False
        if self.warning:
            file.mark(stored=True)
        self.warning, self.erases = "", False
        self.new = NewRows()
        self._refused_events = 0
        return True

    def _write(
        self,
        database: sqlite3.Connection,
        changes: Mapping[str, Iterable[Row]],
        sessions: Collection[int],
        gone: Iterable[tuple[str, str]],
    ) -> None:
        self.new.write(database)
        database.executemany("DELETE FROM cursors WHERE agent = ? AND path = ?", gone)
        for table in OF_SESSIONS:
            database.executemany(
                f"DELETE FROM {table} WHERE session = ?",  # noqa: S608 - constants
                ((session,) for session in sessions),
            )
        for table, new in changes.items():
            database.executemany(TABLES[table].insert(table), new)

    def roll_up(self, before: float) -> bool:
        """Store a part of the data from before a time (unix seconds) in less detail.

        Return whether more data is left for the next call. Do nothing if the file cannot be written
        now. Raises DamagedError.
        """
        file, database = self.file, self._database
        if file is None or database is None or not file.writable:
            return False
        try:
            with transaction(database):
                last = retention.roll_up_events(database, before, after=self._rolled_up_to)
                if last is None:
                    retention.roll_up_hours(database, before)
            self._has_old_keys = None
            self._rolled_up_to = last or b""
            if last is None:
                retention.vacuum(database)
        except sqlite3.Error as error:
            if is_damage(error):
                raise DamagedError(str(error)) from error
            return False
        return last is not None
