"""Measures how long sessions wait for a human.

A wait that starts and ends between two refreshes is not measured.
"""

from agtop_exporter.ledger import Key
from agtop_exporter.model import WAITING_BOUNDS_SECONDS, Series, Session


class Waits:
    """Measures the waits of sessions for a human, from their start until the session continues.

    It stores the waits that have not ended, and those that ended since the last call of `take`.
    """

    def __init__(self) -> None:
        self._began: dict[Key, float] = {}
        self._ended: list[tuple[str, float]] = []  # agent, seconds

    def observe(self, session: Session, now: float, *, seen_before: float | None) -> None:
        """Record the state of a session at `now` (unix seconds).

        `seen_before` is the time of the previous refresh. A wait starts at the last record of the
        session or at `seen_before`, whichever is later. A wait ends when the session continues. If
        the session is closed instead, the wait is not counted, because the user did not answer.
        """
        key = (session.agent, session.session_id)
        if session.state.kind == "waiting":
            last_record = now if session.last_active is None else session.last_active
            self._began.setdefault(key, min(now, max(last_record, seen_before or 0.0)))
            return
        began = self._began.pop(key, None)
        if began is not None and session.state.kind != "closed":
            self._ended.append((session.agent, now - began))

    def take(self) -> list[tuple[Series, float]]:
        """Return the increase of each `waiting_seconds` series since the last call of `take`."""
        growth: list[tuple[Series, float]] = []
        for agent, seconds in self._ended:
            growth.append((("waiting_seconds", agent, _bucket(seconds)), 1))
            growth.append((("waiting_seconds_sum", agent), seconds))
        self._ended.clear()
        return growth


def _bucket(seconds: float) -> str:
    return next((str(bound) for bound in WAITING_BOUNDS_SECONDS if seconds <= bound), "inf")
