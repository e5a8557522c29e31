"""Units and limits: unix seconds (UTC), bytes, and picodollars (1e-12 USD)."""

PICODOLLARS_PER_USD = 1_000_000_000_000
SECONDS_PER_HOUR = 3600
END_OF_TIME = 253_370_764_800.0  # the year 9999 in unix seconds: after it calendars end
MAX_SUM = 2**63 - 1  # what SQLite and MessagePack hold: 9.2 million dollars, in picodollars


def is_sane(time: float) -> bool:
    """Say whether a time is one that a calendar shows: a transcript may say any."""
    return 0 <= time < END_OF_TIME


def hour_of(time: float) -> int:
    """Return the hour of a time, in hours since 1970; 0 for what no calendar shows."""
    return int(time) // SECONDS_PER_HOUR if is_sane(time) else 0
