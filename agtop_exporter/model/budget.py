"""Budgets: limits of the cost in a day, week or month, and how much of them is used."""

from datetime import datetime, timedelta, tzinfo
from typing import Literal, get_args

import msgspec

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
BUDGETS_MAX = 50


class Budget(msgspec.Struct, frozen=True):
    """A limit in US dollars at list prices. An empty agent or project means all."""

    name: str
    usd: float
    period: Period
    agent: str = ""
    project: str = ""

    def covers(self, agent: str, project: str) -> bool:
        """Return whether the usage of a session counts for it."""
        return self.agent in ("", agent) and self.project in ("", project)


class BudgetUse(msgspec.Struct, frozen=True, gc=False):
    """A budget in the present period, from `started_at` to `resets_at` (unix seconds).

    `projected_ratio` is the used share at the end of the period if the mean rate stays the same.
    """

    name: str
    period: Period
    agent: str
    project: str
    budget_usd: float
    used_usd: float
    used_ratio: float
    projected_ratio: float
    started_at: float
    resets_at: float


def period_of(period: Period, now: float, timezone: tzinfo | None = None) -> tuple[float, float]:
    """Return start and end of the period at `now` (unix seconds).

    Days start at midnight and weeks on Monday, in the zone of the machine by default.
    """
    today = datetime.fromtimestamp(now, timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        start, end = today, today + timedelta(days=1)
    elif period == "week":
        start = today - timedelta(days=today.weekday())
        end = start + timedelta(days=7)
    else:
        start = today.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return start.timestamp(), end.timestamp()


def use_of(
    budget: Budget, used_usd: float, *, now: float, period: tuple[float, float]
) -> BudgetUse:
    """Return how much of a budget is used at `now`, in a period from start to end."""
    start, end = period
    ratio = used_usd / budget.usd
    elapsed = max(1.0, now - start) / (end - start)
    return BudgetUse(
        name=budget.name,
        period=budget.period,
        agent=budget.agent,
        project=budget.project,
        budget_usd=budget.usd,
        used_usd=used_usd,
        used_ratio=ratio,
        projected_ratio=ratio / min(1.0, elapsed),
        started_at=start,
        resets_at=end,
    )
