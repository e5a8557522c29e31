"""Reads the intact rows of a table whose pages are damaged.

SQLite stores a table as a tree that is sorted by key. A read stops at the first damaged page.
Therefore several reads start at different keys. One more read goes backwards from the end.
"""

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from agtop_exporter.ledger.rows import Row

START_KEYS = 256  # number of reads of one table

# SQLite reports damage with these codes, and a full or slow disk with others:
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # a table is missing
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_CONSTRAINT,
    }
)
_NO_JOURNAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means that the content of the file is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def lacks_journal(error: sqlite3.Error) -> bool:
    """Return whether an error may mean that SQLite cannot use the files beside the database.

    SQLite needs a shared memory file beside a journal. A full disk or a read-only directory has no
    place for it.
    """
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_JOURNAL


def is_intact(database: sqlite3.Connection, tables: Iterable[str] = ()) -> bool:
    """Return whether all pages of `tables` are well-formed; no tables mean the whole database.

    The check takes 1.5 s per gigabyte. Before version 3.33, SQLite checks the whole database.
    """
    checks = [f"PRAGMA quick_check({table})" for table in tables] or ["PRAGMA quick_check(1)"]
    return all(database.execute(check).fetchone() == ("ok",) for check in checks)


class SalvagedTable:
    """Iterates over the readable rows of one table. A row can occur several times.

    `key` has the columns of the primary key. The first column of the key must also be the first
    column of the table. After the iteration, `complete` is True if all rows were readable.
    """

    def __init__(self, database: sqlite3.Connection, table: str, key: tuple[str, ...]) -> None:
        self._database = database
        self._table = table
        self._key = key
        self._last: Any = None  # first key column of the last row that was read
        self.complete = False

    def __iter__(self) -> Iterator[Row]:
        self.complete = yield from self._read()
        if self.complete:
            return
        for start in self._start_keys():
            if self._last is None or start > self._last:
                yield from self._read(f"WHERE {self._key[0]} >= ?", (start,))
        yield from self._read(order="DESC")

    def _read(
        self, where: str = "", values: Row = (), *, order: str = "ASC"
    ) -> Generator[Row, None, bool]:
        """Yield the rows before the first damaged page. Return True if no page is damaged."""
        keys = ", ".join(f"{column} {order}" for column in self._key)
        statement = f"SELECT * FROM {self._table} {where} ORDER BY {keys}"  # noqa: S608 - constants
        try:
            for row in self._database.execute(statement, values):
                if order == "ASC":
                    self._last = row[0]
                yield row
        except (sqlite3.Error, UnicodeDecodeError):  # UnicodeDecodeError: the text is not UTF-8
            return False
        return True

    def _start_keys(self) -> list[Any]:
        """Return the values of the first key column at which reads start, spread over the table."""
        column = self._key[0]
        statement = f"SELECT {column} FROM {self._table} ORDER BY {column} DESC"  # noqa: S608
        try:
            last = self._database.execute(statement).fetchone()
        except sqlite3.Error:
            last = None
        if last and isinstance(last[0], int):
            return list(range(0, last[0] + 1, max(1, last[0] // START_KEYS)))
        return [bytes([number]) for number in range(START_KEYS)] if column == "key" else []
