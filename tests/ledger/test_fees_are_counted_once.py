"""Web searches are counted once, kept over restarts, and published as a cost type of their own."""

import pytest
from driving import project
from events import NOON, batch, record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost, TokenCounts, UsageEvent

FEE = 10_000
SERIES = ("cost", "claude", "model-1", "web_search", "estimated")
UNPRICED = ("unpriced_tokens", "claude", "model-1")


def price(event):
    factor = 2 if event.region == "us" else 1
    return Cost(output=event.tokens.output * factor, web_search=event.web_searches * FEE)


def search(key, **given):
    return UsageEvent(f"call:{key}", "s1", NOON, "model-1", web_searches=1, **given)


def test_a_figure_that_every_line_repeats(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", web_searches=0), price=price)
    record(ledger, response("k", web_searches=3), response("k", web_searches=3), price=price)
    assert ledger.totals[SERIES] == 3 * FEE
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=5, web_search=3 * FEE)
    ledger.close()
    ledger = Ledger(tmp_path)
    record(ledger, response("k", web_searches=3), response("k", copied=True), price=price)
    assert ledger.totals[SERIES] == 3 * FEE
    record(ledger, response("k", web_searches=4), price=price)
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=5, web_search=4 * FEE)
    ledger.close()


@pytest.mark.slow
def test_a_search_is_no_request_and_has_a_fee(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k"), search("1"), search("2"), search("1"), price=price)
    usage = ledger.sessions["claude", "s1"].usage
    assert (usage.requests, usage.cost.web_search) == (1, 2 * FEE)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.sessions["claude", "s1"].usage == usage
    assert ledger.totals["project_cost", "claude", "engine"] == 2 * FEE + 5
    ledger.close()


def test_a_session_with_searches_only(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, search("1"), price=price)
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(web_search=FEE)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(web_search=FEE)
    ledger.close()


def test_a_fee_without_a_price_waits_for_one(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, search("1"), response("k", web_searches=1), price=lambda _event: None)
    assert ledger.totals[UNPRICED] == 15
    assert SERIES not in ledger.totals
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.reprice(price) == 2
    assert ledger.totals[SERIES] == 2 * FEE
    ledger.close()


def test_the_region_is_known_when_an_event_is_priced_later(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", region="us"), price=lambda _event: None)
    ledger.close()
    ledger = Ledger(tmp_path)
    ledger.reprice(price)
    assert ledger.sessions["claude", "s1"].usage.cost == Cost(output=10)
    ledger.close()


def test_a_negative_number_of_searches_is_refused():
    ledger = Ledger()
    bad = UsageEvent("k", "s1", NOON, "model-1", TokenCounts(input=1), 1, web_searches=-1)
    ledger.record(batch(bad), price=price, project=project)
    ledger.commit()
    assert ledger.totals["parse_errors", "claude", "negative"] == 1
