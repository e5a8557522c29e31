"""Arranges cells in columns that fit the terminal, and cuts and wraps lines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import msgspec
from rich.cells import cell_len, set_cell_size

from agtop_exporter.model import Session
from agtop_exporter.render.table.columns import MISSING, Column, View

GAP = 2  # spaces between two columns
INDENT = "  "  # of the second and later lines of a note


class Terminal(msgspec.Struct, frozen=True):
    """The size and the characters that the output can show.

    `width` is the maximum number of characters in a line, and `height` the maximum number of lines;
    None means no limit. If `ascii_only` is true, the output has only ASCII characters. If `color`
    is true, it has ANSI colors.
    """

    width: int | None = None
    height: int | None = None
    ascii_only: bool = False
    color: bool = False

    def visible(self, text: str) -> str:
        """Return the text without control characters, and with `?` for what cannot be shown."""
        if not text.isprintable():
            text = "".join(filter(str.isprintable, text))
        return text.encode("ascii", "replace").decode() if self.ascii_only else text

    def cut(self, text: str, width: int | None) -> str:
        """Return the text, cut to at most `width` characters. A cut text ends with an ellipsis."""
        if width is None or cell_len(text) <= width:
            return text
        ellipsis = ("..." if self.ascii_only else "…")[:width]
        return f"{set_cell_size(text, width - len(ellipsis))}{ellipsis}"

    def lines(self, notes: Iterable[Sequence[str]]) -> list[str]:
        """Return notes as lines. A note is a sequence of parts.

        A note that is too long for one line is wrapped between two parts.
        """
        return [line for note in notes if note for line in self._wrapped(note)]

    def _wrapped(self, parts: Iterable[str]) -> Iterator[str]:
        line = ""
        for part in map(self.visible, parts):
            longer = f"{line}, {part}" if line else part
            if line and self.width is not None and cell_len(longer) >= self.width:
                yield self.cut(f"{line},", self.width)
                longer = INDENT + part
            line = longer
        yield self.cut(line, self.width)


class Style(Protocol):
    """The title, the rank, the alignment and the widths of a column; see `columns.Column`."""

    @property
    def title(self) -> str:
        """The text above the column."""

    @property
    def rank(self) -> int:
        """If the table is too wide, the column with the highest rank is removed first."""

    @property
    def align(self) -> Literal["left", "right"]:
        """The side on which the cells are aligned."""

    @property
    def width_max(self) -> int:
        """The greatest width in a terminal."""

    @property
    def width_min(self) -> int:
        """The width to which the column may be narrowed; 0 means that it is not narrowed."""


class Filled(msgspec.Struct, frozen=True):
    """A column with the cells of all rows. The cells are not aligned yet."""

    column: Style
    cells: list[str]

    @property
    def title(self) -> str:
        """The title of the column."""
        return self.column.title

    @property
    def natural(self) -> int:
        """The width of the widest cell."""
        return max(map(cell_len, [self.title, *self.cells]))

    def width(self, limit: int) -> int:
        """Return the width of the column if its cells have at most `limit` characters."""
        return min(self.natural, max(limit, len(self.title)))


class Arranged(msgspec.Struct, frozen=True):
    """Columns with their widths."""

    columns: list[Filled]
    widths: list[int]

    @property
    def width(self) -> int:
        """The width of a row."""
        return _width(self.widths)

    def lines(self, terminal: Terminal) -> Iterator[list[str]]:
        """Yield the cells of the header and of each row, cut and padded to their width."""
        rows = zip(*(item.cells for item in self.columns), strict=True)
        for cells in ([item.title for item in self.columns], *rows):
            yield [
                _aligned(terminal.cut(cell, width), width, item.column.align)
                for cell, width, item in zip(cells, self.widths, self.columns, strict=True)
            ]


def fill(
    columns: Sequence[Column], sessions: Sequence[Session], view: View, terminal: Terminal
) -> list[Filled]:
    """Return the columns with their cells.

    Columns whose cells are all unknown, or repeat another column, are left out.
    """
    filled = {
        column.title: Filled(column, [terminal.visible(column.cell(s, view)) for s in sessions])
        for column in columns
    }
    return [
        filled[column.title]
        for column in columns
        if any(cell != MISSING for cell in filled[column.title].cells)
        and not (
            column.unless_equal and filled[column.title].cells == filled[column.unless_equal].cells
        )
    ]


def arrange(columns: Sequence[Filled], width: int | None) -> Arranged:
    """Return the columns that fit into `width` characters, with their widths.

    If the columns are too wide, all of them are narrowed. If this is not enough, the columns with
    the highest rank are removed. The remaining space is given back to the narrowed columns, the one
    with the lowest rank first.
    """
    kept = list(columns)
    if width is None:
        return Arranged(kept, [item.natural for item in kept])
    least = {
        item.title: item.width(item.column.width_min or item.column.width_max) for item in kept
    }
    while _width([least[item.title] for item in kept]) > width:
        last = max(kept, key=lambda item: item.column.rank)
        if last.column.rank == 0:
            break
        kept.remove(last)
    widths = {item.title: least[item.title] for item in kept}
    space = max(0, width - _width(list(widths.values())))
    for item in sorted(kept, key=lambda item: item.column.rank):
        added = min(space, item.width(item.column.width_max) - widths[item.title])
        widths[item.title] += added
        space -= added
    return Arranged(kept, list(widths.values()))


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _aligned(text: str, width: int, align: str) -> str:
    space = " " * (width - cell_len(text))
    return text + space if align == "left" else space + text
