"""`LedgerView`: the values of the ledger that other modules can read."""

from collections.abc import Mapping

from agtop_exporter.labels import SeriesLimit
from agtop_exporter.ledger import counting, limits
from agtop_exporter.ledger.obstacles import obstacle_to_writing
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.ledger.totals import OF_USERS
from agtop_exporter.model import Cursor, RateLimit, Series, SessionState

REOPEN_BYTES = 8_000_000
"""A program that only reads reopens the ledger file after the file has grown by this size.

An open ledger prevents SQLite from reusing the space of the daemon's write-ahead log.
"""


class LedgerView:
    """Read access to the totals, sessions, cursors, rate limits and metadata of the ledger."""

    _state: LedgerState

    @property
    def totals(self) -> dict[Series, int | float]:
        """The published counter series by name and labels. Their values never decrease.

        The series by user are published only while the home directories of several users are read.
        """
        counting.apply(self._state)
        published = self._state.totals.published()
        if self._state.users:
            return published
        return {series: value for series, value in published.items() if series[0] not in OF_USERS}

    @property
    def stored_totals(self) -> dict[Series, int | float]:
        """All counter series, including those that are not published now."""
        counting.apply(self._state)
        return self._state.totals.values

    @property
    def sessions(self) -> Mapping[Key, SessionState]:
        """All sessions by (agent, session id). The caller must not change them."""
        counting.apply(self._state)
        return self._state.sessions

    @property
    def session_counts(self) -> Mapping[str, int]:
        """The number of sessions by agent."""
        return self._state.sessions.count_by_agent

    def dropped_labels(self) -> dict[SeriesLimit, int]:
        """Return how many models, tools, projects and accounts have no series of their own.

        The keys are "models", "tools", "projects" and "accounts".
        """
        counting.apply(self._state)
        return self._state.totals.dropped()

    @property
    def cursors(self) -> Mapping[str, Mapping[str, Cursor]]:
        """The cursors by agent and path, without reader states. `Ledger.cursor` adds the state."""
        return self._state.cursors

    @property
    def rate_limits(self) -> dict[limits.Key, RateLimit]:
        """The latest record of each rate-limit window, by (agent, account, window)."""
        return self._state.rate_limits

    @property
    def metadata(self) -> dict[str, bytes]:
        """Stored values of other modules, by name."""
        return self._state.metadata

    @property
    def warning(self) -> str:
        """The reason why the ledger cannot be read from disk or written to disk, or ""."""
        return self._state.store.warning

    @property
    def durable(self) -> bool | None:
        """Whether the last commit is on disk. None if this process does not write the ledger."""
        return self._state.store.durable

    @property
    def is_new(self) -> bool:
        """Whether nothing has been counted yet."""
        return not self._state.totals.values

    def size_bytes(self) -> int:
        """Return the size of the ledger on disk, in bytes."""
        return self._state.store.size_bytes()

    def problem(self) -> str:
        """Return `warning` if it is not empty.

        Otherwise, check all pages of the file, and whether a file can be written beside it. Return
        a message about the first problem, or "".
        """
        store = self._state.store
        obstacle = obstacle_to_writing(store.file.path.parent) if store.file else ""
        return self.warning or store.damage() or obstacle
