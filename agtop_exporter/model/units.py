"""Units and limits: unix seconds (UTC), bytes, and picodollars (1e-12 USD)."""

PICODOLLARS_PER_USD = 1_000_000_000_000
SECONDS_PER_HOUR = 3600
END_OF_TIME = 253_370_764_800.0  # unix seconds: datetime ends in the year 9999
FUTURE_SECONDS = 60.0  # a record from further in the future has a wrong clock
NANOSECONDS = 1_000_000_000
MAX_SUM = 2**63 - 1  # largest integer of SQLite; 9.2 million US dollars in picodollars


def is_sane(time: float) -> bool:
    """Return whether unix seconds are from 1970 to 9998. Transcripts can contain any number."""
    return 0 <= time < END_OF_TIME


def is_ahead(time: float, now: float) -> bool:
    """Return whether a time is so far in the future that it must come from a wrong clock."""
    return time > now + FUTURE_SECONDS


def hour_of(time: float) -> int:
    """Return a time in whole hours since 1970; 0 if the time is not sane."""
    return int(time) // SECONDS_PER_HOUR if is_sane(time) else 0
