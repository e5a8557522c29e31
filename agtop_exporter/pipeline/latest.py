"""Stores the keys of the closed sessions that were active last. Their views are not stored."""

from collections.abc import Iterator
from heapq import nlargest

from agtop_exporter.ledger import Key

LATEST_MAX = 50


class LatestClosed:
    """The keys of the LATEST_MAX closed sessions with the latest activity."""

    def __init__(self) -> None:
        self._times: dict[Key, float] = {}

    def __iter__(self) -> Iterator[Key]:
        """Return the keys. The session with the latest activity comes first."""
        return iter(nlargest(LATEST_MAX, self._times, key=self._order))

    def add(self, key: Key, last_active: float | None) -> None:
        """Add a closed session. `last_active` is in unix seconds; None if it is unknown."""
        self._times[key] = last_active or 0.0
        if len(self._times) > 2 * LATEST_MAX:  # rarely, so that a first scan stays fast
            kept = nlargest(LATEST_MAX, self._times, key=self._order)
            self._times = {key: self._times[key] for key in kept}

    def discard(self, key: Key) -> None:
        """Remove a session that is open again or is a subagent."""
        self._times.pop(key, None)

    def _order(self, key: Key) -> tuple[float, Key]:
        return self._times[key], key
