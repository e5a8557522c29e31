"""Adds up the usage of today and of the last days."""

from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.model import NO_SUM, BudgetUse, HourlyUsage, RateLimit, UsageSum
from agtop_exporter.reports.calendar import Calendar

DAYS: Mapping[str, int] = {"today": 1, "last_7_days": 7, "last_30_days": 30}
"""The name of each span of days, and its number of days.

The last day of each span is the day of the report.
"""


class Today(msgspec.Struct, frozen=True):
    """The usage in the spans of DAYS, the rate limits and the budgets.

    `generated_at` is in unix seconds.
    """

    spans: Mapping[str, UsageSum]
    rate_limits: tuple[RateLimit, ...]
    budgets: tuple[BudgetUse, ...]
    generated_at: float

    @property
    def is_empty(self) -> bool:
        """Whether no span has usage."""
        return all(usage == NO_SUM for usage in self.spans.values())


def sums_of_days(
    usage: Iterable[HourlyUsage], calendar: Calendar, now: float
) -> dict[str, UsageSum]:
    """Return the usage in each span of DAYS. `now` is in unix seconds."""
    sums = dict.fromkeys(DAYS, NO_SUM)
    spans = {name: calendar.last_days(now, number) for name, number in DAYS.items()}
    for one in usage:
        for name, span in spans.items():
            if one.hour in span:
                sums[name] += one.usage
    return sums
