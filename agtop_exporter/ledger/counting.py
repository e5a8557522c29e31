"""Adds each usage event once to the sums of sessions, to the sums of hours and to the totals."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.accounts import RunningTotal
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.merging import Merging, Price, as_event
from agtop_exporter.ledger.moves import without_moved
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.ledger.totals import Owner, Spent
from agtop_exporter.model import (
    NO_USAGE,
    Batch,
    Cost,
    ModelUsage,
    SessionState,
    UsageEvent,
    hour_of,
)


def count(state: LedgerState, batch: Batch, price: Price) -> int:
    """Count the events of a batch. Return how many were rejected because of a negative number.

    Raises DamagedError if a part of the ledger file cannot be read. Nothing has changed then.
    """
    if any(event.running_total for event in batch.events):
        apply(state)  # the sums of the sessions are compared with the running totals
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        merging.add(key, entry, price, total)
    merging.finish()
    return len(batch.events) - len(entries)


def restore(state: LedgerState, batch: Batch, price: Price) -> None:
    """Store lost events again, from a batch whose events were counted before.

    The totals do not change. Raises DamagedError if a part of the ledger file cannot be read.
    """
    merging, entries = _start(state, batch, price)
    for key, entry, total in entries:
        if total is None:
            merging.restore(key, entry)
        else:  # adds only usage that the sums do not have
            merging.add(key, entry, price, total)
    merging.finish()


def _start(
    state: LedgerState, batch: Batch, price: Price
) -> tuple[Merging, list[tuple[bytes, Entry, RunningTotal | None]]]:
    """Look up the stored events and the prices for the events of a batch.

    Returns a `Merging` and a list of (key, event, running total). Events with a negative number are
    left out of the list.
    """
    events = [event for event in batch.events if event.least >= 0]
    keys = state.store.keys(event_names(batch.agent, events))
    compares = any(event.running_total for event in events)
    others = _other_keys(state, batch.agent, events, keys)
    merging = Merging(state, keys, others, compares=compares)
    entries = []
    for key, event in zip(keys, events, strict=True):
        session = state.sessions.find(batch.agent, event.session_id)
        entry = entry_of(event, session, price(event) if event.is_billed else None)
        entries.append((key, entry, event.running_total))
    return merging, entries


def event_names(agent: str, events: Sequence[UsageEvent]) -> list[bytes]:
    """Return the name of each event: the agent and the key. No two events have the same name."""
    return _names(agent, [event.key for event in events])


def _other_keys(
    state: LedgerState, agent: str, events: Sequence[UsageEvent], keys: Sequence[bytes]
) -> dict[bytes, list[bytes]]:
    """Return the stored form of the `other_keys` of events, by the stored key of the event.

    `keys` are the stored keys of `events` in the same order. Events without other keys are left
    out.
    """
    return {
        key: state.store.keys(_names(agent, event.other_keys))
        for key, event in zip(keys, events, strict=True)
        if event.other_keys
    }


def _names(agent: str, keys: Sequence[str]) -> list[bytes]:
    prefix = f"{agent}\0"
    return [(prefix + key).encode() for key in keys]


def entry_of(event: UsageEvent, session: int, cost: Cost | None) -> Entry:
    """Return an event in the form that the ledger stores. `session` is its session's number."""
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
        event.own_price,
    )


def reprice(state: LedgerState, price: Price) -> int:
    """Calculate the cost of events without a known price. Return how many have a price now.

    Raises DamagedError if a part of the ledger file cannot be read. Nothing has changed then.
    """
    priced = 0
    for key, entry in state.store.unpriced().items():
        cost = price(as_event(entry))
        if cost is not None:
            new = msgspec.structs.replace(entry, cost=cost)
            state.changes.take(entry)
            state.changes.add(new)
            state.store.new.put_event(key, new)
            priced += 1
    return priced


def apply(state: LedgerState) -> None:
    """Add all pending changes to the sums of sessions and hours, and to the totals.

    The changes in `state.adopted`, of moved and of repriced events, are not added to the totals.
    The changes of agents whose usage is counted again are not added either.
    """
    changes, state.changes = state.changes.net(), Changes()
    adopted, state.adopted = state.adopted.net(), Changes()
    _apply_to_sessions(state, adopted)
    _apply_to_sessions(state, changes)
    if again := state.counts_again:
        changes = changes.only(lambda session: state.sessions.numbered(session).agent not in again)
    _apply_to_totals(state, changes)


