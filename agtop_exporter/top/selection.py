"""Selects, sorts and unfolds the rows of the list. The result is stored until its inputs change."""

from collections.abc import Collection, Sequence
from datetime import tzinfo
from typing import Any

import msgspec

from agtop_exporter.top.filters import Filter
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.order import in_earlier_order, in_scope, midnight, sort
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.view_state import ViewState


class Selection(msgspec.Struct, frozen=True):
    """The rows that are shown and their keys. Rows of unfolded subagents are included.

    `shown` and `hidden` are the numbers of top-level rows that are shown and not shown.
    """

    rows: Sequence[Row] = ()
    keys: tuple[SessionId, ...] = ()
    shown: int = 0
    hidden: int = 0


class Selector:
    """Stores the last selection. Its order can be kept while the user moves the cursor."""

    def __init__(self, timezone: tzinfo | None) -> None:
        """Start with no rows. Days start at midnight in `timezone`; None is the machine's."""
        self._timezone = timezone
        self._made_from: tuple[Any, ...] = ()
        self._is_held = False
        self._order: list[SessionId] = []
        self._selection = Selection()

    def select(
        self, rows: Rows | None, state: ViewState, fits: Filter, *, now: float, held: bool
    ) -> Selection:
        """Return the rows that are shown at `now` (unix seconds).

        If the order is `held`, rows keep their places, and new rows come last.
        """
        if rows is None:
            return Selection()
        choices = (state.scope, state.sort, state.flipped, state.unfolded, state.drilled)
        made_from = (rows, fits, *choices)
        if made_from != self._made_from or (self._is_held and not held):
            self._selection = self._select(rows, state, fits, now=now, held=held)
            self._made_from, self._is_held = made_from, held
        return self._selection

    def _select(
        self, rows: Rows, state: ViewState, fits: Filter, *, now: float, held: bool
    ) -> Selection:
        candidates = in_scope(rows, state.scope, midnight(now, self._timezone))
        chosen = fits(_drilled(candidates, state.drilled), now)
        if held:
            chosen = in_earlier_order(chosen, self._order)
        else:
            chosen = sort(chosen, state.sort, flipped=state.flipped)
        self._order = [row.key for row in chosen]
        unfolded = rows.unfold(chosen, state.unfolded)
        keys = tuple(row.key for row in unfolded)
        return Selection(unfolded, keys, len(chosen), len(rows.top) - len(chosen))


def _drilled(rows: list[Row], keys: Collection[SessionId] | None) -> list[Row]:
    return rows if keys is None else [row for row in rows if row.key in keys]
