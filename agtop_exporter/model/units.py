"""Constants for units and limits, and functions that check times.

Times are unix seconds (UTC). Costs are picodollars (1e-12 USD).
"""

from datetime import UTC, datetime, timedelta

PICODOLLARS_PER_USD = 1_000_000_000_000
SECONDS_PER_HOUR = 3600
END_OF_TIME = 253_370_764_800.0  # unix seconds: datetime ends in the year 9999
FUTURE_SECONDS = 60.0  # a record from further in the future has a wrong clock
SAME_EVENT_SECONDS = 600.0  # the records of one response are closer in time
NANOSECONDS = 1_000_000_000
EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)  # `time_text` adds the time zone
MAX_SUM = 2**63 - 1  # largest integer of SQLite; 9.2 million US dollars in picodollars


def is_sane(time: float) -> bool:
    """Return whether a time (unix seconds) is in the years 1970 to 9998.

    Transcripts can contain any number as a time.
    """
    return 0 <= time < END_OF_TIME


def is_ahead(time: float, now: float) -> bool:
    """Return whether `time` is more than FUTURE_SECONDS after `now`.

    Such a time comes from a wrong clock.
    """
    return time > now + FUTURE_SECONDS


def hour_of(time: float) -> int:
    """Return the number of whole hours since 1970; 0 if `is_sane(time)` is False."""
    return int(time) // SECONDS_PER_HOUR if is_sane(time) else 0


def time_text(seconds: float | None) -> str | None:
    """Return unix seconds as RFC 3339 text in UTC, with milliseconds.

    Return None if the time is unknown, or is outside the years that Python's datetime supports. A
    transcript can contain any number, and a price without an end has an infinite one.
    """
    if seconds is None:
        return None
    try:
        moment = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
    return f"{moment.isoformat(timespec='milliseconds')}Z"
