"""The tables of rate limits and budgets."""

from collections.abc import Iterable
from datetime import tzinfo

from agtop_exporter.model import PICODOLLARS_PER_USD, BudgetUse, RateLimit
from agtop_exporter.render.table.columns import MISSING, age
from agtop_exporter.render.table.figures import usd
from agtop_exporter.server.page.html import Cell, Column, table
from agtop_exporter.server.page.texts import moment, short

LIMIT_COLUMNS = (
    Column("Limit", "name"),
    Column("Used", "number"),
    Column("Resets", "number"),
    Column("Age", "number"),
)
BUDGET_COLUMNS = (
    Column("Budget", "name"),
    Column("Used", "number"),
    Column("Projected", "number"),
    Column("Resets", "number"),
)


def limit_table(limits: Iterable[RateLimit], now: float, timezone: tzinfo | None) -> str:
    """Return the table of the rate limits as HTML. `now` is in unix seconds."""
    ordered = sorted(limits, key=lambda one: (one.agent, one.window_seconds or 0, one.window))
    rows = [
        (
            Cell(short(f"{one.agent} {one.window}"), short(one.hint) if one.hint else ""),
            _used(one, now),
            _reset(one.resets_at, now, timezone),
            Cell(age(now - one.observed_at)),
        )
        for one in ordered
    ]
    return table(LIMIT_COLUMNS, rows, name="limits", style="usage")


def _used(limit: RateLimit, now: float) -> Cell:
    if limit.is_over(now) or limit.used_ratio is None:
        return Cell(MISSING)
    return _share(limit.used_ratio)


def _share(ratio: float) -> Cell:
    return Cell(f"{ratio:.0%}", share=ratio)


def _reset(resets_at: float | None, now: float, timezone: tzinfo | None) -> Cell:
    if resets_at is None:
        return Cell(MISSING)
    at = moment(resets_at, now, timezone)
    return Cell(at, f"in {age(resets_at - now)}" if resets_at > now else "has reset")


def budget_table(budgets: Iterable[BudgetUse], now: float, timezone: tzinfo | None) -> str:
    """Return the table of the budgets as HTML. `now` is in unix seconds."""
    rows = [
        (
            Cell(short(one.name), f"{_usd(one.budget_usd)} per {one.period}"),
            _share(one.used_ratio)._replace(detail=_usd(one.used_usd)),
            Cell(f"{one.projected_ratio:.0%}"),
            _reset(one.resets_at, now, timezone),
        )
        for one in budgets
    ]
    return table(BUDGET_COLUMNS, rows, name="budgets", style="usage")


def _usd(amount: float) -> str:
    return usd(amount * PICODOLLARS_PER_USD)
