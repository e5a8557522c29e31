"""What is new in a SQLite database since a watermark: read-only, and bounded in memory.

Nothing is ever written beside the database: https://sqlite.org/wal.html tells when a reader needs
`-shm`, and an ordinary read-only connection makes one where it is missing. This module knows no
agent; names of tables and columns are constants of its callers.
"""

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from agtop_exporter.decoding import Errors, salvage
from agtop_exporter.file_group import FileGroup, same_place
from agtop_exporter.model import Cursor
from agtop_exporter.tail import BATCH_BYTES

BUSY_SECONDS = 0.1  # a refresh waits no longer for a lock: the next one tries again
VALUE_BYTES = 32 * 1024 * 1024  # of one row: a longer one is stepped over, and counted
COPY_BYTES = 1024 * 1024 * 1024  # of a database that can only be read from a copy
BEFORE_ALL = -(2**63)  # a table may number its own rows, from 0 or below
ANCHORS = 8
ANCHOR_ROWS = 256  # at least so many rows lie between two anchors
WAL_FORMAT = 2  # of the header's read version
READ_VERSION_AT = 19

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_UNKNOWN_NAME = sqlite3.SQLITE_ERROR  # a column that this version of the agent does not have


class DatabaseBusyError(OSError):
    """The database is locked, or changed while it was read: the next refresh tries again."""


class TableRow(msgspec.Struct, array_like=True, gc=False):
    """The columns that are read of a table, each with what stands for NULL."""


Row = TypeVar("Row", bound=TableRow)


class Watermark(msgspec.Struct, frozen=True, array_like=True):
    """How far a table has been read: (rowid, key) of some rows that were seen, the latest first.

    Deleting the last rows of a table makes SQLite give their rowids out again. A row that is no
    longer what it was tells so, and reading goes on from the latest row that still is.
    """

    anchors: tuple[tuple[int, str], ...] = ()

    def moved_to(self, rowid: int, key: str) -> "Watermark":
        """Return the watermark at a later row."""
        older = self.anchors
        if len(older) > 1 and older[0][0] - older[1][0] < ANCHOR_ROWS:
            older = older[1:]
        return Watermark(((rowid, key), *older)[:ANCHORS])


