"""Counts each usage event once in the sums of sessions and hours and in the totals."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.accounts import RunningTotal
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.merging import Merging, Price, as_event
from agtop_exporter.ledger.moves import without_moved
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import Batch, Cost, ModelUsage, SessionState, UsageEvent


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


def reprice(state: LedgerState, price: Price) -> int:
    """Price the events that had no known price; return how many have a price now.

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
