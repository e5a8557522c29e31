"""Tracks whether refreshes succeed. `/-/ready` and the page at `/` report problems."""

import time
from collections.abc import Callable, Iterable

from agtop_exporter.model import RefreshError

OVERDUE_INTERVALS = 3
OVERDUE_SECONDS = 60.0
"""A result that is not older than this is not overdue.

An older result is overdue if its age also exceeds OVERDUE_INTERVALS intervals.
"""


class Health:
    """Stores when the last refresh ended, and whether parts of it failed.

    One thread calls `ended`, and another thread calls `trouble`.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without a refresh. `monotonic` is a monotonic clock in seconds."""
        self._monotonic = monotonic
        self._failed: tuple[str, ...] = ()  # stages
        self._ended_at: float | None = None

    def ended(self, errors: Iterable[RefreshError]) -> None:
        """Record the end of a refresh and the errors that ended parts of it."""
        self._failed = tuple(dict.fromkeys(error.stage for error in errors))
        self._ended_at = self._monotonic()

    def trouble(self, interval_seconds: float) -> str:
        """Return a sentence about why the last result may be out of date; "" if it is current.

        `interval_seconds` is the time between two refreshes.
        """
        if self._failed:
            stages = ", ".join(self._failed)
            return f"The last refresh failed ({stages}). The log names the location."
        if self._ended_at is None:
            return ""
        age = self._monotonic() - self._ended_at
        if age > max(OVERDUE_INTERVALS * interval_seconds, OVERDUE_SECONDS):
            return f"No refresh has ended for {age:.0f} seconds."
        return ""
