"""Opens a SQLite database for reading, and runs queries in it.

The names of tables and columns are inserted into SQL statements as text. Callers must pass only
constants as names.
"""

import contextlib
import errno
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agtop_exporter.reading.database_files import openable
from agtop_exporter.reading.decoding import Errors

BUSY_SECONDS = 0.1  # maximum wait for a lock; the next refresh tries again
VALUE_BYTES = 32 * 1024 * 1024  # maximum size of a row; a longer row is skipped and counted

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_UNKNOWN_NAME = sqlite3.SQLITE_ERROR  # SQLite reports a missing column with this code


class DatabaseBusyError(OSError):
    """The database is locked, or it changed during the read. The next refresh reads it again."""


class DamagedError(Exception):
    """A query has reached a damaged part of the database. Other queries can succeed."""


class Connection:
    """A read-only connection to a database. All queries see the same state of the database.

    If the database is damaged, a `corrupt` error is counted once in `errors`. A missing column is
    counted as a `schema` error. `unlocked` is true if SQLite does not lock the database; see
    `database_files.Openable`. `is_stopped` is true after `stop`.
    """

    def __init__(self, path: str, errors: Errors) -> None:
        """Create a connection that is not open. Queries of such a connection return no rows."""
        self._path = path
        self._errors = errors
        self.unlocked = False
        self._damaged = False
        self.is_stopped = False
        self._cleanup = contextlib.ExitStack()
        self._connection: sqlite3.Connection | None = None

    def open(self, *, size: int) -> None:
        """Open the database. `size` is the total size of the database's files in bytes.

        Raises DatabaseBusyError if the database is locked, and OSError if the database cannot be
        opened.
        """
        try:
            found = openable(Path(self._path), size=size, cleanup=self._cleanup)
            self.unlocked = found.unlocked
            connection = sqlite3.connect(
                f"{found.path.absolute().as_uri()}?{found.options}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
            self._cleanup.callback(connection.close)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
            self._connection = connection
            connection.execute("BEGIN")  # all queries see the same state of the database
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            with contextlib.suppress(DamagedError):
                self._fail(error)
            self.stop()

    def stop(self) -> None:
        """Let all further queries return no rows, because a result would be misleading."""
        self.is_stopped = True

    def close(self) -> None:
        """Close the database, and remove a temporary copy of it."""
        self._cleanup.close()

    def _fail(self, error: sqlite3.Error | UnicodeDecodeError) -> None:
        """Count a damaged database or a missing column as an error of the source.

        Raises DamagedError for a damaged database, and OSError for an error that may be temporary.
        If the schema of the database is damaged, Python can fail to decode the error message of
        SQLite. A UnicodeDecodeError is therefore counted as damage.
        """
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if code is not None else None
        if primary in _CORRUPT or isinstance(error, UnicodeDecodeError):
            if not self._damaged:
                self._errors.add("corrupt", 0)
            self._damaged = True
            raise DamagedError(self._path) from error
        if primary == _UNKNOWN_NAME:
            self._errors.add("schema", 0)
        elif primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            raise OSError(errno.EIO, str(error), self._path) from error
        else:
            raise DatabaseBusyError(errno.EAGAIN, str(error), self._path) from error

    def all_rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query before any damage; see `rows`."""
        found: list[tuple[Any, ...]] = []
        with contextlib.suppress(DamagedError):
            found.extend(self.rows(statement, values))
        return found

    def rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query. `values` are the parameters of the query.

        Raises sqlite3.DataError if a row is larger than VALUE_BYTES, DamagedError if a row is
        damaged, DatabaseBusyError if the database is locked, and OSError if it cannot be read.
        """
        connection = self._connection
        if connection is None or self.is_stopped:
            return
        count = 0
        try:
            for row in connection.execute(statement, values):
                yield row
                count += 1
        except sqlite3.DataError:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if connection.text_factory is not str or hasattr(error, "sqlite_errorcode"):
                self._fail(error)
                return
            # Some text is not UTF-8: repeat the query with a slower decoder for the remaining rows.
            connection.text_factory = _decode_lenient
            yield from islice(self.rows(statement, values), count, None)


def _decode_lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")