class Database:
    """One database, opened for one read; a context manager.

    `unchanged` says that there is nothing to read since the cursor: it was not even opened.
    Damage is counted in `errors` as `corrupt`, and what can be read before it is. Raises
    DatabaseBusyError where locked, NotAFileError, or OSError where it cannot be opened.
    """

    def __init__(
        self, path: str, cursor: Cursor, *, errors: Errors, batch_bytes: int = BATCH_BYTES
    ) -> None:
        self.path = path
        self.more = False
        self.reset = ""
        self.records = 0
        self.bytes_read = 0
        self._errors = errors
        self._batch_bytes = batch_bytes
        self._columns: dict[str, frozenset[str]] = {}
        self._selections: dict[tuple[str, type[TableRow]], str] = {}
        self._group = FileGroup(path, (f"{path}-wal",))
        self._place = self._group.cursor()
        self._settled = False  # read without locks: it must not have changed meanwhile
        self._broken = False
        self._cleanup = contextlib.ExitStack()
        self._connection: sqlite3.Connection | None = None
        self.unchanged = same_place(cursor, self._place)

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
        if kind is None and self._settled and not same_place(self._group.cursor(), self._place):
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
            connection.execute("BEGIN")  # one consistent view until it is closed
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._fail(error)

    def _openable(self) -> tuple[Path, str]:
        """Choose how to read the database so that nothing is created beside it."""
        path, journal = Path(self.path), Path(f"{self.path}-wal")
        if not _size(journal):
            with path.open("rb") as file:
                header = file.read(READ_VERSION_AT + 1)
            if header[READ_VERSION_AT:] != bytes([WAL_FORMAT]):
                return path, "mode=ro"
            self._settled = True  # with an empty journal all is in the database itself
            return path, "immutable=1"
        if Path(f"{self.path}-shm").exists():
            return path, "mode=ro"
        return self._copy(path, journal), "mode=ro"

    def _copy(self, path: Path, journal: Path) -> Path:
        """Copy a database whose journal nobody has open."""
        if self._place.size > COPY_BYTES:
            raise OSError(errno.EFBIG, "has a journal without -shm, and is too large", self.path)
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="agtop-"))
        copy = Path(folder, "copy.db")
        shutil.copyfile(path, copy)
        shutil.copyfile(journal, f"{copy}-wal")
        self._settled = True
        return copy

    def _fail(self, error: sqlite3.Error | UnicodeDecodeError) -> None:
        """Count damage; whatever else goes wrong may be better next time.

        A damaged schema can be such that Python cannot even decode what SQLite says of it.
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
        """Return the names of a table's columns; none where there is no such table."""
        if table not in self._columns:
            rows = self._execute(f"PRAGMA table_info({table})", ())
            self._columns[table] = frozenset(str(row[1]) for row in rows)
        return self._columns[table]

    def after(
        self, table: str, watermark: Watermark, kind: type[Row], *, key: str = "id"
    ) -> Iterator[tuple[int, Row]]:
        """Give the rows behind a watermark with their rowids, in their order.

        The columns are the fields of `kind`: one that the table lacks keeps its default. `key`
        names the rows for the watermark. Ends early, with `more`, where the batch is full.
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
                # The row before one that is too large is lost with it, unless it comes alone.
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
        """Give the rows that meet a condition, which may end with an order; -1 is all of them.

        Nothing where a column of the condition does not exist, which is counted as `schema`.
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
        """Return what to select for the fields of `kind`; "" where the table has none of them."""
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
        """Tell whether a table has no rows, or is not there."""
        statement = f"SELECT 1 FROM {table} ORDER BY rowid LIMIT 1"  # noqa: S608 - a constant
        return not (self.columns(table) and self._execute(statement, ()))

    def _resume(self, table: str, watermark: Watermark, key: str) -> int:
        """Return the rowid of the latest row that is still the one that was seen."""
        for rowid, seen in watermark.anchors:
            rows = self._execute(f"SELECT {key} FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608 - constants
            if [str(row[0]) for row in rows] == [seen]:
                return rowid
            self.reset = "rewritten"
        return BEFORE_ALL

    def _step_over(self, table: str, rowid: int) -> int:
        """Pass a row that is too large."""
        self._errors.add("too_large", rowid)
        statement = f"SELECT min(rowid) FROM {table} WHERE rowid > ?"  # noqa: S608 - a constant
        rows = self._execute(statement, (rowid,))
        return int(rows[0][0]) if rows and rows[0][0] is not None else rowid + 1

    def _converted(self, row: tuple[Any, ...], kind: type[Row], *, at: int) -> Row | None:
        try:
            return msgspec.convert(row, kind)
        except msgspec.ValidationError:
            self._errors.add("schema", at)
            return salvage(dict(zip(kind.__struct_fields__, row, strict=False)), kind)

    def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return list(self._rows(statement, values))

    def _rows(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """Run a query; damage ends it early. Raises sqlite3.DataError at too large a row."""
        connection = self._connection
        if connection is None or self._broken:
            return
        given = 0
        try:
            for row in connection.execute(statement, values):
                yield row
                given += 1
        except sqlite3.DataError:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if connection.text_factory is not str or hasattr(error, "sqlite_errorcode"):
                self._fail(error)
                return
            # Some text is no UTF-8: read again what is left, in the way that is slower.
            connection.text_factory = _text
            yield from islice(self._rows(statement, values), given, None)

    def cursor(self, state: bytes) -> Cursor:
        """Return the place that was read to; half-way it is like no place that a file can have."""
        place = Cursor(device=self._place.device, inode=self._place.inode) if self.more else None
        return msgspec.structs.replace(place or self._place, state=state)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
