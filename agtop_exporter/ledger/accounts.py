"""Events with running totals: two sources record the same usage, and it counts once.

See `UsageEvent.running_total`. The sums of a session and model are at least what each source has
shown so far, and no larger than the larger of both.
"""

import msgspec

from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import NO_TOKENS, NO_USAGE, UNKNOWN_TOTAL, TokenCounts

RunningTotal = tuple[int, TokenCounts]
"""Requests and tokens that a source has shown so far of a session and model."""


class Accounts:
    """Compares running totals with the sums of the sessions, and with the changes of one batch.

    All earlier changes must be in the sums.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._sums: dict[tuple[int, str], RunningTotal] = {}  # by session and model

    def lacking(self, entry: Entry, before: Entry | None, total: RunningTotal) -> Entry:
        """Return the part of an event that the sums of its session and model lack.

        `before` is what an earlier sighting of the event has counted; this one adds nothing to it.
        A part has no price yet.
        """
        if before is not None:
            return _as_counted(entry, before)
        if total == UNKNOWN_TOTAL:
            return entry
        requests, tokens = self._sums_of(entry)
        if requests + entry.requests == total[0] and tokens + entry.tokens == total[1]:
            return entry  # as of a single source
        return msgspec.structs.replace(
            entry,
            requests=min(max(total[0] - requests, 0), entry.requests),
            tokens=(total[1] - tokens).max(NO_TOKENS).min(entry.tokens),
            cost=None,
        )

    def _sums_of(self, entry: Entry) -> RunningTotal:
        place = entry.session, entry.model
        if place not in self._sums:
            known = self._state.sessions.numbered(entry.session).models.get(entry.model, NO_USAGE)
            self._sums[place] = known.requests, known.tokens
        return self._sums[place]

    def replace(self, before: Entry | None, after: Entry) -> None:
        """Note what an event with a running total changes."""
        if before is not None:
            requests, tokens = self._sums_of(before)
            place = before.session, before.model
            self._sums[place] = requests - before.requests, tokens - before.tokens
        requests, tokens = self._sums_of(after)
        self._sums[after.session, after.model] = requests + after.requests, tokens + after.tokens


def _as_counted(entry: Entry, before: Entry) -> Entry:
    return msgspec.structs.replace(
        entry,
        requests=before.requests,
        tokens=before.tokens,
        cost=before.cost,
        reported_cost=before.reported_cost,
    )
