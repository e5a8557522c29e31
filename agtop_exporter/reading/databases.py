"""Reads a SQLite database without changing it, with bounded memory.

The names of tables and columns are inserted into SQL statements as text. Callers must pass only
constants as names.
"""

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self, TypeVar

import msgspec

from agtop_exporter.labels import ResetReason
from agtop_exporter.model import NANOSECONDS, Cursor
from agtop_exporter.reading.connection import Connection, DamagedError, DatabaseBusyError
from agtop_exporter.reading.damage import decode_gaps, encode_gaps, end_of_damage
from agtop_exporter.reading.decoding import Errors, usable_fields
from agtop_exporter.reading.file_group import database_group, is_same_version
from agtop_exporter.reading.lines import BATCH_BYTES
from agtop_exporter.reading.rows import TableRow, Watermark

BEFORE_ALL = -(2**63)  # row ids can be 0 or negative

Row = TypeVar("Row", bound=TableRow)


class Database:
    """Context manager for one read of one database.

    If the database has not changed since the cursor, `unchanged` is true and the database is not
    opened. Damaged rows are skipped, and a `corrupt` error is counted in `errors`. If rows of a
    table are read again, `reset` is the reason, else "". `more` is true if the read ended because
    it exceeded `batch_bytes`.

    Raises DatabaseBusyError if the database is locked or changes during the read, NotAFileError if
    the path is not a regular file, and OSError if the database cannot be opened.
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
        self._group = database_group(path)
        self._now = self._group.cursor()
        self._connection = Connection(path, errors)
        self._gaps = decode_gaps(cursor.fingerprint)
        self.unchanged = is_same_version(cursor, self._now)

    @property
    def modified_at(self) -> float:
        """The modification time of the database and its log, in unix seconds."""
        return self._now.mtime_ns / NANOSECONDS

    @property
    def is_incomplete(self) -> bool:
        """Whether damage has ended the read, so that results can lack rows."""
        return self._connection.is_stopped

    def __enter__(self) -> Self:
        if not self.unchanged:
            try:
                self._connection.open(size=self._now.size)
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._connection.close()
        if (
            kind is None
            and self._connection.unlocked
            and not is_same_version(self._group.cursor(), self._now)
        ):
            raise DatabaseBusyError(errno.EAGAIN, "changed while it was read", self.path)

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns; an empty set if the table does not exist.

        If the schema is damaged, the read of the database ends.
        """
        if table not in self._columns:
            rows: list[tuple[Any, ...]] = []
            try:
                rows.extend(self._connection.rows(f"PRAGMA table_info({table})", ()))
            except DamagedError:
                self._connection.stop()
            self._columns[table] = frozenset(str(row[1]) for row in rows)
        return self._columns[table]

    def after(  # noqa: PLR0913 - the parts of a query
        self,
        table: str,
        watermark: Watermark,
        kind: type[Row],
        *,
        key: str = "id",
        matching: str = "1",
        past_damage: bool = True,
    ) -> Iterator[tuple[int, Row]]:
        """Yield (row id, row) for each row after a watermark, in order of row ids.

        The fields of `kind` are the columns to read. If the table lacks a column, the field has its
        default. `key` is the column whose value identifies a row in the watermark. `matching` is an
        SQL condition that the rows meet. Damaged rows are skipped; they are read if a later read
        finds them repaired. If `past_damage` is false, the iteration ends before the first damaged
        row. The iteration ends early, with `more` set to true, when the read exceeds `batch_bytes`.
        """
        columns = self._selection(table, kind)
        if not columns or key not in self.columns(table):
            return
        statement = (
            f"SELECT {columns}, rowid FROM {table} WHERE rowid > ? AND {matching} "  # noqa: S608 - constants
            "ORDER BY rowid LIMIT ?"
        )
        rowid: int | None = self._begin(table, watermark, key, statement)
        chunk_rows = -1
        while rowid is not None:
            before = rowid
            try:
                for row in self._connection.rows(statement, (rowid, chunk_rows)):
                    rowid = row[-1]
                    self._count(row)
                    value = self._converted(row, kind, at=rowid)
                    if value is not None:
                        yield rowid, value
                    if self.bytes_read >= self._batch_bytes:
                        self.more = True
                        return
            except (sqlite3.DataError, DamagedError) as error:
                # The driver drops the row before a bad one unless it fetches rows singly.
                if chunk_rows == 1:
                    rowid = self._skip(table, rowid, statement if past_damage else "", error)
                chunk_rows = 1 if chunk_rows < 0 else -1
            else:
                if chunk_rows < 0 or rowid == before:
                    return

    def _count(self, row: tuple[Any, ...]) -> None:
        size = 0
        for cell in row:
            kind = type(cell)
            if kind is str or kind is bytes:
                size += len(cell)
        self.records += 1
        self.bytes_read += size

    def find(  # noqa: PLR0913 - the parts of a query
        self,
        table: str,
        kind: type[Row],
        *,
        where: str,
        values: Sequence[object],
        limit: int = -1,
        is_detail: bool = False,
    ) -> Iterator[Row]:
        """Yield the rows that meet the SQL condition `where`, at most `limit` of them (-1: all).

        `values` are the parameters of the condition. `where` may end with ORDER BY. If `where`
        names a missing column, no row is yielded and a `schema` error is counted. A row that is too
        large ends the iteration and is counted as a `too_large` error. A damaged row ends it too,
        and ends the read of the database: a missing row can mean that usage must not be counted. If
        `is_detail` is true, a missing row has no such meaning, and other rows are still read.
        """
        columns = self._selection(table, kind)
        if not columns:
            return
        statement = f"SELECT {columns} FROM {table} WHERE {where} LIMIT {limit}"  # noqa: S608 - constants
        try:
            for row in self._connection.rows(statement, values):
                value = self._converted(row, kind, at=0)
                if value is not None:
                    yield value
        except sqlite3.DataError:
            self._errors.add("too_large", 0)
        except DamagedError:  # the connection has counted the damage
            if not is_detail:
                self._connection.stop()

    def _selection(self, table: str, kind: type[TableRow]) -> str:
        """Return the SELECT list for the fields of `kind`; "" if the table has no such column."""
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
        """Return whether a table is empty or does not exist."""
        statement = f"SELECT 1 FROM {table} ORDER BY rowid LIMIT 1"  # noqa: S608 - a constant
        return not (self.columns(table) and self._connection.all_rows(statement))

    def newest(self, table: str) -> tuple[int, str] | None:
        """Return the row id and the column `id` of the last row; None if the table has no rows."""
        if "id" not in self.columns(table):
            return None
        statement = f"SELECT rowid, id FROM {table} ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - a constant
        rows = self._connection.all_rows(statement)
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    def _begin(self, table: str, watermark: Watermark, key: str, statement: str) -> int:
        """Return the row id after which reading begins; see `_resume`.

        If damaged rows were skipped and are now repaired, this is the row id before these rows.
        """
        gap = self._gaps.get(table)
        if gap is None or not self._is_readable(statement, gap):
            return self._resume(table, watermark, key)
        del self._gaps[table]
        self.reset = "rewritten"
        return gap

    def _resume(self, table: str, watermark: Watermark, key: str) -> int:
        """Return the row id after which reading continues; BEFORE_ALL for the start of the table.

        This is the row id of the watermark's latest anchor that is still valid. `reset` is set if a
        later anchor is not valid.
        """
        for rowid, known_key in watermark.anchors:
            statement = f"SELECT {key} FROM {table} WHERE rowid = ?"  # noqa: S608 - constants
            rows = self._connection.all_rows(statement, (rowid,))
            if rows and str(rows[0][0]) == known_key:
                return rowid
            if rows:  # the row id was reused for another row
                self.reset = "rewritten"
            elif self._was_replaced(table, key, known_key, rowid):
                return rowid
        if watermark.anchors:
            self.reset = "rewritten"
        return BEFORE_ALL

    def _was_replaced(self, table: str, key: str, known_key: str, rowid: int) -> bool:
        """Return whether the row with the key `known_key` now has a row id larger than `rowid`.

        SQLite replaces a row by deleting the row and inserting it again at the end of the table.
        The earlier rows are then unchanged, and reading can continue after the old row id.
        """
        statement = f"SELECT 1 FROM {table} WHERE {key} = ? AND rowid > ?"  # noqa: S608 - constants
        return bool(self._connection.all_rows(statement, (known_key, rowid)))

    def _skip(self, table: str, rowid: int, statement: str, error: Exception) -> int | None:
        """Return the row id after which reading continues after an error; None if there is none.

        The error is that of the row after `rowid`. `statement` is the query that reads this row; ""
        if reading does not continue after damage.
        """
        if not isinstance(error, DamagedError):
            return self._skip_oversized(table, rowid)
        if not statement:
            return None
        self._gaps.setdefault(table, rowid)
        end = end_of_damage(rowid, lambda at: self._is_readable(statement, at))
        if end is None:
            self._connection.stop()
        return end

    def _is_readable(self, statement: str, rowid: int) -> bool:
        """Return whether a query can read the row after `rowid`, or finds no row."""
        try:
            for _ in self._connection.rows(statement, (rowid, 1)):
                break
        except DamagedError:
            return False
        except sqlite3.DataError:
            return True  # the row is only too large
        return True

    def _skip_oversized(self, table: str, rowid: int) -> int:
        """Count the row after `rowid` as a `too_large` error, and return the row id of this row."""
        self._errors.add("too_large", rowid)
        statement = f"SELECT min(rowid) FROM {table} WHERE rowid > ?"  # noqa: S608 - a constant
        rows = self._connection.all_rows(statement, (rowid,))
        return int(rows[0][0]) if rows and rows[0][0] is not None else rowid + 1

    def _converted(self, row: tuple[Any, ...], kind: type[Row], *, at: int) -> Row | None:
        try:
            return msgspec.convert(row, kind)
        except msgspec.ValidationError:
            self._errors.add("schema", at)
            return usable_fields(dict(zip(kind.__struct_fields__, row, strict=False)), kind)

    def cursor(self, state: bytes) -> Cursor:
        """Return the cursor after this read; `state` is the encoded reader state.

        If there are more rows to read, the cursor has no size and no modification time. The
        database then differs from the cursor, and the next refresh reads more rows.
        """
        now = Cursor(device=self._now.device, inode=self._now.inode) if self.more else self._now
        return msgspec.structs.replace(now, fingerprint=encode_gaps(self._gaps), state=state)
