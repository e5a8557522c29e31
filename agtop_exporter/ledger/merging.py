"""Merges events with the stored records of the same events, and prices them."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType

import msgspec

from agtop_exporter.ledger.accounts import Accounts, RunningTotal
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import Cost, UsageEvent

Price = Callable[[UsageEvent], Cost | None]
"""What a response cost, or None where no price is known."""

NO_KEYS: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})

SAME_EVENT_SECONDS = 600.0  # a response takes less from its first line to its last


class Merging:
    """Merges events into what is known of them; nothing has changed before `finish`.

    So an exception in the middle of a batch counts none of it.
    """

    def __init__(
        self,
        state: LedgerState,
        keys: Sequence[bytes],
        other_keys: Mapping[bytes, Sequence[bytes]] = NO_KEYS,
    ) -> None:
        """Look up the events with these keys. Raises DamagedError.

        `other_keys` has more keys under which some of them may have been counted.
        """
        self._state = state
        self._known = state.store.entries([*keys, *chain(*other_keys.values())])
        self._other_keys = other_keys
        self._old = state.store.old_keys([key for key in keys if key not in self._known])
        self._merged: dict[bytes, Entry] = {}
        self._changes = Changes()
        self._adopted = Changes()
        self._accounts = Accounts(state)

    def add(
        self, key: bytes, entry: Entry, price: Price, total: RunningTotal | None = None
    ) -> None:
        """Count what an event adds to what was known of it, and to its running total."""
        key = self._counted_as(key, entry)
        before = self._known.get(key)
        if key in self._old:
            return
        if before is not None and before.session in self._state.sessions.lost:
            before = self._adopt(key, before, entry.session)
        if total is not None:
            entry = _with_price(self._accounts.lacking(entry, before, total), entry, price)
        if before is None:
            self._put(key, entry)
            self._changes.add(entry)
            if total is not None:
                self._accounts.replace(None, entry)
            return
        merged = self._merge(before, entry)
        if merged != before:
            merged = _priced(merged, before, price)
            self._put(key, merged)
            self._changes.take(before)
            self._changes.add(merged)
            if total is not None:
                self._accounts.replace(before, merged)

    def restore(self, key: bytes, entry: Entry) -> None:
        """Remember an event that has been counted."""
        key = self._counted_as(key, entry)
        before = self._known.get(key)
        if before is not None and before.session in self._state.sessions.lost:
            self._adopt(key, before, entry.session)
        elif key not in self._old:
            self._put(key, entry if before is None else self._merge(before, entry))

    def _counted_as(self, key: bytes, entry: Entry) -> bytes:
        """Return the key under which an event is known; its own key if it is not.

        Several events may share another key. It belongs to the one whose time it has, and to
        copies, which may have another time.
        """
        others = self._other_keys.get(key)
        if others is None or key in self._known or key in self._old:
            return key
        for other in others:
            before = self._known.get(other)
            if before is not None:
                is_copy = entry.copied != before.copied
                if is_copy or abs(entry.time - before.time) <= SAME_EVENT_SECONDS:
                    return other
        return key

    def _merge(self, before: Entry, entry: Entry) -> Entry:
        began_before = _began(self._state, entry) < _began(self._state, before)
        return before.merged(entry, began_before=began_before)

    def _adopt(self, key: bytes, entry: Entry, session: int) -> Entry:
        """Give an event of a lost session to one that shows it; the totals have it already."""
        adopted = entry.moved_to(session)
        self._adopted.take(entry)
        self._adopted.add(adopted)
        self._put(key, adopted)
        return adopted

    def _put(self, key: bytes, entry: Entry) -> None:
        self._known[key] = self._merged[key] = entry

    def finish(self) -> None:
        """Make the changes."""
        self._state.changes.add_changes(self._changes)
        self._state.adopted.add_changes(self._adopted)
        for key, entry in self._merged.items():
            self._state.store.put_event(key, entry)


def _began(state: LedgerState, entry: Entry) -> tuple[float, bool]:
    """Return when the session of an event started; a parent precedes a subagent that copies it."""
    facts = state.sessions.numbered(entry.session).facts
    started_at = math.inf if facts.started_at is None else facts.started_at
    return started_at, bool(facts.parent_session_id)


def as_event(entry: Entry) -> UsageEvent:
    """Return what a price depends on."""
    return UsageEvent(
        key="",
        session_id="",
        time=entry.time,
        model=entry.model,
        tokens=entry.tokens,
        requests=entry.requests,
        provider=entry.provider,
        speed=entry.speed,
        reported_cost=entry.reported_cost,
        web_searches=entry.web_searches,
        region=entry.region,
    )


def _with_price(part: Entry, whole: Entry, price: Price) -> Entry:
    """Price an event of which only a part counts.

    The tokens of the rest have been counted with their list price. What is billed for the whole
    event differs from that by as much as before, so the part may have a negative bill.
    """
    if part.cost is None and (part.requests or part.tokens.total):
        part = msgspec.structs.replace(part, cost=price(as_event(part)))
    if part.tokens == whole.tokens or whole.reported_cost is None:
        return part
    cost = part.cost.total if part.cost is not None else 0
    return msgspec.structs.replace(part, reported_cost=cost + whole.billed)


def _priced(merged: Entry, before: Entry, price: Price) -> Entry:
    """Price what is now known better; what has been charged is never lowered."""
    if _priced_by(merged) == _priced_by(before):
        cost = before.cost
    else:
        cost = price(as_event(merged))
        if cost is not None and before.cost is not None:
            cost = cost.max(before.cost)
    return msgspec.structs.replace(merged, cost=cost or before.cost)


def _priced_by(entry: Entry) -> tuple[object, ...]:
    """Return all that a price depends on."""
    return (
        entry.tokens,
        entry.model,
        entry.speed,
        entry.time,
        entry.reported_cost,
        entry.web_searches,
        entry.region,
    )
