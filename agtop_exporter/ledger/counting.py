"""Counts each usage event once in the sums of sessions and hours and in the totals."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.accounts import Accounts, RunningTotal
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.moves import without_moved
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import Batch, Cost, ModelUsage, SessionState, UsageEvent

Price = Callable[[UsageEvent], Cost | None]
"""Returns the cost of a response, or None if its price is unknown."""

NO_KEYS: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})
SAME_EVENT_SECONDS = 600.0  # maximum time between the first and the last record of one response


def count(state: LedgerState, batch: Batch, price: Price) -> int:
    """Count the events of a batch; return the number of events rejected for a negative figure.

    Raises DamagedError before anything has changed.
    """
    if any(event.running_total for event in batch.events):
        apply(state)  # running totals are compared with the sums of the sessions
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        merging.add(key, entry, price, total)
    merging.finish()
    return len(batch.events) - len(entries)


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


def restore(state: LedgerState, batch: Batch, price: Price) -> None:
    """Store the keys of events that were counted before. Raises DamagedError."""
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        if total is None:
            merging.restore(key, entry)
        else:  # the sums include the counted part of such an event
            merging.add(key, entry, price, total)
    merging.finish()


def _start(
    state: LedgerState, batch: Batch, price: Price
) -> tuple[Merging, list[tuple[bytes, Entry, RunningTotal | None]]]:
    """Look up and price the events of a batch, without those that have a negative figure."""
    events = [event for event in batch.events if event.least >= 0]
    keys = state.store.keys(event_keys(batch.agent, events))
    merging = Merging(state, keys, _other_keys(state, batch.agent, events, keys))
    entries = []
    for key, event in zip(keys, events, strict=True):
        session = state.sessions.find(batch.agent, event.session_id)
        entry = entry_of(event, session, price(event) if event.requests else None)
        entries.append((key, entry, event.running_total))
    return merging, entries


def event_keys(agent: str, events: Sequence[UsageEvent]) -> list[bytes]:
    """Return keys that are unique across agents, in the order of the events."""
    return _names(agent, [event.key for event in events])


def _other_keys(
    state: LedgerState, agent: str, events: Sequence[UsageEvent], keys: Sequence[bytes]
) -> dict[bytes, list[bytes]]:
    """Return the further keys of the events that have some, by event key."""
    return {
        key: state.store.keys(_names(agent, event.other_keys))
        for key, event in zip(keys, events, strict=True)
        if event.other_keys
    }


def _names(agent: str, keys: Sequence[str]) -> list[bytes]:
    prefix = f"{agent}\0"
    return [(prefix + key).encode() for key in keys]


def entry_of(event: UsageEvent, session: int, cost: Cost | None) -> Entry:
    """Return the stored form of an event; `session` is the number of its session."""
    return Entry(
        session,
        event.copied,
        event.time,
        event.model,
        event.tokens,
        cost,
        event.requests,
        event.turns,
        event.compactions,
        event.tools,
        event.tool_errors,
        event.provider,
        event.speed,
        event.reported_cost,
    )


def _began(state: LedgerState, entry: Entry) -> tuple[float, bool]:
    """Return the sort key (start time, is subagent) of the session of an event.

    If a subagent has a copy of its parent's event, the parent comes first.
    """
    facts = state.sessions.numbered(entry.session).facts
    started_at = math.inf if facts.started_at is None else facts.started_at
    return started_at, bool(facts.parent_session_id)


def reprice(state: LedgerState, price: Price) -> int:
    """Price the events that had no known price; return how many have a price now.

    Raises DamagedError before anything has changed.
    """
    priced = 0
    for key, entry in state.store.unpriced().items():
        cost = price(_as_event(entry))
        if cost is not None:
            new = msgspec.structs.replace(entry, cost=cost)
            state.changes.take(entry)
            state.changes.add(new)
            state.store.put_event(key, new)
            priced += 1
    return priced


def apply(state: LedgerState) -> None:
    """Apply the pending changes to the sums of sessions and hours and to the totals."""
    changes, state.changes = state.changes.net(), Changes()
    adopted, state.adopted = state.adopted.net(), Changes()
    _apply_to_sessions(state, adopted)
    _apply_to_sessions(state, changes)
    _apply_to_totals(state, changes)


def _apply_to_sessions(state: LedgerState, changes: Changes) -> None:
    for place, usage in changes.usage.items():
        session, model, _ = place
        record = state.sessions.change(session)
        record.models[model] = (record.models.get(model, ModelUsage()) + usage).bounded()
        if record.models[model].requests == 0:
            del record.models[model]  # all of its events moved to other sessions
        state.store.add_hourly(place, hourly_sums(usage))
    for (session, kind, name), number in changes.counts.items():
        if number:
            record = state.sessions.change(session)
            _add_count(record, kind, name, number)


def _add_count(record: SessionState, kind: str, name: str, number: int) -> None:
    if kind == "turns":
        record.turns += number
    elif kind == "compactions":
        record.compactions += number
    else:
        calls = record.tools if kind == "tool_calls" else record.tool_errors
        calls[name] = calls.get(name, 0) + number
        if not calls[name]:
            del calls[name]


def _apply_to_totals(state: LedgerState, changes: Changes) -> None:
    """Add the differences summed over all sessions; an event that only moves adds nothing."""
    by_model: dict[tuple[str, str], ModelUsage] = {}
    by_project: dict[tuple[str, str], list[int]] = {}
    for (session, model, _), usage in changes.usage.items():
        record = state.sessions.numbered(session)
        key = record.agent, model
        by_model[key] = by_model.get(key, ModelUsage()) + usage
        spent = by_project.setdefault((record.agent, record.project), [0, 0])
        spent[0] += usage.tokens.total
        spent[1] += usage.cost.total
    for (agent, model), net in without_moved(by_model).items():
        state.totals.add_usage(agent, model, net)
    for (agent, project), (tokens, cost) in by_project.items():
        state.totals.add_project(agent, project, tokens=tokens, cost=cost)
    counts: Counter[tuple[str, str, str]] = Counter()
    for (session, kind, name), number in changes.counts.items():
        if number:
            counts[kind, state.sessions.numbered(session).agent, name] += number
    for (kind, agent, name), number in counts.items():
        state.totals.count(kind, agent, name, number)


def hourly_sums(usage: ModelUsage) -> tuple[int, ...]:
    """Return the sums of a row of `hourly`, in the order of its columns."""
    cost = usage.cost
    return (usage.requests, *astuple(usage.tokens), cost.total, cost.unpriced_tokens)


def _as_event(entry: Entry) -> UsageEvent:
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
    return msgspec.structs.replace(part, cost=price(_as_event(part)))


def _priced(merged: Entry, before: Entry, price: Price) -> Entry:
    """Return a merged event with its price, recalculated if an input of the price changed.

    The cost is never lower than before.
    """
    if _priced_by(merged) == _priced_by(before):
        cost = before.cost
    else:
        cost = price(_as_event(merged))
        if cost is not None and before.cost is not None:
            cost = cost.max(before.cost)
    return msgspec.structs.replace(merged, cost=cost or before.cost)


def _priced_by(entry: Entry) -> tuple[object, ...]:
    """Return all inputs of the price."""
    return (entry.tokens, entry.model, entry.speed, entry.time, entry.reported_cost)