def _apply_to_sessions(state: LedgerState, changes: Changes) -> None:
    for place, usage in changes.usage.items():
        session, model, _ = place
        record = state.sessions.change(session)
        record.models[model] = (record.models.get(model, ModelUsage()) + usage).bounded()
        if record.models[model] == NO_USAGE:
            del record.models[model]  # all usage of the model was moved away
        state.store.new.add_hourly(place, hourly_sums(usage))
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
    """Add the changes to the totals.

    The changes of all sessions with the same labels are summed first. An event that moves from one
    of these sessions to another therefore adds nothing.
    """
    by_model: dict[tuple[str, str], ModelUsage] = {}
    by_project: defaultdict[tuple[str, str], Spent] = defaultdict(Spent)
    by_owner: defaultdict[tuple[str, Owner], defaultdict[str, Spent]]
    by_owner = defaultdict(lambda: defaultdict(Spent))  # an owner is an account or a user
    billed: Counter[tuple[str, str]] = Counter()
    last_use: defaultdict[tuple[str, str, str], int] = defaultdict(int)  # hour of a label value
    for (session, model), amount in changes.billed.items():
        billed[state.sessions.numbered(session).agent, model] += amount
    for (session, model, hour), usage in changes.usage.items():
        record = state.sessions.numbered(session)
        key = record.agent, model
        by_model[key] = by_model.get(key, ModelUsage()) + usage
        spent = Spent(usage.tokens.total, usage.cost.total)
        by_project[record.agent, record.project] += spent
        owners = state.owners_of(record)
        for owner, name in owners:
            by_owner[record.agent, owner][name] += spent
        for label in (("model", model), ("project", record.project), *owners):
            last_use[record.agent, *label] = max(hour, last_use[record.agent, *label])
    added: defaultdict[str, Spent] = defaultdict(Spent)
    for (agent, model), net in without_moved(by_model).items():
        hour = last_use[agent, "model", model]
        added[agent] += state.totals.add_usage(agent, model, net, hour=hour)
        billed[agent, model] += net.cost.total
    for (agent, owner), spent_by in by_owner.items():
        for name, share in _divided(added[agent], spent_by).items():
            hour = last_use[agent, owner, name]
            state.totals.add_owner(owner, agent, name, share, hour=hour)
    for (agent, model), amount in billed.items():
        state.totals.add_bill(agent, model, 0 if agent in state.covered else amount)
    for (agent, project), spent in by_project.items():
        hour = last_use[agent, "project", project]
        state.totals.add_project(agent, project, tokens=spent.tokens, cost=spent.cost, hour=hour)
    _apply_counts(state, changes.counts)


def _apply_counts(state: LedgerState, by_session: Counter[tuple[int, str, str]]) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    hours: dict[tuple[str, str, str], int] = {}
    for (session, kind, name), number in by_session.items():
        if number:
            record = state.sessions.numbered(session)
            key = kind, record.agent, name
            counts[key] += number
            hours[key] = max(hour_of(record.facts.last_active or 0.0), hours.get(key, 0))
    for (kind, agent, name), number in counts.items():
        state.totals.count(kind, agent, name, number, hour=hours[kind, agent, name])


def _divided(added: Spent, changes: Mapping[str, Spent]) -> dict[str, Spent]:
    """Divide `added`, an increase of an agent's totals, among the agent's accounts or users.

    `changes` has the changes by account or user. Their sum differs from `added` if usage moved
    between accounts, users or models.
    """
    tokens = shares(added.tokens, {name: spent.tokens for name, spent in changes.items()})
    costs = shares(added.cost, {name: spent.cost for name, spent in changes.items()})
    return {name: Spent(tokens[name], costs[name]) for name in changes}


def shares(amount: int, changes: Mapping[str, int]) -> dict[str, int]:
    """Divide `amount` among the names in `changes`. No share is negative.

    The names are processed in the order of their changes, the smallest change first. Each name gets
    the amount of its change, or what is left of the amount. The last name also gets the rest.
    """
    found: dict[str, int] = {}
    names = sorted(changes, key=lambda name: (changes[name], name))
    for name in names:
        found[name] = min(amount, max(0, changes[name]))
        amount -= found[name]
    found[names[-1]] += amount
    return found


def hourly_sums(usage: ModelUsage) -> tuple[int, ...]:
    """Return the numbers of `usage` in the order of the sum columns of the table `hourly`."""
    cost = usage.cost
    return (usage.requests, *astuple(usage.tokens), cost.total, cost.unpriced_tokens)
