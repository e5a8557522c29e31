"""Brings usage events into the sums of sessions, hours and totals: each event once."""

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
from agtop_exporter.model import NO_USAGE, Batch, Cost, ModelUsage, SessionState, UsageEvent

Price = Callable[[UsageEvent], Cost | None]
"""What a response cost, or None where no price is known."""

NO_KEYS: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})
SAME_EVENT_SECONDS = 600.0  # a response takes less from its first line to its last


def count(state: LedgerState, batch: Batch, price: Price) -> int:
    """Count the events of a batch; return how many were refused because a figure is negative.

    Raises DamagedError before anything has changed.
    """
    if any(event.running_total for event in batch.events):
        apply(state)  # the sums of the sessions are compared with the running totals
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        merging.add(key, entry, price, total)
    merging.finish()
    return len(batch.events) - len(entries)


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


def restore(state: LedgerState, batch: Batch, price: Price) -> None:
    """Remember the events of a batch that has been counted before. Raises DamagedError."""
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        if total is None:
            merging.restore(key, entry)
        else:  # the sums have what was counted of it
            merging.add(key, entry, price, total)
    merging.finish()


def _start(
    state: LedgerState, batch: Batch, price: Price
) -> tuple[Merging, list[tuple[bytes, Entry, RunningTotal | None]]]:
    """Look up the events of a batch, and price them; those with a negative figure are left out."""
    events = [event for event in batch.events if event.least >= 0]
    keys = state.store.keys(event_keys(batch.agent, events))
    merging = Merging(state, keys, _other_keys(state, batch.agent, events, keys))
    entries = []
    for key, event in zip(keys, events, strict=True):
        session = state.sessions.find(batch.agent, event.session_id)
        entry = entry_of(event, session, price(event) if event.is_billed else None)
        entries.append((key, entry, event.running_total))
    return merging, entries


def event_keys(agent: str, events: Sequence[UsageEvent]) -> list[bytes]:
    """Return the names of events, unique over all agents."""
    return _names(agent, [event.key for event in events])


def _other_keys(
    state: LedgerState, agent: str, events: Sequence[UsageEvent], keys: Sequence[bytes]
) -> dict[bytes, list[bytes]]:
    """Return the other keys of the events that have some, by their keys."""
    return {
        key: state.store.keys(_names(agent, event.other_keys))
        for key, event in zip(keys, events, strict=True)
        if event.other_keys
    }


def _names(agent: str, keys: Sequence[str]) -> list[bytes]:
    prefix = f"{agent}\0"
    return [(prefix + key).encode() for key in keys]


def entry_of(event: UsageEvent, session: int, cost: Cost | None) -> Entry:
    """Return an event as the ledger remembers it; `session` is the number of the session."""
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
        event.web_searches,
        event.region,
    )


def _began(state: LedgerState, entry: Entry) -> tuple[float, bool]:
    """Return when the session of an event started; a parent precedes a subagent that copies it."""
    facts = state.sessions.numbered(entry.session).facts
    started_at = math.inf if facts.started_at is None else facts.started_at
    return started_at, bool(facts.parent_session_id)


def reprice(state: LedgerState, price: Price) -> int:
    """Price what no price was known for; return how many events now have one.

    Raises DamagedError before anything has changed.
    """
    priced = 0
    for key, entry in state.store.unpriced().items():
        cost = price(as_event(entry))
        if cost is not None:
            new = msgspec.structs.replace(entry, cost=cost)
            state.changes.take(entry)
            state.changes.add(new)
            state.store.put_event(key, new)
            priced += 1
    return priced


def apply(state: LedgerState) -> None:
    """Bring the changes into the sums of sessions, hours and totals."""
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
        if record.models[model] == NO_USAGE:
            del record.models[model]  # another session has a better claim to all of it
        state.store.add_hourly(place, hourly_sums(usage))
    for (session, model), amount in changes.billed.items():
        if amount:
            record = state.sessions.change(session)
            record.billed[model] = record.billed.get(model, 0) + amount
            state.remember_bill(record)
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
    """Add what all sessions gained or lost together: an event that only moves adds nothing."""
    by_model: dict[tuple[str, str], ModelUsage] = {}
    by_project: dict[tuple[str, str], list[int]] = {}
    billed: Counter[tuple[str, str]] = Counter()
    for (session, model), amount in changes.billed.items():
        billed[state.sessions.numbered(session).agent, model] += amount
    for (session, model, _), usage in changes.usage.items():
        record = state.sessions.numbered(session)
        key = record.agent, model
        by_model[key] = by_model.get(key, ModelUsage()) + usage
        spent = by_project.setdefault((record.agent, record.project), [0, 0])
        spent[0] += usage.tokens.total
        spent[1] += usage.cost.total
    for (agent, model), net in without_moved(by_model).items():
        state.totals.add_usage(agent, model, net)
        billed[agent, model] += net.cost.total
    for (agent, model), amount in billed.items():
        state.totals.add_bill(agent, model, 0 if agent in state.covered else amount)
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
