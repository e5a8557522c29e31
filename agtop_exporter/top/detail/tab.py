"""The type of a tab, and the lines that several tabs use."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from agtop_exporter.top.listing import Heading, plain_table
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, Span

LABEL_CELLS = 10


class Tab(msgspec.Struct, frozen=True):
    """A tab: its title, and a function that returns its lines.

    The function takes the row, all rows, the `Look` (how values are shown) and the width in cells.
    """

    title: str
    lines: Callable[[Row, Rows, Look, int], list[Line]]


def field(label: str, *spans: Span) -> Line:
    """Return a line with a label and a value."""
    return ((f"{label:<{LABEL_CELLS}}", "dim"), *spans)


def note(text: str) -> list[Line]:
    """Return the lines of a tab that has only a remark."""
    return [((text, "dim"),)]


def table_lines(headings: Sequence[Heading], rows: Iterable[Sequence[Span]]) -> list[Line]:
    """Return a small table with its header."""
    return plain_table(headings, [(("", ""), row) for row in rows]).lines()
