"""Reads the new rows of a table of OpenCode's database, and rows that may have changed."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from agtop_exporter.agents.opencode.rows import LogRow, MessageRow, PartRow, SessionRow
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.sqlite import DatabaseParser
from agtop_exporter.reading.state import ReaderState

REMEMBERED = 256  # number of rows that can still change

Row = TypeVar("Row", SessionRow, MessageRow, PartRow, LogRow)


class DatabaseState(ReaderState):
    """The reader state of a database: positions in its tables, and rows that can still change."""

    updated: float = 0.0  # latest change of a session, in unix milliseconds
    rows: dict[str, Watermark] = msgspec.field(default_factory=dict)
    open: dict[str, list[str]] = msgspec.field(default_factory=dict)  # row ids by table
    # Row ids by table, of rows whose session or message is not in the database yet.
    waiting: dict[str, list[str]] = msgspec.field(default_factory=dict)
    # Last row id of `part` before the first message was read. The steps up to this row were read
    # together with their message.
    first_parts: int = 0


class TableReader(DatabaseParser[DatabaseState]):
    """Base class of the parser, which reads the rows of each table.

    `database` is the database of the current read.
    """

    state_type = DatabaseState
    database: Database

    def new_rows(
        self, table: str, kind: type[Row], *, matching: str = ""
    ) -> Iterator[tuple[int, Row]]:
        """Yield (row id, row) for the rows to read again, and then for the new rows.

        A row is read again if it was incomplete, or if its session was not in the database. The
        yielded row id of such a row is 0. `matching` is an SQL condition for new rows.
        """
        ids = [*self.state.open.pop(table, ()), *self.state.waiting.pop(table, ())]
        marks = ",".join("?" * len(ids))
        if ids:
            where = f"id IN ({marks}) ORDER BY rowid"
            for row in self.database.find(table, kind, where=where, values=ids):
                yield 0, row
        if self.database.more:
            return
        watermark = self.state.rows.get(table, Watermark())
        last = (0, "")
        for rowid, row in self.database.after(table, watermark, kind, matching=matching or "1"):
            last = (rowid, row.id)
            yield rowid, row
        if matching and not self.database.more:
            last = self.database.newest(table) or last
        if last[0]:
            self.state.rows[table] = watermark.moved_to(*last, reset=self.database.reset)

    def read_again(self, table: str, row_id: str) -> None:
        """Read a row again in the next read, because it can still change."""
        self.state.open[table] = [*self.state.open.get(table, ()), row_id][-REMEMBERED:]
