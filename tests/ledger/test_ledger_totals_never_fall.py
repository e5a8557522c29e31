"""A published total never decreases, whatever is recorded later."""

import msgspec
import pytest
from driving import project
from events import NOON, batch, record, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost, ParseError


@st.composite
def prices(draw):
    """Return the price at a time. Price tables appear, change and disappear."""
    rate = draw(st.one_of(st.none(), st.integers(0, 100)))

    def price(event):
        return None if rate is None else Cost(input=event.tokens.input * rate)

    return price


@pytest.mark.slow
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["record", "reprice", "commit"]), st.lists(sightings), prices())
    )
)
def test_any_history(steps):
    ledger, before = Ledger(), {}
    for kind, events, price in steps:
        if kind == "record":
            ledger.record(batch(*events), price=price, project=project)
        elif kind == "reprice":
            ledger.reprice(price)
        else:
            ledger.commit()
        assert not {key for key, value in before.items() if ledger.totals[key] < value}
        before = dict(ledger.totals)
        for session in ledger.sessions.values():
            for usage in session.models.values():
                assert usage.requests > 0
                assert min(msgspec.structs.astuple(usage.tokens)) >= 0
                assert min(msgspec.structs.astuple(usage.cost)) >= 0


def test_a_smaller_sighting():
    ledger = Ledger()
    record(ledger, response("k", output=300))
    record(ledger, response("k", output=1))
    assert ledger.totals["tokens", "claude", "model-1", "output"] == 300


def test_a_cheaper_price():
    """A response that grows after a price cut costs at least as much as before."""
    ledger = Ledger()
    record(ledger, response("k", output=100), price=lambda _event: Cost(output=900))
    record(ledger, response("k", output=101), price=lambda _event: Cost(output=100))
    assert ledger.totals["cost", "claude", "model-1", "output", "estimated"] == 900
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=900)


def test_a_file_that_is_gone():
    ledger = Ledger()
    record(ledger, response("k"), offset=9)
    before = dict(ledger.totals)
    ledger.forget_cursor("claude", "/t.jsonl")
    ledger.commit()
    assert ledger.totals == before
    assert ledger.cursors == {"claude": {}}
    assert record(ledger, response("k")) == {}
    assert ledger.totals == before


def test_errors_and_resets_add_up():
    ledger = Ledger()
    for _ in range(2):
        record(ledger, errors=(ParseError("json", 3),), reset="truncated", records=5, bytes_read=7)
    assert ledger.totals["parse_errors", "claude", "json"] == 6
    assert ledger.totals["source_resets", "claude", "truncated"] == 2
    assert ledger.totals["scan_records", "claude"] == 10
    assert ledger.totals["scan_bytes", "claude"] == 14


def test_a_negative_amount_is_ignored():
    ledger = Ledger()
    ledger.add(("refreshes", "ok"), 2)
    ledger.add(("refreshes", "ok"), -1)
    assert ledger.totals["refreshes", "ok"] == 2
    ledger.add(("refreshes", "failed"), -1)
    assert ledger.totals["refreshes", "failed"] == 0


def test_sessions_are_started_once():
    ledger = Ledger()
    for _ in range(2):
        record(ledger, response("k1", "s1"), response("k2", "s2", time=NOON + 1))
    assert ledger.totals["sessions_started", "claude"] == 2
