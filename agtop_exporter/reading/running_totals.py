"""Turns running totals of token counts into usage events. Does no I/O.

Some agents record only the usage of all requests of a session so far, and the model that the
session uses now. `RunningTotals` stores the last total of each session. The growth of the total
between two reads is assigned to the model that the session has at the second read. If a count of a
total has decreased, the total has started again from 0. The number of requests is unknown, so the
events have no requests.
"""

import msgspec

from agtop_exporter.model import NO_TOKENS, UNKNOWN_TOTAL, TokenCounts, UsageEvent

SESSIONS_MAX = 10_000  # maximum number of remembered sessions per source


class RunningTotals(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The last total of each session of a source, by session id. A part of a reader state."""

    last: dict[str, TokenCounts] = msgspec.field(default_factory=dict)

    def growth(self, event: UsageEvent) -> UsageEvent | None:
        """Return the event that counts the growth of a session's total; None if it has not grown.

        `event.tokens` is the total of the session at `event.time`. The first total of a session is
        counted as a whole, and has an event even if it is 0. If the ledger already has an event
        with the same key, nothing is added to it. A session whose reader state was lost is
        therefore not counted again.
        """
        now, last = event.tokens, self.last.pop(event.session_id, None)
        self.last[event.session_id] = now
        if len(self.last) > SESSIONS_MAX:
            del self.last[next(iter(self.last))]
        if last is None:
            return msgspec.structs.replace(event, running_total=UNKNOWN_TOTAL)
        if now == last:
            return None
        began_again = (now - last).min(NO_TOKENS) != NO_TOKENS
        return msgspec.structs.replace(
            event,
            key=f"{event.key}:{last.total}:{now.total}",
            tokens=now if began_again else now - last,
            running_total=UNKNOWN_TOTAL,
        )
