"""Budgets, which limit the cost in a day, week or month, and the used share of a budget."""

from datetime import datetime, time, timedelta, tzinfo
from typing import Literal, get_args

import msgspec

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
BUDGETS_MAX = 50


class Budget(msgspec.Struct, frozen=True):
    """A limit on the cost in one period, in US dollars at list prices.

    An empty `agent` means all agents. An empty `project` means all projects.
    """

    name: str
    usd: float
    period: Period
    agent: str = ""
    project: str = ""

    def covers(self, agent: str, project: str) -> bool:
        """Return whether the budget includes the usage of an agent in a project."""
        return self.agent in ("", agent) and self.project in ("", project)


class BudgetUse(msgspec.Struct, frozen=True, gc=False):
    """The use of a budget in the present period, from `started_at` to `resets_at` (unix seconds).

    `used_ratio` is the used share of the budget. `projected_ratio` is the share that will be used
    at the end of the period if the mean cost per second stays the same.
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
    """Return (start, end) of the day, week or month that contains `now`, in unix seconds.

    Days start at midnight. Weeks start on Monday. The default time zone is that of the machine.
    """
    day = datetime.fromtimestamp(now, timezone).date()
    today = datetime.combine(day, time.min, timezone)
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
    """Return the use of a budget at `now`.

    `used_usd` is the cost so far in the period. `period` is (start, end). Times are unix seconds.
    """
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
