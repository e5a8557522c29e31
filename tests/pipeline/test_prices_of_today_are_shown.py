"""Sessions show today's price of what was counted; the daemon reprices in steps."""

import pytest
from driving import price, project
from events import batch, response

from agtop_exporter.ledger import Ledger, repricing
from agtop_exporter.model import Cost
from agtop_exporter.pricing import PriceBook


def test_the_fingerprint_follows_the_prices():
    book = PriceBook()
    before = book.fingerprint
    assert PriceBook().fingerprint == before
    book.override({"gpt-5": {"input": 1}})
    changed = book.fingerprint
    assert changed != before
    book.override({})
    assert book.fingerprint == before


def test_a_new_ledger_is_not_repriced():
    ledger, asked = Ledger(), []
    ledger.assume_priced("today")
    ledger.record(batch(response("a")), price=price, project=project)
    assert not ledger.reprice_step(asked.append, "today")
    assert asked == []


@pytest.mark.slow
def test_steps_reprice_each_event_once(tmp_path, monkeypatch):
    monkeypatch.setattr(repricing, "EVENTS_PER_STEP", 3)
    ledger, asked = Ledger(tmp_path), []

    def new(event):
        asked.append(event)
        return Cost(input=1)

    events = [response(f"k{number}") for number in range(10)]
    ledger.record(batch(*events), price=price, project=project)
    ledger.commit()
    steps = 1
    while ledger.reprice_step(new, "tomorrow"):
        steps += 1
        ledger.checkpoint()
    ledger.commit()
    ledger.close()
    assert (len(asked), steps) == (10, 4)
    ledger = Ledger(tmp_path)
    assert ledger.sessions["claude", "s1"].usage.cost.total == 10
    ledger.close()
