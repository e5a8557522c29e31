"""The columns of a report: names, requests, tokens and cost."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec
from rich.style import Style

from agtop_exporter.model import PICODOLLARS_PER_USD, UsageSum
from agtop_exporter.render.table.columns import PARTLY_PRICED, UNKNOWN_COST
from agtop_exporter.render.table.layout import GAP, Filled, Terminal, arrange

LEAST_USD = 0.005  # rounded to cents, a smaller amount is 0


class Column(msgspec.Struct, frozen=True):
    """A column of a report, see `layout.Style`."""

    title: str
    rank: int
    align: Literal["left", "right"] = "right"
    width_max: int = 30
    width_min: int = 0


def usd(picodollars: float) -> str:
    """Return an amount such as `$1,406.70`. An amount below half a cent is `<$0.01`."""
    amount = picodollars / PICODOLLARS_PER_USD
    return "<$0.01" if 0 < amount < LEAST_USD else f"${amount:,.2f}"


def cost(usage: UsageSum) -> str:
    """Return the list price; `?` if it is unknown. `*` marks tokens without a known price."""
    if not usage.cost_known:
        return UNKNOWN_COST
    return f"{usd(usage.cost)}{PARTLY_PRICED if usage.unpriced_tokens else ''}"


FIGURES: tuple[tuple[Column, Callable[[UsageSum], str]], ...] = (
    (Column("REQUESTS", 8), lambda usage: f"{usage.requests:,}"),
    (Column("INPUT", 5), lambda usage: f"{usage.tokens.input:,}"),
    (Column("OUTPUT", 4), lambda usage: f"{usage.tokens.output:,}"),
    (
        Column("CACHE WRITE", 7),
        lambda usage: f"{usage.tokens.cache_write_5m + usage.tokens.cache_write_1h:,}",
    ),
    (Column("CACHE READ", 6), lambda usage: f"{usage.tokens.cache_read:,}"),
    (Column("TOKENS", 2), lambda usage: f"{usage.tokens.total:,}"),
    (Column("COST", 0), cost),
)
"""The columns of requests, tokens and cost, with the functions that return their cells.

If a table is too wide, the column with the highest rank is removed first.
"""


def filled(usage: Sequence[UsageSum]) -> Iterator[Filled]:
    """Yield the columns of requests, tokens and cost with their cells. The cost is last."""
    for column, cell in FIGURES:
        yield Filled(column, list(map(cell, usage)))


def grid(
    columns: Sequence[Filled], terminal: Terminal, *, bold: Sequence[bool], total: bool = False
) -> Iterator[str]:
    """Yield the lines of a table. `bold` marks the rows that are bold.

    If `total` is true, a rule is drawn above the last row.
    """
    arranged = arrange(columns, terminal.width)
    rule = "-" * min(arranged.width, terminal.width or arranged.width)
    header, *rows = (
        terminal.cut((" " * GAP).join(cells), terminal.width) for cells in arranged.lines(terminal)
    )
    style = Style(bold=terminal.color or None)
    yield style.render(header)
    yield rule
    for number, (row, is_bold) in enumerate(zip(rows, bold, strict=True), start=1):
        if total and number == len(rows):
            yield rule
        yield style.render(row) if is_bold else row
