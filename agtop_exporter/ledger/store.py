"""Where the ledger lies: an SQLite file that one daemon writes, and others may read.

New rows gather in memory over the file; `flush` puts them into it in one transaction, so that a
crash, a full disk or a read-only start loses and doubles nothing.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from agtop_exporter.ledger.packed import Page
from agtop_exporter.model import MAX_SUM, AgtopError

SCHEMA_VERSION = 1
FILE_NAME = "ledger.db"
KEY_BYTES = 12
LOOKUP_KEYS = 500  # of one statement
BUSY_SECONDS = 2.0

TABLES = {
    "events": "key BLOB PRIMARY KEY, unpriced INTEGER, data BLOB NOT NULL",
    "hourly": """session INTEGER, model TEXT, hour INTEGER, requests INTEGER NOT NULL,
        input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL,
        cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
        cost_picousd INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL,
        PRIMARY KEY (session, model, hour)""",
    "cursors": "path TEXT PRIMARY KEY, agent TEXT NOT NULL, data BLOB NOT NULL",
    "sessions": "id INTEGER PRIMARY KEY, data BLOB NOT NULL",
    "totals": "series TEXT PRIMARY KEY, value NUMERIC NOT NULL",
    "facts": "name TEXT PRIMARY KEY, data BLOB NOT NULL",
}
HOURLY_SUMS = (
    "requests",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "cost_picousd",
    "unpriced_tokens",
)
ADD_HOURLY = (  # every word of it is a constant of this module
    f"INSERT INTO hourly VALUES ({','.join('?' * (3 + len(HOURLY_SUMS)))}) "  # noqa: S608
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{n} = {n} + excluded.{n}' for n in HOURLY_SUMS)}"
)

_encode = msgspec.msgpack.Encoder().encode

Row = tuple[object, ...]
Place = tuple[int, str, int]  # session, model, hour


class Store:
    """Rows in memory over rows in a file. `warning` says why a wanted file is not in use."""

    def __init__(self, directory: Path | None = None, *, read_only: bool = False) -> None:
        """Open the ledger of a directory; None keeps everything in memory.

        Raises AgtopError where another daemon already writes there.
        """
        self.warning = ""
        self.path = directory / FILE_NAME if directory else None
        self.read_only = read_only
        self._lock: int | None = None
        self._database: sqlite3.Connection | None = None
        self._events: dict[bytes, bytes] = {}
        self._paged: dict[bytes, Page] = {}  # events that are in no other place yet
        self._unpriced: set[bytes] = set()
        self._hourly: dict[Place, list[int]] = {}
        if self.path is not None:
            self._open(self.path)

    # --- opening ----------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        try:
            if self.read_only:
                self._read(path)
            else:
                self._create(path)
        except sqlite3.DatabaseError as error:
            self.recover(error)
        except OSError as error:
            self._do_without(error.strerror or error)

    def recover(self, error: Exception) -> None:
        """Go on without what is in the file: with a new one, where this one is damaged."""
        self._disconnect()
        if self.path is None or self.read_only or isinstance(error, sqlite3.OperationalError):
            self._do_without(error)
            return
        try:
            aside = _move_aside(self.path)
            self._create(self.path)
        except (OSError, sqlite3.Error) as obstacle:
            self._disconnect()
            self._do_without(obstacle)
            return
        self.warning = f"{self.path} is damaged ({error}); moved to {aside}, beginning a new one"

    def _do_without(self, reason: object) -> None:
        self.warning = f"cannot use {self.path}: {reason}; keeping the ledger in memory"

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        # Without a journal nobody writes; and said so, SQLite makes no files beside the ledger.
        closed = not path.with_name(FILE_NAME + "-wal").exists()
        database = self._connect(path, "ro&immutable=1" if closed else "ro")
        database.execute("BEGIN")  # one consistent view until it is closed
        self._check_version()

    def _create(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = _lock(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = self._connect(path, "rw")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if self._version() == 0:
            with self._transaction(database):
                for table, columns in TABLES.items():
                    database.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
                database.execute("CREATE INDEX unpriced ON events (key) WHERE unpriced IS NOT NULL")
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._check_version()

    def _connect(self, path: Path, mode: str) -> sqlite3.Connection:
        self._database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
        )
        return self._database

    def _version(self) -> int:
        return int(next(self._select("PRAGMA user_version"))[0])

    def _check_version(self) -> None:
        version = self._version()
        if version != SCHEMA_VERSION:
            raise sqlite3.OperationalError(
                f"its schema version is {version}, this program knows {SCHEMA_VERSION}"
            )

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        """Give the file and its lock back."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- reading ----------------------------------------------------------------------------

    def _select(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple]:  # type: ignore[type-arg]
        """Run a query of the file; without a file, nothing is found."""
        return iter(self._database.execute(statement, values) if self._database else ())

    def all(self, table: str) -> Iterator[tuple]:  # type: ignore[type-arg]  # columns of TABLES
        """Return the rows of a table of the file."""
        return self._select(f"SELECT * FROM {table}")  # noqa: S608 - a name of TABLES

    def keys(self, names: Iterable[bytes]) -> list[bytes]:
        """Return the keys of events by their names: for a file short ones."""
        if self.path is None:
            return list(names)
        return [blake2b(name, digest_size=KEY_BYTES).digest() for name in names]

    def knows_any(self, keys: set[bytes]) -> bool:
        """Say whether one of these events is known."""
        new = self._paged.keys().isdisjoint(keys) and self._events.keys().isdisjoint(keys)
        return not new or bool(self._database and self.entries(keys))

    def entries(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the data of those events of `keys` that are known."""
        for page in {self._paged[key] for key in self._paged.keys() & keys}:
            self._open_page(page)
        found = {key: self._events[key] for key in keys if key in self._events}
        wanted = [key for key in keys if key not in found] if self._database else []
        for start in range(0, len(wanted), LOOKUP_KEYS):
            part = wanted[start : start + LOOKUP_KEYS]
            marks = ",".join("?" * len(part))
            statement = f"SELECT key, data FROM events WHERE key IN ({marks})"  # noqa: S608 - marks
            found.update(self._select(statement, part))
        return found

    def unpriced(self) -> dict[bytes, bytes]:
        """Return the events whose tokens no price was known for."""
        on_disk = self._select("SELECT key, data FROM events WHERE unpriced IS NOT NULL")
        waiting = {key: data for key, data in on_disk if key not in self._events}
        return waiting | {key: self._events[key] for key in self._unpriced}

    def size_bytes(self) -> int:
        """Return the size of the file with its journal; 0 in memory."""
        if self._database is None or self.path is None:
            return 0
        parts = (self.path, self.path.with_name(FILE_NAME + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    # --- writing ----------------------------------------------------------------------------

    def put_page(self, page: Page) -> None:
        """Remember many new events at once; all of them are priced."""
        self._paged.update(dict.fromkeys(page.keys, page))

    def _open_page(self, page: Page) -> None:
        for key, entry in page.entries():
            self._events[key] = _encode(entry)
            del self._paged[key]

    def put_event(self, key: bytes, data: bytes, *, unpriced: bool) -> None:
        """Remember an event."""
        self._events[key] = data
        if unpriced:
            self._unpriced.add(key)
        else:
            self._unpriced.discard(key)

    def add_hourly(self, place: Place, sums: Sequence[int]) -> None:
        """Add to the sums of an hour, in the order of HOURLY_SUMS."""
        known = self._hourly.get(place)
        if known is None:
            self._hourly[place] = list(sums)
        else:
            for index, amount in enumerate(sums):
                known[index] += amount

    def waiting_events(self) -> int:
        """Return how many events the next flush will write."""
        return len(self._events) + len(self._paged) if self._database and not self.read_only else 0

    def flush(self, changes: Mapping[str, Iterable[Row]], *, gone: Iterable[str] = ()) -> bool:
        """Write all that is new in one transaction; False, with a `warning`, where that fails.

        `changes` are rows by table; `gone` are paths whose cursors are no longer wanted. Without
        a file that may be written, nothing outlives this process, as was asked for or warned of.
        """
        database = self._database
        if database is None or self.read_only:
            return True
        for page in set(self._paged.values()):
            self._open_page(page)
        try:
            with self._transaction(database):
                unpriced = self._unpriced
                database.executemany(
                    "INSERT OR REPLACE INTO events VALUES (?, ?, ?)",
                    (
                        (key, 1 if key in unpriced else None, data)
                        for key, data in sorted(self._events.items())
                    ),
                )
                database.executemany(
                    ADD_HOURLY,
                    (
                        (*place, *(min(amount, MAX_SUM) for amount in sums))
                        for place, sums in self._hourly.items()
                    ),
                )
                database.executemany(
                    "DELETE FROM cursors WHERE path = ?", ((path,) for path in gone)
                )
                for table, rows in changes.items():
                    marks = ",".join("?" * (TABLES[table].count(",") + 1))
                    statement = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"  # noqa: S608
                    database.executemany(statement, rows)
        except sqlite3.Error as error:
            self.warning = f"cannot write {self.path}: {error}; going on in memory"
            return False
        self.warning = ""
        self._events, self._unpriced, self._hourly = {}, set(), {}
        return True

    @staticmethod
    @contextlib.contextmanager
    def _transaction(database: sqlite3.Connection) -> Iterator[None]:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has already rolled it back
                database.execute("ROLLBACK")
            raise


def _lock(path: Path) -> int:
    """Take the directory for this process. Raises AgtopError where another holds it."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise AgtopError(
            f"another agtop-exporter already writes to {path.parent}; "
            "stop it, or choose another directory with --state-dir"
        ) from None
    return lock


def _move_aside(path: Path) -> Path:
    """Rename a damaged file, and drop its journal."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
