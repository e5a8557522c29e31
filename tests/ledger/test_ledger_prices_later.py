"""Tokens without a price are charged once, when their price becomes known."""

import pytest
from events import NOON, record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import UNKNOWN_TOTAL, Cost, UsageEvent

UNPRICED = ("unpriced_tokens", "claude", "model-1")
COST = ("cost", "claude", "model-1", "output", "estimated")


def unknown(_event):
    return None


def known(event):
    return Cost(output=event.tokens.output * 2)


def test_waiting_and_then_priced():
    ledger = Ledger()
    record(ledger, response("k", input=10, output=5), price=unknown)
    assert ledger.totals[UNPRICED] == 15
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(unpriced_tokens=15)
    assert COST not in ledger.totals
    assert ledger.reprice(unknown) == 0
    assert ledger.reprice(known) == 1
    assert ledger.reprice(known) == 0
    assert ledger.totals[COST] == 10
    assert ledger.totals[UNPRICED] == 15
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=10)
    assert [session for _, session in ledger.commit()] == ["s1"]


@pytest.mark.parametrize("total", [None, UNKNOWN_TOTAL], ids=["event", "growth of a sum"])
def test_priced_later_without_a_number_of_requests(total):
    """An event whose number of requests is unknown is priced as other events."""
    ledger = Ledger()
    record(ledger, response("k", requests=0, running_total=total, output=5), price=unknown)
    record(ledger, response("l", requests=0, running_total=total, output=7), price=known)
    assert ledger.totals[COST] == 14
    assert ledger.reprice(known) == 1
    assert ledger.totals[COST] == 24


def test_priced_after_a_restart(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k1"), response("k2"), price=unknown)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.reprice(known) == 2
    ledger.commit()
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.reprice(known) == 0
    assert ledger.totals[COST] == 20
    ledger.close()


def test_priced_after_it_was_written(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k1"), price=unknown)
    record(ledger, response("k2"), price=unknown)
    assert ledger.reprice(unknown) == 0
    assert ledger.reprice(known) == 2
    assert ledger.reprice(known) == 0
    ledger.close()


def test_priced_when_it_grows():
    ledger = Ledger()
    record(ledger, response("k", output=5), price=unknown)
    record(ledger, response("k", output=7), price=known)
    assert ledger.totals[COST] == 14
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=14)
    assert ledger.reprice(known) == 0


def test_a_price_that_goes_away_again():
    """Charged cost stays."""
    ledger = Ledger()
    record(ledger, response("k", output=5), price=known)
    record(ledger, response("k", output=5, input=11), price=unknown)
    assert ledger.totals[COST] == 10
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=10)


def test_an_event_without_a_request_needs_no_price():
    ledger = Ledger()
    record(ledger, UsageEvent(key="prompt", session_id="s1", time=NOON, turns=1), price=unknown)
    assert ledger.reprice(known) == 0
    assert UNPRICED not in ledger.totals
