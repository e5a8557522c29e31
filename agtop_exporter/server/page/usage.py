"""Makes the cards and tables of usage: of today, of 7 days and of all time."""

from collections.abc import Container, Mapping, Sequence

from agtop_exporter.model import NO_SUM, Series, UsageSum
from agtop_exporter.pipeline.overview import Usage
from agtop_exporter.render.table.columns import compact
from agtop_exporter.render.table.figures import cost, usd
from agtop_exporter.reports import Dimension
from agtop_exporter.server.page.html import Card, Cell, Column, cards, table
from agtop_exporter.server.page.texts import short

ROWS_MAX = 6
UNKNOWN = "unknown"
PERIODS = ("Today", "7 days", "All time")


def usage_cards(total: Usage, totals: Mapping[Series, float]) -> str:
    """Return a card for each period as HTML. `totals` are the counters of a snapshot."""
    billed = _billed(totals)
    sums = (total.today, total.week, total.total)
    notes: tuple[list[str], ...] = ([], [], [billed] if billed else [])
    return cards(
        Card(title, cost(used), [_size(used), *more])
        for title, used, more in zip(PERIODS, sums, notes, strict=True)
    )


def _size(used: UsageSum) -> str:
    requests = f"{used.requests:,} request{'' if used.requests == 1 else 's'}"
    return f"{compact(used.tokens.total)} tokens, {requests}"


def _billed(totals: Mapping[Series, float]) -> str:
    """Return the billed amount of all time; "" if it equals the list price."""
    billed, listed = (
        usd(sum(amount for series, amount in totals.items() if series[0] == name))
        for name in ("billed", "cost")
    )
    return "" if billed == listed else f"billed {billed}"


def usage_table(by: Dimension, groups: Sequence[Usage], *, included: Container[str]) -> str:
    """Return the table of the usage by project, model or agent as HTML.

    If there are more than ROWS_MAX groups, the last row has the sum of the remaining groups.
    `included` has the agents whose usage the user's plan covers.
    """
    columns = (Column(by.capitalize(), "name"), *(Column(period, "number") for period in PERIODS))
    shown = list(groups)
    if len(groups) > ROWS_MAX:
        rest = groups[ROWS_MAX - 1 :]
        shown[ROWS_MAX - 1 :] = [sum_of(rest, name=f"{len(rest)} others")]
    rows = (
        (
            Cell(
                short(one.name or UNKNOWN),
                "included in the plan" if by == "agent" and one.name in included else "",
            ),
            *map(_cell, (one.today, one.week, one.total)),
        )
        for one in shown
    )
    return table(columns, rows, name=by, style="usage")


def _cell(used: UsageSum) -> Cell:
    if used == NO_SUM:
        return Cell("")
    return Cell(cost(used), compact(used.tokens.total))


def sum_of(groups: Sequence[Usage], *, name: str = "") -> Usage:
    """Return the sum of several groups; `name` is the name of the result."""
    return Usage(
        name,
        sum((one.today for one in groups), NO_SUM),
        sum((one.week for one in groups), NO_SUM),
        sum((one.total for one in groups), NO_SUM),
    )
