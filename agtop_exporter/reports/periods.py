"""Adds up hourly usage by period and by project, model, agent, session or branch."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache
from typing import Literal, get_args

import msgspec

from agtop_exporter.model import NO_SUM, BudgetUse, HourlyUsage, Period, UsageSum
from agtop_exporter.reports.calendar import Calendar

Dimension = Literal["project", "model", "agent", "session", "branch"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

Key = tuple[str, ...]

KEY_OF: Mapping[Dimension, Callable[[HourlyUsage], Key]] = {
    "project": lambda one: (one.project,),
    "model": lambda one: (one.model,),
    "agent": lambda one: (one.agent,),
    "session": lambda one: (one.agent, one.top_session_id, one.top_project),
    "branch": lambda one: (one.project, one.git_branch),
}
"""The key of a group, by dimension. The usage of subagents belongs to their top-level session."""

KEY_FIELDS: Mapping[Dimension, tuple[str, ...]] = {
    "project": ("project",),
    "model": ("model",),
    "agent": ("agent",),
    "session": ("agent", "session_id", "project"),
    "branch": ("project", "git_branch"),
}
"""The names of the values in the key of a group, by dimension."""


class Group(msgspec.Struct, frozen=True):
    """The usage of one project, model, agent, session or branch.

    KEY_FIELDS names the values of `key`. Unknown values are "".
    """

    key: Key
    usage: UsageSum


class PeriodUsage(msgspec.Struct, frozen=True):
    """The usage in a day, week or month, in total and by group. The most expensive group is first.

    `first_day` is None for usage whose time is unknown.
    """

    first_day: date | None
    usage: UsageSum
    groups: tuple[Group, ...]


class Report(msgspec.Struct, frozen=True):
    """The usage from the day `since` to the day `until`, by period and group.

    Without `since` and `until`, the report has all usage. `week_start` is 0 if weeks start on
    Monday. `timezone` is a name; None means the time zone of the machine. `generated_at` is in unix
    seconds.
    """

    period: Period
    by: Dimension
    periods: tuple[PeriodUsage, ...]
    generated_at: float
    since: date | None = None
    until: date | None = None
    timezone: str | None = None
    week_start: int = 0
    budgets: tuple[BudgetUse, ...] = ()

    @property
    def usage(self) -> UsageSum:
        """The sum of all periods."""
        return sum((one.usage for one in self.periods), NO_SUM)


def add_up(usage: Iterable[HourlyUsage], by: Dimension) -> tuple[Group, ...]:
    """Return the sum of each group. The most expensive group is first."""
    key_of = KEY_OF[by]
    sums: dict[Key, UsageSum] = {}
    for one in usage:
        key = key_of(one)
        sums[key] = sums.get(key, NO_SUM) + one.usage
    groups = (Group(key, total) for key, total in sums.items() if total != NO_SUM)
    return tuple(sorted(groups, key=_order))


def total_of(groups: Iterable[Group]) -> UsageSum:
    """Return the sum of all groups."""
    return sum((group.usage for group in groups), NO_SUM)


def by_period(
    usage: Iterable[HourlyUsage], period: Period, by: Dimension, calendar: Calendar
) -> tuple[PeriodUsage, ...]:
    """Return the usage of each period, and of its groups, in the order of time.

    Usage whose time is unknown is first.
    """

    @cache
    def first_day(hour: int) -> date | None:
        return calendar.first_day(period, calendar.day_of(hour)) if hour else None

    members: dict[date | None, list[HourlyUsage]] = {}
    for one in usage:
        members.setdefault(first_day(one.hour), []).append(one)
    periods = []
    for day in sorted(members, key=lambda day: day or date.min):
        groups = add_up(members[day], by)
        if groups:
            periods.append(PeriodUsage(day, total_of(groups), groups))
    return tuple(periods)


def _order(group: Group) -> tuple[int, int, Key]:
    return -group.usage.cost, -group.usage.tokens.total, group.key
