"""Changes the cost of counted events to the prices of the current price tables.

The sums of sessions and hours increase or decrease. Totals do not change, because counters never
decrease. The difference is stored by agent (`corrections`), so that the effect of a wrong price can
be undone. Events of which only the key is stored (see `retention`) are not repriced.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from agtop_exporter.ledger.counting import apply
from agtop_exporter.ledger.merging import Price, as_event
from agtop_exporter.ledger.records import Entry, unpriced
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.model import UsageEvent

Replaces = Callable[[UsageEvent], bool]
"""A function that returns whether the user's own price of an event is billed.

If so, it replaces the cost that the agent recorded.
"""

CORRECTIONS = "cost_corrections"  # metadata: picodollars by agent
PRICED_WITH = "priced_with"  # metadata: identifies the price tables used for all events
PROGRESS = "repricing"  # metadata: identifies the new price tables; key of the last repriced event

EVENTS_PER_STEP = 10_000  # one step takes about 200 ms


def corrections(metadata: Mapping[str, bytes]) -> dict[str, int]:
    """Return the cost of the sessions minus the cost in the totals, in picodollars by agent."""
    try:
        return msgspec.json.decode(metadata.get(CORRECTIONS, b"{}"), type=dict[str, int])
    except msgspec.MsgspecError:
        return {}


def reprice_step(state: LedgerState, price: Price, prices: str, replaces: Replaces) -> bool:
    """Apply the current prices to the next events. Return whether more events are left.

    `prices` identifies the current price tables and the user's prices. The caller must call
    `counting.apply` before. Raises DamagedError if a part of the ledger file cannot be read.
    Nothing has changed then.
    """
    if state.metadata.get(PRICED_WITH) == prices.encode():
        return False
    undone = _overrides_changed(state, prices)
    entries, last = state.store.entries_after(_progress(state, prices), EVENTS_PER_STEP)
    repriced = ((key, old, _repriced(old, price, replaces, undone=undone)) for key, old in entries)
    changed = [(key, old, new) for key, old, new in repriced if new != old]
    differences: Counter[str] = Counter()
    for key, old, new in changed:
        state.adopted.take(old)
        state.adopted.add(new)
        state.store.new.put_event(key, new)
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
    """Return whether the user's own prices have changed since the last complete repricing.

    `prices` begins with a digest of the user's own prices, up to the first `-`.
    """
    before = state.metadata.get(PRICED_WITH, b"").decode()
    return bool(before) and before.partition("-")[0] != prices.partition("-")[0]


def _progress(state: LedgerState, prices: str) -> bytes:
    """Return the key of the last event that was repriced with `prices`; empty if there is none."""
    try:
        known, last = msgspec.json.decode(
            state.metadata.get(PROGRESS) or b'["", ""]', type=tuple[str, str]
        )
        return bytes.fromhex(last) if known == prices else b""
    except (msgspec.MsgspecError, ValueError):
        return b""


def _repriced(entry: Entry, price: Price, replaces: Replaces, *, undone: bool) -> Entry:
    """Return an event with its cost at the current prices.

    The cost of an event that has no cost yet does not change: `counting.reprice` adds its cost. If
    the current tables have no price for the event, its earlier cost stays. If `undone` is set, the
    cost becomes unknown instead, because the user may have deleted the price.
    """
    if entry.reported_cost is not None:
        entry = msgspec.structs.replace(entry, own_price=replaces(as_event(entry)))
    if entry.cost is None or not entry.is_billed:
        return entry
    cost = price(as_event(entry))
    if cost is None and not undone:
        return entry
    return msgspec.structs.replace(entry, cost=unpriced(entry.tokens) if cost is None else cost)


def _total(entry: Entry) -> int:
    return 0 if entry.cost is None else entry.cost.total
