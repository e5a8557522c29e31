"""Keeps the ledger small: what is old is stored with less detail. Sums never change.

* An event becomes its key, so that another copy of an old transcript still adds nothing. An event
  without a price is kept until it has one.
* The hours of a day become one row, and later the days of a month. Such a row has the time of noon
  (UTC) of its day, or of the 15th of its month: that lies in the same day or month in most time
  zones.
"""

import sqlite3
from datetime import UTC, datetime

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.schema import UNPRICED
from agtop_exporter.model import SECONDS_PER_HOUR

EVENTS_PER_STEP = 20_000  # take some 100 ms
MONTHS_AFTER_HOURS = 730 * 24  # of age the days of a month become one row
VACUUM_PAGES = 500  # unused pages, some 2 MB, from which on they may be given back
VACUUM_SHARE = 0.25  # of all pages
HOURS_PER_DAY = 24
NOON = 12

_KEY = 3  # session, model, hour


def roll_up_events(database: sqlite3.Connection, before: float) -> bool:
    """Reduce some events from before a time to their keys; return whether more are left.

    Belongs inside a transaction.
    """
    old = (
        f"SELECT key FROM events WHERE time < ? AND NOT ({UNPRICED})"  # noqa: S608 - constants
        f" LIMIT {EVENTS_PER_STEP}"
    )
    keys = database.execute(old, (before,)).fetchall()
    database.executemany("INSERT OR IGNORE INTO old_keys VALUES (?)", keys)
    database.executemany("DELETE FROM events WHERE key = ?", keys)
    return len(keys) == EVENTS_PER_STEP


def roll_up_hours(database: sqlite3.Connection, before: float) -> None:
    """Join the hours of each day before a time, and the days of each month long before it.

    Belongs inside a transaction.
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
    """Return the hour that stands for the day or the month of an hour."""
    if hour >= end - MONTHS_AFTER_HOURS:
        return hour // HOURS_PER_DAY * HOURS_PER_DAY + NOON
    month = datetime.fromtimestamp(hour * SECONDS_PER_HOUR, tz=UTC).replace(day=15, hour=NOON)
    return int(month.timestamp()) // SECONDS_PER_HOUR


def vacuum(database: sqlite3.Connection) -> None:
    """Give unused pages back to the file system if there are many. Raises sqlite3.Error."""
    (unused,) = database.execute("PRAGMA freelist_count").fetchone()
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    if unused >= max(VACUUM_PAGES, VACUUM_SHARE * pages):
        database.execute("VACUUM")
