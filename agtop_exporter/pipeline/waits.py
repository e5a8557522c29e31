"""Times how long sessions wait for a human; what is not seen in two refreshes is not timed."""

from agtop_exporter.model import WAITING_BOUNDS_SECONDS, Series, Session

Key = tuple[str, str]  # agent, session id


class Waits:
    """The waits that go on, and those that ended since they were last asked for."""

    def __init__(self) -> None:
        self._began: dict[Key, float] = {}
        self._ended: list[tuple[str, float]] = []  # agent, seconds

    def observe(self, session: Session, now: float, *, seen_before: float | None) -> None:
        """Take note of a session's state as of `now`.

        A wait begins with the last record of the session, or when it was `seen_before` without
        waiting, whichever is later. It ends when the session goes on; one that is closed instead
        has not been answered, and is forgotten.
        """
        key = (session.agent, session.session_id)
        if session.state.kind == "waiting":
            last_word = now if session.last_active is None else session.last_active
            self._began.setdefault(key, min(now, max(last_word, seen_before or 0.0)))
            return
        began = self._began.pop(key, None)
        if began is not None and session.state.kind != "closed":
            self._ended.append((session.agent, now - began))

    def take(self) -> list[tuple[Series, float]]:
        """Return what has to be added to the totals, once."""
        growth: list[tuple[Series, float]] = []
        for agent, seconds in self._ended:
            growth.append((("waiting_seconds", agent, _bucket(seconds)), 1))
            growth.append((("waiting_seconds_sum", agent), seconds))
        self._ended.clear()
        return growth


def _bucket(seconds: float) -> str:
    return next((str(bound) for bound in WAITING_BOUNDS_SECONDS if seconds <= bound), "inf")
