"""`History`: the usage by hour and the rate limits of a ledger file.

`History` opens a large ledger in a few milliseconds, because it does not load the sessions, the
totals and the cursors.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agtop_exporter.ledger import hours, rows
from agtop_exporter.ledger.hours import SessionNames
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.store import Store
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import MAX_SUM, HourlyUsage, RateLimit

T = TypeVar("T")


class UsageHistory(Protocol):
    """The source of the usage and the rate limits in a report: a `Ledger` or a `History`."""

    @property
    def rate_limits(self) -> Mapping[Any, RateLimit]:
        """The latest record of each rate-limit window. The keys have no meaning."""

    def usage_between(self, start: int = 0, end: int = MAX_SUM) -> list[HourlyUsage]:
        """Return the usage from the hour `start` to the one before `end`."""


class History:
    """The stored usage by hour and the stored rate limits. The file is never written.

    `warning` is the reason why the file cannot be read, or "".
    """

    def __init__(self, directory: Path) -> None:
        """Open the ledger in a state directory. A missing ledger is empty."""
        self._store = Store(directory, read_only=True)

    @property
    def warning(self) -> str:
        """The reason why a part of the ledger cannot be read, or ""."""
        return self._store.warning

    @property
    def is_new(self) -> bool:
        """Whether nothing has been counted yet."""
        return self._with_repair(lambda: next(self._store.all("totals"), None)) is None

    @property
    def rate_limits(self) -> dict[int, RateLimit]:
        """The latest record of each rate-limit window. The keys are consecutive numbers."""
        return self._with_repair(
            lambda: dict(enumerate(map(rows.limit_of, self._store.all("rate_limits"))))
        )

    def usage_between(self, start: int = 0, end: int = MAX_SUM) -> list[HourlyUsage]:
        """Return the stored usage, like `Ledger.usage_between`."""
        return self._with_repair(lambda: self._usage(start, end))

    def _usage(self, start: int, end: int) -> list[HourlyUsage]:
        by_number: dict[int, SessionNames] = {}
        by_key: dict[Key, SessionNames] = {}
        for number, *values in self._store.session_names():
            names = SessionNames(*values)
            by_number[number] = by_key[names.agent, names.session_id] = names
        lost = SessionNames("", "", "", "", "")
        return hours.named(
            self._store.hours(start, end), lambda number: by_number.get(number, lost), by_key.get
        )

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _with_repair(self, action: Callable[[], T]) -> T:
        """Run an action. If the file is damaged, run the action again with its intact rows."""
        try:
            return action()
        except (DamagedError, *rows.BAD_ROW) as error:
            self._store.repair(error)
            return action()
