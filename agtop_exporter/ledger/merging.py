"""Merges each new event with the stored event of the same key, and calculates its cost."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType

import msgspec

from agtop_exporter.ledger.accounts import Accounts, RunningTotal
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import SAME_EVENT_SECONDS, Cost, SessionState, UsageEvent

Price = Callable[[UsageEvent], Cost | None]
"""A function that returns the cost of an event, or None if its price is not known."""

NO_KEYS: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})


class Merging:
    """Merges the events of one batch with the stored events.

    Nothing changes in the ledger before `finish`. After an exception in the middle of a batch, no
    event of the batch is therefore counted.
    """

    def __init__(
        self,
        state: LedgerState,
        keys: Sequence[bytes],
        other_keys: Mapping[bytes, Sequence[bytes]] = NO_KEYS,
        *,
        compares: bool = False,
    ) -> None:
        """Look up the stored events with these keys. Raises DamagedError.

        `other_keys` maps the key of an event to further keys under which the same event may have
        been counted. `compares` is true if an event of the batch has a running total.
        """
        self._compares = compares
        self._state = state
        self._rolled_up_before = state.rolled_up_before
        every_key = [*keys, *chain(*other_keys.values())]
        self._known = state.store.entries(every_key)
        self._other_keys = other_keys
        self._old = state.store.old_keys([key for key in every_key if key not in self._known])
        self._merged: dict[bytes, Entry] = {}
        self._changes = Changes()
        self._adopted = Changes()
        self._accounts = Accounts(state)

    def add(
        self, key: bytes, entry: Entry, price: Price, total: RunningTotal | None = None
    ) -> None:
        """Count an event, or the part of it that is not counted yet.

        `total` is the running total of the event, if the event has one.
        """
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
            if self._compares:
                self._accounts.replace(None, entry)
            return
        merged = self._merge(before, entry)
        if merged != before:
            merged = _priced(merged, before, price)
            self._put(key, merged)
            self._changes.take(before)
            self._changes.add(merged)
            if self._compares:
                self._accounts.replace(before, merged)

    def restore(self, key: bytes, entry: Entry) -> None:
        """Store an event whose usage is already counted, without counting it again."""
        key = self._counted_as(key, entry)
        before = self._known.get(key)
        if before is not None and before.session in self._state.sessions.lost:
            self._adopt(key, before, entry.session)
        elif key not in self._old:
            self._put(key, entry if before is None else self._merge(before, entry))

    def _counted_as(self, key: bytes, entry: Entry) -> bytes:
        """Return the key under which an event is stored; `key` if the event is not stored.

        Different events may share one of the `other_keys`. An event that is stored under such a key
        is taken for the same event as `entry` if their times differ by at most SAME_EVENT_SECONDS,
        or if exactly one of them (`entry` or the stored event) is a copy. If only the key of the
        stored event is left, `entry` must be as old as such events.
        """
        others = self._other_keys.get(key)
        if others is None or key in self._known or key in self._old:
            return key
        is_old = entry.time < self._rolled_up_before
        for other in others:
            before = self._known.get(other)
            if before is not None:
                is_copy = entry.copied != before.copied
                if is_copy or abs(entry.time - before.time) <= SAME_EVENT_SECONDS:
                    return other
            elif is_old and other in self._old:
                return other
        return key

    def _merge(self, before: Entry, entry: Entry) -> Entry:
        began_before = _began(self._state, entry) < _began(self._state, before)
        return before.merged(entry, began_before=began_before)

    def _adopt(self, key: bytes, entry: Entry, session: int) -> Entry:
        """Move a stored event from a lost session to `session`. Return the moved event.

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
        """Add the merged events and their changes to the state of the ledger."""
        self._state.changes.add_changes(self._changes)
        self._state.adopted.add_changes(self._adopted)
        for key, entry in self._merged.items():
            self._state.store.new.put_event(key, entry)


def _began(state: LedgerState, entry: Entry) -> tuple[float, bool]:
    """Return a sort key by which a parent session precedes its subagents.

    The key has the start of an event's session, and whether the session is a subagent. The second
    value decides between sessions that started at the same time. A subagent does not start before
    its parent, although its transcript can begin with older records that its parent has copied.
    """
    session = state.sessions.numbered(entry.session)
    started_at, parent_id = _start_of(session), session.facts.parent_session_id
    parent = state.sessions.get((session.agent, parent_id)) if parent_id else None
    if parent is not None and parent.facts.started_at is not None:
        started_at = max(started_at, parent.facts.started_at)
    return started_at, bool(parent_id)


def _start_of(session: SessionState) -> float:
    return math.inf if session.facts.started_at is None else session.facts.started_at


def as_event(entry: Entry) -> UsageEvent:
    """Return a usage event with only the fields on which the price of `entry` depends."""
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
        own_price=entry.own_price,
    )


def _with_price(part: Entry, whole: Entry, price: Price) -> Entry:
    """Return `part`, the part of the event `whole` that is counted, with its cost.

    The rest of `whole` was counted earlier at list price. If the agent recorded the billed amount
    of the whole event, `part` gets the whole difference between billed amount and list price. The
    billed amount of `part` can therefore be negative.
    """
    if part.cost is None and part.is_billed:
        part = msgspec.structs.replace(part, cost=price(as_event(part)))
    if part.tokens == whole.tokens or whole.reported_cost is None:
        return part
    cost = part.cost.total if part.cost is not None else 0
    return msgspec.structs.replace(part, reported_cost=cost + whole.reported_difference)


def _priced(merged: Entry, before: Entry, price: Price) -> Entry:
    """Return the event `merged` with its cost. No part of the cost is lower than in `before`.

    A new price is looked up only if a value on which the price depends has changed.
    """
    if _priced_by(merged) == _priced_by(before):
        cost = before.cost
    else:
        cost = price(as_event(merged))
        if cost is not None and before.cost is not None:
            cost = cost.max(before.cost)
    return msgspec.structs.replace(merged, cost=cost or before.cost)


def _priced_by(entry: Entry) -> tuple[object, ...]:
    """Return the values on which the price of an event depends."""
    return (
        entry.tokens,
        entry.model,
        entry.speed,
        entry.time,
        entry.reported_cost,
        entry.web_searches,
        entry.region,
        entry.own_price,
    )
