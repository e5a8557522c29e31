"""Counts usage only once if two sources record the usage under different event keys.

A running total (`UsageEvent.running_total`) is the usage that one source has recorded so far for a
session and model. The counted usage is the larger running total of the two sources.
"""

import msgspec

from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import NO_TOKENS, NO_USAGE, UNKNOWN_TOTAL, TokenCounts

RunningTotal = tuple[int, TokenCounts]
"""(number of requests, tokens) that one source has recorded so far for a session and model."""


class Accounts:
    """Compares the running total of an event with the counted usage of its session and model.

    One object serves one batch. The caller must first add all pending changes to the sessions.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._sums: dict[tuple[int, str], RunningTotal] = {}  # by session and model

    def lacking(self, entry: Entry, before: Entry | None, total: RunningTotal) -> Entry:
        """Return `entry` with only the requests and tokens that are not counted yet.

        `before` is the stored event with the same key, or None. If there is one, the result has the
        requests, tokens and costs of `before`, so that merging the two adds no usage.

        `total` is the usage that the source of the event has recorded so far for the session and
        model, including this event. If `total` is UNKNOWN_TOTAL, or if only one source has recorded
        usage, `entry` is returned unchanged. Otherwise the result has only the part of `total` that
        exceeds the counted usage. Its `cost` is None, because the caller calculates the cost.
        """
        if before is not None:
            return _as_counted(entry, before)
        if total == UNKNOWN_TOTAL:
            return entry
        requests, tokens = self._sums_of(entry)
        if requests + entry.requests == total[0] and tokens + entry.tokens == total[1]:
            return entry  # only one source has recorded usage so far
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
        """Update the counted usage after `after` replaced `before` (None for a new event)."""
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
