"""Maps the hours of the ledger to days, weeks and months of a time zone."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from agtop_exporter.model import MAX_SUM, SECONDS_PER_HOUR, Period

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

HALF_HOUR_SECONDS = SECONDS_PER_HOUR // 2

# The territories in which a week does not start on Monday. Source: Unicode CLDR, weekData.
FIRST_WEEKDAYS = {
    "sunday": "AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN IS JM JP KE KH KR LA MH"
    " MM MO MT MX MZ NI NP PA PE PH PK PR PT PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW",
    "saturday": "AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY",
    "friday": "MV",
}
_FIRST_WEEKDAY = {
    territory: WEEKDAYS.index(day)
    for day, territories in FIRST_WEEKDAYS.items()
    for territory in territories.split()
}


def first_weekday(locale_name: str) -> int:
    """Return the first day of the week of a locale such as `en_US.UTF-8`; 0 is Monday.

    The result is 0 for a locale without a territory, such as `C`.
    """
    language, _, territory = locale_name.partition(".")[0].partition("@")[0].partition("_")
    return _FIRST_WEEKDAY.get(territory.upper(), 0) if language else 0


@dataclass(frozen=True)
class Span:
    """A range of hours from `start` to the one before `end`. Hours are counted from 1970 (UTC)."""

    start: int = 0
    end: int = MAX_SUM

    def __contains__(self, hour: int) -> bool:
        return self.start <= hour < self.end


@dataclass(frozen=True)
class Calendar:
    """Days, weeks and months in a time zone. None is the time zone of the machine.

    An hour belongs to the day that contains its middle. In a time zone whose offset from UTC is not
    a number of whole hours, usage within 30 minutes of midnight may therefore belong to the
    neighboring day. `week_start` is the first day of a week; 0 is Monday.
    """

    timezone: tzinfo | None = None
    week_start: int = 0

    def day_of(self, hour: int) -> date:
        """Return the day of an hour, which is counted from 1970 (UTC)."""
        middle = hour * SECONDS_PER_HOUR + HALF_HOUR_SECONDS
        return datetime.fromtimestamp(middle, self.timezone).date()

    def today(self, now: float) -> date:
        """Return the day of a time (unix seconds)."""
        return datetime.fromtimestamp(now, self.timezone).date()

    def first_day(self, period: Period, day: date) -> date:
        """Return the first day of the day, week or month that contains `day`."""
        if period == "week":
            return day - timedelta(days=(day.weekday() - self.week_start) % len(WEEKDAYS))
        return day.replace(day=1) if period == "month" else day

    def midnight(self, day: date) -> float:
        """Return the start of a day in unix seconds."""
        return datetime.combine(day, time.min, self.timezone).timestamp()

    def first_hour(self, day: date) -> int:
        """Return the first hour of a day, counted from 1970 (UTC)."""
        return -int((HALF_HOUR_SECONDS - self.midnight(day)) // SECONDS_PER_HOUR)

    def span(self, since: date | None = None, until: date | None = None) -> Span:
        """Return the hours of the days from `since` to `until`, including both.

        If `since` or `until` is None, the span has no limit on this side. Without `since`, the span
        includes usage whose time is unknown.
        """
        return Span(
            0 if since is None else max(1, self.first_hour(since)),
            MAX_SUM if until is None else self.first_hour(until + timedelta(days=1)),
        )

    def last_days(self, now: float, number: int) -> Span:
        """Return the hours of the last `number` days, including the day of `now`."""
        today = self.today(now)
        return self.span(today - timedelta(days=number - 1), today)
