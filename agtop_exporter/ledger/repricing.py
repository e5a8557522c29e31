"""Gives counted events the prices that are known today.

Sums of sessions and hours change, up or down. Totals do not: counters never decrease, and the
difference is kept by agent (`corrections`). So a price that turns out to be wrong can be undone.
Only events that are stored in full have another price, see `retention`.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec

from agtop_exporter.ledger.counting import apply
from agtop_exporter.ledger.merging import Price, as_event
from agtop_exporter.ledger.records import Entry, unpriced
from agtop_exporter.ledger.state import LedgerState

CORRECTIONS = "cost_corrections"  # metadata: picodollars by agent
PRICED_WITH = "priced_with"  # metadata: the prices that all events have
PROGRESS = "repricing"  # metadata: the prices in question, and the key of the last event

EVENTS_PER_STEP = 10_000  # take some 200 ms


def corrections(metadata: Mapping[str, bytes]) -> dict[str, int]:
    """Return by agent how much the sessions cost more than the totals say, in picodollars."""
    try:
        return msgspec.json.decode(metadata.get(CORRECTIONS, b"{}"), type=dict[str, int])
    except msgspec.MsgspecError:
        return {}


def reprice_step(state: LedgerState, price: Price, prices: str) -> bool:
    """Give the next events the prices called `prices`; return whether more are left.

    All changes must have been applied. Raises DamagedError before anything has changed.
    """
    if state.metadata.get(PRICED_WITH) == prices.encode():
        return False
    undone = _overrides_changed(state, prices)
    entries, last = state.store.entries_after(_progress(state, prices), EVENTS_PER_STEP)
    repriced = ((key, old, _repriced(old, price, undone=undone)) for key, old in entries)
    changed = [(key, old, new) for key, old, new in repriced if new != old]
    differences: Counter[str] = Counter()
    for key, old, new in changed:
        state.adopted.take(old)
        state.adopted.add(new)
        state.store.put_event(key, new)
        agent = state.sessions.numbered(old.session).agent
        differences[agent] += _total(new) - _total(old)
    apply(state)
    if differences:
        before = corrections(state.metadata)
        after_all = {agent: before.get(agent, 0) + differences[agent] for agent in differences}
        state.remember(CORRECTIONS, msgspec.json.encode(before | after_all))
    if last is None:
        state.remember(PRICED_WITH, prices.encode())
        state.remember(PROGRESS, b"")
        return False
    state.remember(PROGRESS, msgspec.json.encode((prices, last.hex())))
    return True


def _overrides_changed(state: LedgerState, prices: str) -> bool:
    """Return whether the user has changed own prices since the last time, see `fingerprint`."""
    before = state.metadata.get(PRICED_WITH, b"").decode()
    return bool(before) and before.partition("-")[0] != prices.partition("-")[0]


def _progress(state: LedgerState, prices: str) -> bytes:
    """Return the key after which to go on; empty if other prices were in question."""
    try:
        known, last = msgspec.json.decode(
            state.metadata.get(PROGRESS) or b'["", ""]', type=tuple[str, str]
        )
        return bytes.fromhex(last) if known == prices else b""
    except (msgspec.MsgspecError, ValueError):
        return b""


def _repriced(entry: Entry, price: Price, *, undone: bool) -> Entry:
    """Return an event with today's price. What had no price yet is priced elsewhere.

    An earlier price that is no longer known stays, unless the user may have taken it back.
    """
    if entry.cost is None or not (entry.is_billed or entry.tokens.total):
        return entry
    cost = price(as_event(entry))
    if cost is None and not undone:
        return entry
    return msgspec.structs.replace(entry, cost=unpriced(entry.tokens) if cost is None else cost)


def _total(entry: Entry) -> int:
    return 0 if entry.cost is None else entry.cost.total
