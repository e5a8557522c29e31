"""Arranges rows in columns that fit the terminal, and returns the header and the lines."""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import msgspec

from agtop_exporter.top.columns import COLUMNS, Column
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row
from agtop_exporter.top.spans import Line, Span, fitted

GAP = 1
GUTTER = 2  # a mark of the selected row, and a mark of a live process


class Table(msgspec.Struct, frozen=True):
    """A header line, and lines that are created when they are needed.

    `keys` has a key for each line, so that the cursor can follow its line when the order changes.
    `line` returns the line with a number. The first cell of a line is empty, because the mark of
    the selected line is drawn there. `starts` has the first cell and the name of each column.
    """

    header: Line
    keys: tuple[SessionId, ...]
    line: Callable[[int], Line]
    starts: tuple[tuple[int, str], ...] = ()

    def lines(self) -> list[Line]:
        """Return the header and all lines."""
        return [self.header, *map(self.line, range(len(self.keys)))]

    def column_at(self, cell: int) -> str | None:
        """Return the name of the column at a terminal cell of the header."""
        before = [name for start, name in self.starts if start <= cell]
        return before[-1] if before else None


class Placed(msgspec.Struct, frozen=True):
    """A column and the width that it has on the screen."""

    column: Column
    width: int


def fitting(width: int, hidden: Collection[str] = ()) -> list[Placed]:
    """Return the columns that fit into `width` cells, with their widths.

    `hidden` has the titles of the columns that the user has hidden. Columns of rank 0 always stay.
    """
    wanted = [column for column in COLUMNS if column.title not in hidden]
    space = width - GUTTER
    while _least(wanted) > space:
        first_to_go = max(wanted, key=lambda column: column.rank)
        if first_to_go.rank == 0:
            break
        wanted.remove(first_to_go)
    widths = {column.title: column.width for column in wanted}
    left = space - _least(wanted)
    growing = sorted((column for column in wanted if column.stretch), key=lambda one: one.stretch)
    for number, column in enumerate(growing):
        more = min(column.stretch, max(0, left) // (len(growing) - number))
        widths[column.title] += more
        left -= more
    return [Placed(column, widths[column.title]) for column in wanted]


def _least(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * max(0, len(columns) - 1)


def sessions_table(  # noqa: PLR0913 - what the list depends on
    rows: Sequence[Row],
    keys: tuple[SessionId, ...],
    look: Look,
    *,
    width: int,
    sorted_by: str,
    flipped: bool,
    hidden: Collection[str] = (),
) -> Table:
    """Return the list of sessions. `keys` are the keys of `rows` in the same order.

    `sorted_by` is the name of the column by which the list is sorted, in reverse order if
    `flipped`. `hidden` has the titles of hidden columns.
    """
    placed = fitting(width, hidden)
    header: list[Span] = [(" " * GUTTER, "")]
    starts, cell = [], GUTTER
    for number, item in enumerate(placed):
        column = item.column
        sign = ""
        if column.title == sorted_by:
            sign = "▼" if column.rises == flipped else "▲"
        title = f"{column.title[: item.width - len(sign)]}{sign}"
        if number:
            header.append((" " * GAP, ""))
        header.append(
            (fitted(title, item.width, align=column.align), "sorted" if sign else "title")
        )
        starts.append((cell, column.title))
        cell += item.width + GAP
    return Table(
        tuple(header),
        keys,
        lambda index: _line(rows[index], placed, look),
        tuple(starts),
    )


def _line(row: Row, placed: Sequence[Placed], look: Look) -> Line:
    spans: list[Span] = [(" ", ""), ("│" if row.is_live else " ", "live")]
    for number, item in enumerate(placed):
        text, style = item.column.cell(row, look)
        if number:
            spans.append((" " * GAP, ""))
        column = item.column
        spans.append(
            (fitted(text, item.width, align=column.align, keep_end=column.keeps_end), style)
        )
    return tuple(spans)


Align = Literal["left", "right"]


class Heading(msgspec.Struct, frozen=True):
    """A column of a small table: its title, width and alignment."""

    title: str
    width: int
    align: Align = "right"


def plain_table(
    headings: Sequence[Heading],
    rows: Sequence[tuple[SessionId, Sequence[Span]]],
    *,
    sorted_by: str = "",
) -> Table:
    """Return a table of texts, such as the totals. Each row has a key and a cell per heading.

    `sorted_by` is the title of the column whose largest value is first.
    """
    header: list[Span] = [(" " * GUTTER, "")]
    for number, heading in enumerate(headings):
        if number:
            header.append((" " * GAP, ""))
        is_sorted = bool(sorted_by) and heading.title == sorted_by
        title = f"{heading.title}{'▼' if is_sorted else ''}"
        style = "sorted" if is_sorted else "title"
        header.append((fitted(title, heading.width, align=heading.align), style))

    def line(index: int) -> Line:
        spans: list[Span] = [(" ", ""), (" ", "")]
        for number, (heading, (text, style)) in enumerate(
            zip(headings, rows[index][1], strict=True)
        ):
            if number:
                spans.append((" " * GAP, ""))
            spans.append((fitted(text, heading.width, align=heading.align), style))
        return tuple(spans)

    return Table(tuple(header), tuple(key for key, _ in rows), line)
