"""Stored rows: those in the ledger's file, and new ones in memory.

`flush` writes the new rows in one transaction, so that a crash or a full disk loses or repeats
nothing.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from agtop_exporter.ledger import retention, rows
from agtop_exporter.ledger.changes import Place
from agtop_exporter.ledger.file import LedgerFile
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.replacement import transaction
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.salvage import is_damage, is_intact
from agtop_exporter.ledger.schema import TABLES, UNPRICED
from agtop_exporter.ledger.stored import OF_SESSIONS, DamagedError, StoredRows, parts
from agtop_exporter.model import AgtopError

COST_OF_HOUR = list(TABLES["hourly"].columns).index("cost") - 3  # without the key

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Store(StoredRows):
    """Rows in a file, and newer rows in memory.

    `warning` is the reason why the file is not in use; "" if it is, or if no file is wanted.
    """

    def __init__(self, directory: Path | None = None, *, read_only: bool = False) -> None:
        """Open the ledger of a directory; None keeps everything in memory.

        Raises AgtopError if another daemon writes to the directory.
        """
        super().__init__(LedgerFile(directory) if directory else None)
        self.warning = ""
        self.read_only = read_only
        self._directory = directory
        self._events: dict[bytes, bytes] = {}
        self._unpriced: set[bytes] = set()
        self._hourly: dict[Place, list[int]] = {}
        self.erases = False  # the next flush also empties the journal, which has erased text
        if self.file is not None:
            self._open(self.file)

    @classmethod
    def for_file(cls, file: LedgerFile) -> "Store":
        """Return a store for a file that is open for writing."""
        store = cls()
        store.file, store._directory = file, file.path.parent
        return store

    # --- the file -------------------------------------------------------------------------------

    @property
    def has_rows(self) -> bool:
        """Whether the rows of a file can be read."""
        return self._database is not None

    def damage(self) -> str:
        """Check all pages of the file; return a message about damage, or ""."""
        if self.file is None or self._database is None or is_intact(self._database):
            return ""
        return f"{self.file.path} is damaged; the daemon repairs it when it starts"

    def is_settled(self) -> bool:
        """Return whether the file is in place, so that a flush without changes is not needed."""
        file = self.file
        return file is None or self.read_only or (bool(self.durable) and file.is_in_place())

    def _open(self, file: LedgerFile) -> None:
        """Open the file for writing; if that fails, open it for reading."""
        reason: Exception | None = None
        if not self.read_only:
            try:
                file.open_for_writing()
            except (OSError, sqlite3.Error) as error:
                reason = error
            else:
                return
        self._open_for_reading(file, reason)

    def _open_for_reading(self, file: LedgerFile, reason: Exception | None) -> None:
        """Open the file for reading; `reason` is the error that prevents writing, if any."""
        try:
            file.open_for_reading()
        except (OSError, sqlite3.Error) as error:
            self._warn("use", file, error)
            return
        if reason is not None:
            self._warn("write", file, reason)

    def _warn(self, action: str, file: LedgerFile, error: Exception) -> None:
        self.warning = f"cannot {action} {file.path}: {_text(error)}; keeping the ledger in memory"

    @property
    def durable(self) -> bool | None:
        """Whether all flushed rows are on disk; None if no file is written."""
        if self.file is None or self.read_only:
            return None
        return self.file.writable and not self.warning

    def reopened(self) -> LedgerFile | None:
        """Try to open a file that could not be written before; return None if it still cannot."""
        if self._directory is None or self.read_only or (self.file and self.file.writable):
            return None
        file = LedgerFile(self._directory)
        try:
            file.open_for_writing()
        except (OSError, sqlite3.Error, AgtopError) as error:
            self._warn("write", file, error)
            return None
        return file

    def use(self, file: LedgerFile) -> None:
        """Use another connection to the same rows."""
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
            self._warn("use", self.file, obstacle)

    def repair(self, error: Exception) -> set[str]:
        """Replace the damaged file; return the tables with missing rows."""
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

    def hours(self) -> Iterator[Row]:
        """Yield the rows of `hourly`, including those that are not on disk yet."""
        yield from self.all("hourly")
        for place, sums in self._hourly.items():
            yield (*place, *sums)

    def entries(self, keys: Collection[bytes]) -> dict[bytes, Entry]:
        """Return the stored events with these keys. Raises DamagedError."""
        found = {key: _decode(self._events[key]) for key in keys if key in self._events}
        wanted = [key for key in keys if key not in found] if self._database else []
        for part in parts(wanted):
            marks = ",".join("?" * len(part))
            found.update(self._stored(f"WHERE key IN ({marks})", part))
        return found

    def unpriced(self) -> dict[bytes, Entry]:
        """Return the events whose price was unknown. Raises DamagedError."""
        stored = {
            k: entry for k, entry in self._stored(f"WHERE {UNPRICED}") if k not in self._events
        }
        return stored | {key: _decode(self._events[key]) for key in self._unpriced}

    def all_entries(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield all events, including those that are not on disk yet. Raises DamagedError."""
        for key, entry in self._stored(""):
            if key not in self._events:
                yield key, entry
        for key, data in self._events.items():
            yield key, _decode(data)

    def cost_since(self, hour: int) -> dict[int, int]:
        """Return the cost in picodollars by session, from an hour on. Raises DamagedError."""
        statement = "SELECT session, SUM(cost) FROM hourly WHERE hour >= ? GROUP BY session"
        costs = {session: int(cost) for session, cost in self._select(statement, (hour,))}
        for (session, _, at), sums in self._hourly.items():
            if at >= hour:
                costs[session] = costs.get(session, 0) + sums[COST_OF_HOUR]
        return costs

    def entries_after(
        self, key: bytes, number: int
    ) -> tuple[list[tuple[bytes, Entry]], bytes | None]:
        """Return up to `number` stored events by key, and the last key; None after the last event.

        With an empty key, the events that are not on disk yet come first. Raises DamagedError.
        """
        found = [] if key else self.new_entries()
        stored = list(self._stored(f"WHERE key > ? ORDER BY key LIMIT {number}", (key,)))
        found += [(k, entry) for k, entry in stored if k not in self._events]
        return found, stored[-1][0] if len(stored) == number else None

    def new_entries(self) -> list[tuple[bytes, Entry]]:
        """Return the events that are not on disk yet."""
        return [(key, _decode(data)) for key, data in self._events.items()]

    # --- writing --------------------------------------------------------------------------------

    def put_event(self, key: bytes, entry: Entry) -> None:
        """Store an event."""
        self._events[key] = _encode(entry)
        if entry.cost is None and entry.is_billed:
            self._unpriced.add(key)
        else:
            self._unpriced.discard(key)

    def add_hourly(self, place: Place, sums: Sequence[int]) -> None:
        """Add to the sums of an hour, in the order of the columns."""
        known = self._hourly.get(place)
        if known is None:
            self._hourly[place] = list(sums)
        else:
            for index, amount in enumerate(sums):
                known[index] += amount

    def waiting_events(self) -> int:
        """Return how many events the next flush will write."""
        writable = self.file is not None and self.file.writable
        return len(self._events) if writable else 0

    def flush(
        self,
        changes: Mapping[str, Iterable[Row]],
        *,
        sessions: Collection[int],
        gone: Iterable[tuple[str, str]],
    ) -> bool:
        """Write all changes in one transaction; return False and set `warning` if that fails.

        `changes` are rows by table. `sessions` are numbers of sessions whose earlier rows in
        OF_SESSIONS are deleted. `gone` are (agent, path) of cursors to delete. Does nothing if no
        file is written. Raises DamagedError.
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
            self.warning = f"cannot write {file.path}: {_text(error)}; going on in memory"
            if file.database is None:
                self._open_for_reading(file, error)
            return False
        self.warning, self.erases = "", False
        self._events, self._unpriced, self._hourly = {}, set(), {}
        return True

    def _write(
        self,
        database: sqlite3.Connection,
        changes: Mapping[str, Iterable[Row]],
        sessions: Collection[int],
        gone: Iterable[tuple[str, str]],
    ) -> None:
        entries = sorted(self.new_entries())
        database.executemany(
            TABLES["events"].insert("events"), (rows.event_row(*entry) for entry in entries)
        )
        hours = self._hourly.items()
        database.executemany(
            rows.ADD_HOURLY,
            (rows.hourly_row(place, sums) for place, sums in hours),
        )
        database.executemany("DELETE FROM cursors WHERE agent = ? AND path = ?", gone)
        for table in OF_SESSIONS:
            database.executemany(
                f"DELETE FROM {table} WHERE session = ?",  # noqa: S608 - constants
                ((session,) for session in sessions),
            )
        for table, new in changes.items():
            database.executemany(TABLES[table].insert(table), new)

    def roll_up(self, before: float) -> bool:
        """Store data from before a time in less detail; return whether more is left to do.

        Does nothing if the file cannot be written now. Raises DamagedError.
        """
        file, database = self.file, self._database
        if file is None or database is None or not file.writable:
            return False
        try:
            with transaction(database):
                more = retention.roll_up_events(database, before)
                if not more:
                    retention.roll_up_hours(database, before)
            self._has_old_keys = None
            if not more:
                retention.vacuum(database)
        except sqlite3.Error as error:
            if is_damage(error):
                raise DamagedError(str(error)) from error
            return False
        return more


def _text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
