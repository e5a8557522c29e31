"""Whether the refreshes succeed: what `/-/ready` answers, beside that a first scan has ended."""

import time
from collections.abc import Callable, Iterable

from agtop_exporter.model import RefreshError

OVERDUE_INTERVALS = 3
OVERDUE_SECONDS = 60.0
"""A result that is older than both of these is not relied on."""


class Health:
    """How the last refresh ended, and when; one thread writes it, another reads it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin without a refresh. `monotonic` is a clock in seconds that nobody sets."""
        self._monotonic = monotonic
        self._failed: tuple[str, ...] = ()  # stages
        self._ended_at: float | None = None

    def ended(self, errors: Iterable[RefreshError]) -> None:
        """Note the end of a refresh, and the errors that ended parts of it."""
        self._failed = tuple(dict.fromkeys(error.stage for error in errors))
        self._ended_at = self._monotonic()

    def trouble(self, interval_seconds: float) -> str:
        """Return in a sentence why the last result cannot be relied on, "" where it can.

        A refresh begins every `interval_seconds`.
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
