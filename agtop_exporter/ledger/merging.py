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
"""Returns the cost of a response, or None if its price is unknown."""

NO_KEYS: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})

SAME_EVENT_SECONDS = 600.0  # maximum time between the first and the last record of one response


class Merging:
    """Merges the events of a batch with the stored events.

    Nothing changes before `finish`, so an exception in the middle of a batch counts none of it.
    """

    def __init__(
        self,
        state: LedgerState,
        keys: Sequence[bytes],
        other_keys: Mapping[bytes, Sequence[bytes]] = NO_KEYS,
    ) -> None:
        """Look up the stored events with these keys. Raises DamagedError.

        `other_keys` are further keys, by key, under which an event may have been stored.
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
        """Merge an event with the stored one and count the difference.

        `total` is the running total of the event's source, if it has one.
        """
        key = self._counted_as(key, entry)
        before = self._known.get(key)
        if key in self._old:
            return
        if before is not None and before.session in self._state.sessions.lost:
            before = self._adopt(key, before, entry.session)
        if total is not None:
            entry = _with_price(self._accounts.lacking(entry, before, total), price)
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
        """Store an event that was counted before its key was lost; do not count it again."""
        key = self._counted_as(key, entry)
        before = self._known.get(key)
        if before is not None and before.session in self._state.sessions.lost:
            self._adopt(key, before, entry.session)
        elif key not in self._old:
            self._put(key, entry if before is None else self._merge(before, entry))

    def _counted_as(self, key: bytes, entry: Entry) -> bytes:
        """Return the key under which an event is stored; its own key if it is new.

        Several events can share one of their further keys. Such a key matches a stored event only
        if the two times are close, or if only one of the two is a copy, because copies can have
        another time.
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
        """Move an event from a lost session to the session that contains it.

        The totals do not change, because they already include the event.
        """
        adopted = entry.moved_to(session)
        self._adopted.take(entry)
        self._adopted.add(adopted)
        self._put(key, adopted)
        return adopted

    def _put(self, key: bytes, entry: Entry) -> None:
        self._known[key] = self._merged[key] = entry

    def finish(self) -> None:
        """Apply the changes to the ledger's state."""
        self._state.changes.add_changes(self._changes)
        self._state.adopted.add_changes(self._adopted)
        for key, entry in self._merged.items():
            self._state.store.put_event(key, entry)


def _began(state: LedgerState, entry: Entry) -> tuple[float, bool]:
    """Return the sort key (start time, is subagent) of the session of an event.

    If a subagent has a copy of its parent's event, the parent comes first.
    """
    facts = state.sessions.numbered(entry.session).facts
    started_at = math.inf if facts.started_at is None else facts.started_at
    return started_at, bool(facts.parent_session_id)


def as_event(entry: Entry) -> UsageEvent:
    """Return the part of an event that its price depends on."""
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
    )


def _with_price(part: Entry, price: Price) -> Entry:
    """Return the counted part of an event with its price."""
    if part.cost is not None or not (part.requests or part.tokens.total):
        return part
    return msgspec.structs.replace(part, cost=price(as_event(part)))


def _priced(merged: Entry, before: Entry, price: Price) -> Entry:
    """Return a merged event with its price, recalculated if an input of the price changed.

    The cost is never lower than before.
    """
    if _priced_by(merged) == _priced_by(before):
        cost = before.cost
    else:
        cost = price(as_event(merged))
        if cost is not None and before.cost is not None:
            cost = cost.max(before.cost)
    return msgspec.structs.replace(merged, cost=cost or before.cost)


def _priced_by(entry: Entry) -> tuple[object, ...]:
    """Return all inputs of the price."""
    return (entry.tokens, entry.model, entry.speed, entry.time, entry.reported_cost)
