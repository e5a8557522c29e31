"""Events with running totals: two sources record the same usage, and it counts once.

See `UsageEvent.running_total`. The sums of a session and model are at least what each source has
shown so far, and no larger than the larger of both.
"""

import msgspec

from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import NO_TOKENS, NO_USAGE, UNKNOWN_TOTAL, ModelUsage, TokenCounts

RunningTotal = tuple[int, TokenCounts]
"""Requests and tokens that a source has shown so far of a session and model."""


class Accounts:
    """Compares running totals with the sums of the sessions, and with the changes of one batch.

    All earlier changes must be in the sums.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._changed: dict[tuple[int, str], ModelUsage] = {}  # by session and model

    def lacking(self, entry: Entry, before: Entry | None, total: RunningTotal) -> Entry:
        """Return the part of an event that the sums of its session and model lack.

        `before` is what an earlier sighting of the event has counted. The part has no price yet.
        """
        if total == UNKNOWN_TOTAL:
            return entry if before is None else _as_counted(entry, before)
        place = entry.session, entry.model
        sums = self._state.sessions.by_id[entry.session].models.get(entry.model, NO_USAGE)
        sums += self._changed.get(place, NO_USAGE)
        if before is not None and (before.session, before.model) == place:
            sums -= ModelUsage(before.requests, before.tokens)
        requests = min(max(total[0] - sums.requests, 0), entry.requests)
        tokens = (total[1] - sums.tokens).max(NO_TOKENS).min(entry.tokens)
        if (requests, tokens) == (entry.requests, entry.tokens):
            return entry
        return msgspec.structs.replace(entry, requests=requests, tokens=tokens, cost=None)

    def replace(self, before: Entry | None, after: Entry) -> None:
        """Note what an event with a running total changes."""
        for entry, sign in ((before, -1), (after, 1)):
            if entry is not None:
                place, usage = (
                    (entry.session, entry.model),
                    ModelUsage(entry.requests, entry.tokens),
                )
                known = self._changed.get(place, NO_USAGE)
                self._changed[place] = known + usage if sign > 0 else known - usage


def _as_counted(entry: Entry, before: Entry) -> Entry:
    return msgspec.structs.replace(
        entry, requests=before.requests, tokens=before.tokens, cost=before.cost
    )
