"""Queries that read the rows of the ledger file."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.file import LedgerFile
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.salvage import is_damage

KEY_BYTES = 12
LOOKUP_KEYS = 500  # keys per statement
# tables in which all rows of a session are replaced together
OF_SESSIONS = ("session_models", "session_tools", "session_floors")
SESSION_NUMBERS = {"sessions": "id"} | dict.fromkeys((*OF_SESSIONS, "hourly"), "session")
"""The name of the column with the session number, by table name."""


class DamagedError(Exception):
    """A part of the ledger file cannot be read. `Store.repair` replaces the file."""


class StoredRows:
    """Queries that read the rows of a ledger file. Without a file, a query returns no rows."""

    def __init__(self, file: LedgerFile | None = None) -> None:
        self.file = file
        self._has_old_keys: bool | None = None  # None: not known yet
        self._had_events = False

    @property
    def _database(self) -> sqlite3.Connection | None:
        return self.file.database if self.file else None

    def _select(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query. Raises DamagedError."""
        if self._database is None:
            return
        try:
            for row in self._database.execute(statement, values):  # noqa: UP028 - the cursor of a generator that is left may outlive its connection
                yield row
        except UnicodeDecodeError as error:
            raise DamagedError(str(error)) from error
        except sqlite3.Error as error:
            if is_damage(error):
                raise DamagedError(str(error)) from error
            raise

    def all(self, table: str) -> Iterator[Row]:
        """Yield all rows of a table. Raises DamagedError."""
        return self._select(f"SELECT * FROM {table}")  # noqa: S608 - a name of TABLES

    def by_session(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table in order of session numbers. Raises DamagedError."""
        column = SESSION_NUMBERS[table]
        return self._select(f"SELECT * FROM {table} ORDER BY {column}")  # noqa: S608 - constants

    def session_count(self) -> int:
        """Return the number of sessions: the largest session number in any table, plus one.

        Raises DamagedError.
        """
        last = [
            next(self._select(f"SELECT MAX({column}) FROM {table}"), (None,))[0]  # noqa: S608
            for table, column in SESSION_NUMBERS.items()
        ]
        return max((number + 1 for number in last if isinstance(number, int)), default=0)

    def session_names(self) -> Iterator[Row]:
        """Yield (number, agent, session id, parent's id, project, branch) of each session.

        Raises DamagedError.
        """
        columns = "id, agent, session_id, parent_session_id, project, git_branch"
        return self._select(f"SELECT {columns} FROM sessions")  # noqa: S608 - constants

    def reader_state(self, agent: str, path: str) -> bytes | None:
        """Return the stored reader state of a cursor, or None. Raises DamagedError."""
        statement = "SELECT reader_state FROM cursors WHERE agent = ? AND path = ?"
        for (state,) in self._select(statement, (agent, path)):
            return bytes(state) if isinstance(state, bytes) else None
        return None

    def size_bytes(self) -> int:
        """Return the size of the ledger file and its journal in bytes.

        The result is 0 without a file, and if the directory cannot be entered.
        """
        if self._database is None or self.file is None:
            return 0
        size = 0
        for part in (self.file.path, self.file.path.with_name(self.file.path.name + "-wal")):
            with contextlib.suppress(OSError):
                size += part.stat().st_size
        return size

    def requests_by_session(self) -> dict[int, int]:
        """Return the sum of requests in `hourly` by session number. Raises DamagedError."""
        statement = "SELECT session, SUM(requests) FROM hourly GROUP BY session"
        return {session: requests for session, requests in self._select(statement) if requests}

    def keys(self, names: Iterable[bytes]) -> list[bytes]:
        """Return the keys under which events with these names are stored.

        With a ledger file, a key is a short hash of the name. Without a file, it is the name.
        """
        if self.file is None:
            return list(names)
        return [blake2b(name, digest_size=KEY_BYTES).digest() for name in names]

    def has_events(self) -> bool:
        """Return whether the table `events` has had rows. Raises DamagedError.

        While it has none, a first scan need not search it for each event.
        """
        self._had_events = self._had_events or any(
            True for _ in self._select("SELECT 1 FROM events LIMIT 1")
        )
        return self._had_events

    def old_keys(self, keys: Collection[bytes]) -> set[bytes]:
        """Return the members of `keys` that are stored without their event (see `retention`).

        Raises DamagedError.
        """
        if self._has_old_keys is None:
            self._has_old_keys = any(True for _ in self._select("SELECT 1 FROM old_keys LIMIT 1"))
        found: set[bytes] = set()
        for part in parts(keys) if self._has_old_keys else ():
            marks = ",".join("?" * len(part))
            statement = f"SELECT key FROM old_keys WHERE key IN ({marks})"  # noqa: S608 - marks
            found.update(key for (key,) in self._select(statement, part))
        return found

    def _stored(self, where: str, values: Sequence[object] = ()) -> Iterator[tuple[bytes, Entry]]:
        for row in self._select(f"SELECT * FROM events {where}", values):  # noqa: S608 - constants
            try:
                yield rows.event_of(row)
            except rows.BAD_ROW as error:
                raise DamagedError(f"a row of events: {error}") from error


def parts(keys: Collection[bytes]) -> Iterator[list[bytes]]:
    """Split keys into lists of at most LOOKUP_KEYS keys, each for one SQL statement."""
    wanted = list(keys)
    for start in range(0, len(wanted), LOOKUP_KEYS):
        yield wanted[start : start + LOOKUP_KEYS]
