"""Limits the size of the ledger by storing old data in less detail. Sums never change.

* An old event is replaced by its key. The key ensures that another record of the event adds
  nothing. An event without a known price stays complete until it has a price.
* The hourly rows of an old day become one row, with the time of noon (UTC) of the day. The rows of
  a much older month become one row, with the time of noon (UTC) of the 15th of the month. In most
  time zones, these times are in the same day or month.
"""

import sqlite3
from datetime import UTC, datetime

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.schema import UNPRICED
from agtop_exporter.model import SECONDS_PER_HOUR

EVENTS_PER_STEP = 20_000  # takes about 100 ms
MONTHS_AFTER_HOURS = 730 * 24  # age at which the days of a month become one row
VACUUM_PAGES = 500  # number of unused pages, about 2 MB, that allows a VACUUM
VACUUM_SHARE = 0.25  # share of unused pages that allows a VACUUM
HOURS_PER_DAY = 24
NOON = 12

_KEY = 3  # session, model, hour


def roll_up_events(database: sqlite3.Connection, before: float, *, after: bytes) -> bytes | None:
    """Delete up to EVENTS_PER_STEP old events, and store only their keys.

    An event is old if its time is before `before` (unix seconds). The events are visited in the
    order of their keys, from the first key after `after`. Returns the key of the last deleted event
    if more old events may follow, else None. The caller opens the transaction.
    """
    old = (
        f"SELECT key FROM events WHERE key > ? AND time < ? AND NOT ({UNPRICED})"  # noqa: S608 - constants
        f" ORDER BY key LIMIT {EVENTS_PER_STEP}"
    )
    keys = database.execute(old, (after, before)).fetchall()
    database.executemany("INSERT OR IGNORE INTO old_keys VALUES (?)", keys)
    database.executemany("DELETE FROM events WHERE key = ?", keys)
    return keys[-1][0] if len(keys) == EVENTS_PER_STEP else None


def roll_up_hours(database: sqlite3.Connection, before: float) -> None:
    """Merge the old rows of the table `hourly` into one row per day.

    A row is old if its hour is before the day of `before` (unix seconds). Rows that are more than
    MONTHS_AFTER_HOURS older than that day are merged into one row per month. The caller opens the
    transaction.
    """
    end = int(before // SECONDS_PER_HOUR) // HOURS_PER_DAY * HOURS_PER_DAY
    joined: dict[tuple[object, ...], list[int]] = {}
    moved: list[Row] = []
    for row in database.execute("SELECT * FROM hourly WHERE hour > 0 AND hour < ?", (end,)):
        session, model, hour, *sums = row
        period = _period(hour, end)
        if period == hour:
            continue
        moved.append((session, model, hour))
        known = joined.setdefault((session, model, period), [0] * len(sums))
        for index, amount in enumerate(sums):
            known[index] += amount
    database.executemany("DELETE FROM hourly WHERE session = ? AND model = ? AND hour = ?", moved)
    database.executemany(
        rows.ADD_HOURLY, (rows.hourly_row(place, sums) for place, sums in joined.items())
    )


def _period(hour: int, end: int) -> int:
    """Return the hour of the merged row that includes the row of an old hour.

    `end` is the first hour that is not merged. Hours are counted from 1970.
    """
    if hour >= end - MONTHS_AFTER_HOURS:
        return hour // HOURS_PER_DAY * HOURS_PER_DAY + NOON
    month = datetime.fromtimestamp(hour * SECONDS_PER_HOUR, tz=UTC).replace(day=15, hour=NOON)
    return int(month.timestamp()) // SECONDS_PER_HOUR


def vacuum(database: sqlite3.Connection) -> None:
    """Shrink the database file if it has many unused pages. Raises sqlite3.Error."""
    (unused,) = database.execute("PRAGMA freelist_count").fetchone()
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    if unused >= max(VACUUM_PAGES, VACUUM_SHARE * pages):
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the journal has a copy of all pages
