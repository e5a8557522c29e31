"""Stores the series and sessions that commands add to the ledger while no daemon runs.

The next daemon publishes these series as 0 before their values, like the series that it adds
itself. If no daemon has ever published anything, it publishes the values at once.
"""

import msgspec

from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import Series

UNPUBLISHED = "unpublished"  # name of the metadata
NOTHING = b""


class Unpublished(msgspec.Struct):
    """The series and the sessions in the ledger that no daemon has published yet.

    If `everything` is true, no daemon has ever published anything, and the sets are empty.
    """

    everything: bool = False
    series: set[Series] = msgspec.field(default_factory=set)
    sessions: set[Key] = msgspec.field(default_factory=set)


class Additions:
    """Finds what a command adds to a ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Start with the present series and sessions of a ledger."""
        self._series = frozenset(state.totals.values)
        self._sessions = len(state.sessions.numbers())
        self._before = _stored(state)
        self._before.everything |= not self._series

    def note(self, state: LedgerState) -> None:
        """Store what was added since this object was created, in the metadata of the ledger."""
        found, numbers = Unpublished(self._before.everything), state.sessions.numbers()
        if not found.everything:
            found.series = self._before.series | (state.totals.values.keys() - self._series)
            new = map(state.sessions.numbered, numbers[self._sessions :])
            found.sessions = self._before.sessions | {
                (session.agent, session.session_id) for session in new
            }
        data = msgspec.json.encode(found, order="deterministic")
        if found != Unpublished() and data != state.metadata.get(UNPUBLISHED):
            state.remember(UNPUBLISHED, data)


def take(state: LedgerState) -> Unpublished:
    """Return the stored series and sessions, and delete them from the metadata of the ledger."""
    found = _stored(state)
    if state.metadata.get(UNPUBLISHED):
        state.remember(UNPUBLISHED, NOTHING)
    return found


def _stored(state: LedgerState) -> Unpublished:
    try:
        return msgspec.json.decode(state.metadata.get(UNPUBLISHED) or b"{}", type=Unpublished)
    except msgspec.MsgspecError:
        return Unpublished()
