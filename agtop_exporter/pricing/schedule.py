"""Determines on which days and at which hours a provider charges a different price.

A price table lists such hours without dates. The dates and weekdays are in `corrections.toml`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec

DAY_SECONDS = 86400
HOUR_SECONDS = 3600
_WEEKDAYS = 5


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours of the day at which a provider charges a different price. Times and days are UTC.

    `start` and `end` limit the time in which the hours apply. `source` is a public source.
    """

    provider: str
    start: datetime
    hours: tuple[tuple[float, float], ...]  # (first, end), in hours of the day
    source: str
    end: datetime | None = None
    weekdays_only: bool = False
    holidays: frozenset[date] = frozenset()

    def applies_on(self, at: float) -> bool:
        """Return whether the hours apply on the day that contains `at` (unix seconds)."""
        when = datetime.fromtimestamp(at, UTC)
        if when < self.start or (self.end is not None and when >= self.end):
            return False
        if self.weekdays_only and when.weekday() >= _WEEKDAYS:
            return False
        return when.date() not in self.holidays

    def includes(self, at: float) -> bool:
        """Return whether the different price applies at `at` (unix seconds)."""
        hour = at % DAY_SECONDS / HOUR_SECONDS
        return self.applies_on(at) and any(start <= hour < end for start, end in self.hours)

    def edges(self, at: float) -> Iterator[float]:
        """Yield the times (unix seconds) around `at` at which the price may change."""
        midnight = at // DAY_SECONDS * DAY_SECONDS
        yield from (midnight, midnight + DAY_SECONDS, self.start.timestamp())
        if self.end is not None:
            yield self.end.timestamp()
        for hours in self.hours:
            yield from (midnight + hour * HOUR_SECONDS for hour in hours)
