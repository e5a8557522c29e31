"""Selects and sorts the rows of the list of sessions."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Literal, get_args

from agtop_exporter.top.columns import BY_TITLE, STATE_RANKS
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.rows import Row, Rows

Scope = Literal["live", "live+today", "all"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ATTENTION = "attention"


def midnight(now: float, timezone: tzinfo | None) -> float:
    """Return the start of the user's day that contains `now`, in unix seconds."""
    day = datetime.fromtimestamp(now, timezone)
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def in_scope(rows: Rows, scope: Scope, today: float) -> list[Row]:
    """Return the rows of a scope, such as `live+today`. The latest activity comes first.

    `today` is the start of the user's day in unix seconds.
    """
    if scope == "all":
        return rows.top
    if scope == "live":
        return rows.open
    return [row for row in rows.top if row.last_active >= today or row.is_open]


def sort(rows: Sequence[Row], column: str, *, flipped: bool) -> list[Row]:
    """Return the rows sorted by a column; reversed if `flipped`.

    The column `attention` sorts by urgency: sessions that need the user come first. Rows with equal
    values keep their order. Rows without a value come last.
    """
    if column == ATTENTION:
        return sorted(rows, key=_urgency, reverse=flipped)
    chosen = BY_TITLE[column]
    values: list[Any] = [chosen.sort(row) for row in rows]
    known = [place for place, value in enumerate(values) if value is not None]
    known.sort(key=values.__getitem__, reverse=chosen.rises == flipped)
    unknown = [row for row, value in zip(rows, values, strict=True) if value is None]
    return [*map(rows.__getitem__, known), *unknown]


def _urgency(row: Row) -> int:
    return STATE_RANKS["idle"] if row.session is None else STATE_RANKS[row.session.state.kind]


def in_earlier_order(rows: Sequence[Row], earlier: Sequence[SessionId]) -> list[Row]:
    """Return the rows in the order of the keys `earlier`.

    Rows whose key is not in `earlier` come last.
    """
    places = {key: place for place, key in enumerate(earlier)}
    return sorted(rows, key=lambda row: places.get(row.key, len(places)))
