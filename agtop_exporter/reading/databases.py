"""Reads a SQLite database without changing it. Memory is bounded.

No file is ever created beside the database. A read-only connection creates a missing `-shm` file
(https://sqlite.org/wal.html), so such a database is read in another way. Names of tables and
columns are constants of the callers.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from agtop_exporter.labels import ResetReason
from agtop_exporter.model import Cursor
from agtop_exporter.reading.decoding import Errors, usable_fields
from agtop_exporter.reading.file_group import FileGroup, is_same_version
from agtop_exporter.reading.lines import BATCH_BYTES
from agtop_exporter.reading.rows import TableRow, Watermark

BUSY_SECONDS = 0.1  # the longest wait for a lock; the next refresh tries again
VALUE_BYTES = 32 * 1024 * 1024  # of one row: a longer one is skipped and counted
COPY_BYTES = 1024 * 1024 * 1024  # the largest database that is copied to be read
BEFORE_ALL = -(2**63)  # a table may have row ids of 0 and below
WAL_FORMAT = 2  # a value of the header's read version
READ_VERSION_AT = 19  # its offset in the header

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_UNKNOWN_NAME = sqlite3.SQLITE_ERROR  # a column that this version of the agent does not have

Row = TypeVar("Row", bound=TableRow)


class DatabaseBusyError(OSError):
    """The database is locked, or changed during the read; the next refresh tries again."""


class Database:
    """One database, opened for one read; a context manager.

    If `unchanged` is true, nothing has changed since the cursor and the database is not opened.
    Damage is counted in `errors` as `corrupt`; rows before it are read. `reset` is the reason if a
    table is read from its start again, and `more` is true if the batch ended early. Raises
    DatabaseBusyError if the database is locked, NotAFileError, or OSError if it cannot be opened.
    """

    def __init__(
        self, path: str, cursor: Cursor, *, errors: Errors, batch_bytes: int = BATCH_BYTES
    ) -> None:
        self.path = path
        self.more = False
        self.reset: ResetReason | Literal[""] = ""
        self.records = 0
        self.bytes_read = 0
        self._errors = errors
        self._batch_bytes = batch_bytes
        self._columns: dict[str, frozenset[str]] = {}
        self._selections: dict[tuple[str, type[TableRow]], str] = {}
        self._group = FileGroup(path, (f"{path}-wal",))
        self._now = self._group.cursor()
        self._unlocked = False  # read without locks: the files must not change during the read
        self._broken = False
        self._cleanup = contextlib.ExitStack()
        self._connection: sqlite3.Connection | None = None
        self.unchanged = is_same_version(cursor, self._now)

    def __enter__(self) -> Self:
        if not self.unchanged:
            try:
                self._open()
            except BaseException:
                self._cleanup.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()
        if kind is None and self._unlocked and not is_same_version(self._group.cursor(), self._now):
            raise DatabaseBusyError(errno.EAGAIN, "changed while it was read", self.path)

    # --- opening ----------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            path, options = self._openable()
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{options}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
            self._cleanup.callback(connection.close)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
            self._connection = connection
            connection.execute("BEGIN")  # one consistent view of all tables
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._fail(error)

    def _openable(self) -> tuple[Path, str]:
        """Return a path and URI options that let SQLite read without creating a file."""
        real = os.path.realpath(self.path)  # SQLite keeps the journal beside the file itself
        path, journal = Path(real), Path(f"{real}-wal")
        if not _size(journal):
            with path.open("rb") as file:
                header = file.read(READ_VERSION_AT + 1)
            if header[READ_VERSION_AT:] != bytes([WAL_FORMAT]):
                return path, "mode=ro"
            self._unlocked = True  # an empty journal: the database is complete
            return path, "immutable=1"
        if Path(f"{real}-shm").exists():
            return path, "mode=ro"
        return self._copy(path, journal), "mode=ro"

    def _copy(self, path: Path, journal: Path) -> Path:
        """Copy a database whose journal no process has open; return the path of the copy."""
        if self._now.size > COPY_BYTES:
            raise OSError(errno.EFBIG, "has a journal without -shm, and is too large", self.path)
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="agtop-"))
        copy = Path(folder, "copy.db")
        shutil.copyfile(path, copy)
        shutil.copyfile(journal, f"{copy}-wal")
        self._unlocked = True
        return copy

    def _fail(self, error: sqlite3.Error | UnicodeDecodeError) -> None:
        """Count damage; raise OSError for an error that may be gone at the next refresh.

        If the schema is damaged, Python may fail to decode SQLite's own error message.
        """
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if code is not None else None
        if primary in _CORRUPT or isinstance(error, UnicodeDecodeError):
            if not self._broken:
                self._errors.add("corrupt", 0)
            self._broken = True
        elif primary == _UNKNOWN_NAME:
            self._errors.add("schema", 0)
        elif primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            raise OSError(errno.EIO, str(error), self.path) from error
        else:
            raise DatabaseBusyError(errno.EAGAIN, str(error), self.path) from error

    # --- reading ----------------------------------------------------------------------------

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns; none if the table does not exist."""
        if table not in self._columns:
            rows = self._execute(f"PRAGMA table_info({table})", ())
            self._columns[table] = frozenset(str(row[1]) for row in rows)
        return self._columns[table]

    def after(
        self, table: str, watermark: Watermark, kind: type[Row], *, key: str = "id"
    ) -> Iterator[tuple[int, Row]]:
        """Yield (row id, row) of the rows after a watermark, in order of their row ids.

        The columns are the fields of `kind`; a column that the table lacks has its default. `key`
        is the column that identifies a row for the watermark. Ends early if the batch is full, and
        then sets `more`.
        """
        columns = self._selection(table, kind)
        if not columns or key not in self.columns(table):
            return
        rowid, at_once = self._resume(table, watermark, key), -1
        statement = f"SELECT {columns}, rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - constants
        while True:
            before = rowid
            try:
                for row in self._rows(statement, (rowid, at_once)):
                    rowid = row[-1]
                    self._count(row)
                    value = self._converted(row, kind, at=rowid)
                    if value is not None:
                        yield rowid, value
                    if self.bytes_read >= self._batch_bytes:
                        self.more = True
                        return
            except sqlite3.DataError:
                # The driver drops the row before one that is too large, unless it is read alone.
                rowid = self._step_over(table, rowid) if at_once == 1 else rowid
                at_once = 1 if at_once < 0 else -1
            else:
                if at_once < 0 or rowid == before:
                    return

    def _count(self, row: tuple[Any, ...]) -> None:
        size = 0
        for cell in row:
            kind = type(cell)
            if kind is str or kind is bytes:
                size += len(cell)
        self.records += 1
        self.bytes_read += size

    def find(
        self, table: str, kind: type[Row], *, where: str, values: Sequence[object], limit: int = -1
    ) -> Iterator[Row]:
        """Yield the rows that meet a condition, at most `limit` of them (-1: all).

        The condition may end with ORDER BY. If it names a column that does not exist, no row is
        yielded and the error is counted as `schema`.
        """
        columns = self._selection(table, kind)
        if not columns:
            return
        statement = f"SELECT {columns} FROM {table} WHERE {where} LIMIT {limit}"  # noqa: S608 - constants
        try:
            for row in self._rows(statement, values):
                value = self._converted(row, kind, at=0)
                if value is not None:
                    yield value
        except sqlite3.DataError:
            self._errors.add("too_large", 0)

    def _selection(self, table: str, kind: type[TableRow]) -> str:
        """Return the SELECT list for the fields of `kind`; "" if the table has none of them."""
        if (table, kind) not in self._selections:
            known = self.columns(table)
            cells = []
            for name, default in zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True):
                column = name if name in known else "NULL"
                cells.append(column if default is None else f"ifnull({column}, {default!r})")
            found = not known.isdisjoint(kind.__struct_fields__)
            self._selections[table, kind] = ", ".join(cells) if found else ""
        return self._selections[table, kind]

    def is_empty(self, table: str) -> bool:
        """Return whether a table has no rows, or does not exist."""
        statement = f"SELECT 1 FROM {table} ORDER BY rowid LIMIT 1"  # noqa: S608 - a constant
        return not (self.columns(table) and self._execute(statement, ()))

    def _resume(self, table: str, watermark: Watermark, key: str) -> int:
        """Return the row id after which to read: the latest anchor that is still the same row."""
        for rowid, known_key in watermark.anchors:
            rows = self._execute(f"SELECT {key} FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608 - constants
            if [str(row[0]) for row in rows] == [known_key]:
                return rowid
            self.reset = "rewritten"
        return BEFORE_ALL

    def _step_over(self, table: str, rowid: int) -> int:
        """Count a row that is too large; return its row id."""
        self._errors.add("too_large", rowid)
        statement = f"SELECT min(rowid) FROM {table} WHERE rowid > ?"  # noqa: S608 - a constant
        rows = self._execute(statement, (rowid,))
        return int(rows[0][0]) if rows and rows[0][0] is not None else rowid + 1

    def _converted(self, row: tuple[Any, ...], kind: type[Row], *, at: int) -> Row | None:
        try:
            return msgspec.convert(row, kind)
        except msgspec.ValidationError:
            self._errors.add("schema", at)
            return usable_fields(dict(zip(kind.__struct_fields__, row, strict=False)), kind)

    def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return list(self._rows(statement, values))

    def _rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """Run a query; damage ends it early. Raises sqlite3.DataError if a row is too large."""
        connection = self._connection
        if connection is None or self._broken:
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
            # Some text is not UTF-8: read the rest in the slower way.
            connection.text_factory = _text
            yield from islice(self._rows(statement, values), count, None)

    def cursor(self, state: bytes) -> Cursor:
        """Return the cursor after this read.

        If the batch ended early, it has no size: the database then counts as changed.
        """
        now = Cursor(device=self._now.device, inode=self._now.inode) if self.more else self._now
        return msgspec.structs.replace(now, state=state)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
