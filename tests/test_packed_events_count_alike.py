"""Events that come summed from a child count as they do one by one, and merge later as ever."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from driving import project
from events import NOON, batch, response
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.packed import pack
from agtop_exporter.model import TokenCounts, UsageEvent
from agtop_exporter.pricing import PriceBook

DATED, TIERED, UNPRICED = "claude-opus-4-6", "claude-sonnet-4-5", "nobody-knows"
PRICE_CHANGE = 1_773_360_000.0  # of DATED: 2026-03-13, 1M tokens of context at the standard price

counts = st.integers(0, 150_000)
calls = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["Bash", "Read"])),
    unique_by=lambda call: call[0],
    max_size=2,
).map(tuple)
events = st.builds(
    UsageEvent,
    key=st.sampled_from([f"k{number}" for number in range(40)]),
    session_id=st.sampled_from(["s1", "s2"]),
    time=st.sampled_from([NOON, NOON + 10, NOON + 4_000, PRICE_CHANGE - 1, PRICE_CHANGE]),
    model=st.sampled_from([DATED, TIERED, UNPRICED]),
    tokens=st.builds(TokenCounts, counts, counts, counts, counts, counts, counts),
    requests=st.sampled_from([0, 1, 1, 1]),
    turns=st.integers(0, 1),
    compactions=st.integers(0, 1),
    tools=calls,
    tool_errors=calls,
    copied=st.booleans(),
    speed=st.sampled_from(["", "", "fast"]),
    reported_cost=st.sampled_from([None, None, None, 7]),
)
priced = events.filter(lambda event: event.model != UNPRICED)
unlike = st.lists(priced, max_size=12, unique_by=lambda event: event.key)
batches = st.lists(unlike | st.lists(events, max_size=12), max_size=5)  # the first can be packed
BOOK = PriceBook()


def tell(ledger, found, *, packed):
    whole = batch(*found)
    if packed:
        whole = msgspec.structs.replace(whole, events=(), packed=pack("claude", found))
    ledger.record(whole, price=BOOK.cost, find_tariff=BOOK.tariff, project=project)
    ledger.commit()


def sums(ledger):
    return ledger.totals, {
        key: (record.models, record.tools, record.tool_errors, record.turns, record.compactions)
        for key, record in ledger.sessions.items()
    }


@given(history=batches, packed=st.lists(st.booleans(), min_size=5, max_size=5))
def test_packed_or_not_the_sums_are_the_same(history, packed):
    one_by_one, mixed = Ledger(), Ledger()
    for found, is_packed in zip(history, packed, strict=False):
        tell(one_by_one, found, packed=False)
        tell(mixed, found, packed=is_packed)
        assert sums(mixed) == sums(one_by_one)


@given(history=batches)
def test_packed_events_are_on_disk_as_others_are(history):
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        kept = []
        for directory, is_packed in ((first, False), (second, True)):
            ledger = Ledger(Path(directory))
            for found in history:
                tell(ledger, found, packed=is_packed)
            ledger.close()
            again = Ledger(Path(directory), read_only=True)
            store = again._state.store  # noqa: SLF001 - what lies on disk, whoever asks
            kept.append((sums(again), sorted(store.all("events")), sorted(store.all("hourly"))))
            again.close()
        assert kept[0] == kept[1]


HALF_PAST_FOUR = NOON + 6.5 * 3600  # PM, when the price of BY_THE_CLOCK changes
BY_THE_CLOCK = "deepseek-reasoner"
TWO_SPEEDS = "claude-opus-4-8"


@pytest.mark.parametrize(
    "found",
    [
        [
            response("k1", model=TIERED, input=150_000),
            response("k2", model=TIERED, input=250_000),
        ],
        [
            response("k1", model=BY_THE_CLOCK, time=HALF_PAST_FOUR - 1),
            response("k2", model=BY_THE_CLOCK, time=HALF_PAST_FOUR + 1),
        ],
        [response("k1", model=TWO_SPEEDS), response("k2", model=TWO_SPEEDS, speed="fast")],
        [response("k1", model=TIERED), response("k2", model=TIERED, reported_cost=7)],
    ],
    ids=["two tiers", "two prices", "two speeds", "its own word"],
)
def test_of_one_hour_each_costs_its_own(found):
    one_by_one, packed = Ledger(), Ledger()
    tell(one_by_one, found, packed=False)
    tell(packed, found, packed=True)
    assert sums(packed) == sums(one_by_one)
    assert len({BOOK.cost(event) for event in found}) == len(found)


def test_many_new_events_are_not_looked_at_one_by_one():
    """Else the test above would compare a thing with itself."""
    ledger = Ledger()
    found = [response(f"k{number}", model=DATED) for number in range(100)]
    tell(ledger, found, packed=True)
    assert ledger.totals["requests", "claude", DATED] == 100
    assert not ledger._state.store._events  # noqa: SLF001 - there is no other sign of it
