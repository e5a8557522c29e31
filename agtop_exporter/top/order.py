"""Selects and sorts the rows of the list of sessions."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Literal, get_args

from agtop_exporter.top.columns import BY_TITLE, STATE_RANKS, SortKey
from agtop_exporter.top.filters import Matches
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.rows import Row

Scope = Literal["live", "live+today", "all"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ATTENTION = "attention"


def midnight(now: float, timezone: tzinfo | None) -> float:
    """Return the start of the user's day that contains `now`, in unix seconds."""
    day = datetime.fromtimestamp(now, timezone)
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def is_open(row: Row) -> bool:
    """Return whether a row has a live process or a session that is not closed."""
    return row.is_live or (row.session is not None and row.session.state.kind != "closed")


def in_scope(row: Row, scope: Scope, today: float) -> bool:
    """Return whether a row belongs to a scope. `today` is the start of the user's day."""
    return scope == "all" or is_open(row) or (scope == "live+today" and row.last_active >= today)


def select(
    rows: Iterable[Row], *, scope: Scope, fits: Matches, now: float, today: float
) -> list[Row]:
    """Return the rows of the scope that fit the filter."""
    return [row for row in rows if in_scope(row, scope, today) and fits(row, now)]


def sort(rows: Collection[Row], column: str, *, flipped: bool) -> list[Row]:
    """Return the rows sorted by a column, or by `attention`: who needs the user comes first.

    Rows with equal values are sorted by their latest activity. Rows without a value come last.
    """
    latest = sorted(rows, key=lambda row: (-row.last_active, row.key))
    if column == ATTENTION:
        return sorted(latest, key=_urgency, reverse=flipped)
    chosen = BY_TITLE[column]
    known: list[tuple[float | str, Row]] = []
    unknown: list[Row] = []
    for row in latest:
        value: SortKey = chosen.sort(row)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=lambda pair: pair[0], reverse=chosen.rises == flipped)
    return [*(row for _, row in known), *unknown]


def _urgency(row: Row) -> int:
    return STATE_RANKS["idle"] if row.session is None else STATE_RANKS[row.session.state.kind]


def in_earlier_order(rows: Sequence[Row], earlier: Sequence[SessionId]) -> list[Row]:
    """Return the rows in an earlier order of their keys. New rows come last."""
    places = {key: place for place, key in enumerate(earlier)}
    return sorted(rows, key=lambda row: places.get(row.key, len(places)))
