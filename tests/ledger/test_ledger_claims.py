"""An event belongs to the session that made it. Totals published for another session stay."""

import pytest
from driving import price, project
from events import batch, record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost, TokenCounts


def owned(ledger, session):
    return ledger.sessions["claude", session].usage


def test_a_copy_gets_no_usage():
    ledger = Ledger()
    record(ledger, response("k", "maker"))
    record(ledger, response("k", "fork", copied=True))
    assert (owned(ledger, "maker").requests, owned(ledger, "fork").requests) == (1, 0)


def test_between_equals_the_first_keeps_it():
    ledger = Ledger()
    for session in ("first", "second", "third"):
        record(ledger, response("k", session))
    assert [owned(ledger, session).requests for session in ("first", "second", "third")] == [
        1,
        0,
        0,
    ]


def test_the_maker_takes_it_back():
    ledger = Ledger()
    record(ledger, response("k", "fork", copied=True), response("own", "fork"))
    totals = dict(ledger.totals)
    changed = record(ledger, response("k", "maker"))
    assert {session for _, session in changed} == {"maker", "fork"}
    assert (owned(ledger, "maker").requests, owned(ledger, "fork").requests) == (1, 1)
    assert {s: v for s, v in ledger.totals.items() if s in totals and v != totals[s]} == {
        ("sessions_started", "claude"): 2
    }


def test_published_totals_of_the_copy_stay():
    ledger = Ledger()
    record(ledger, response("k", "fork", input=10, output=5, copied=True))
    record(ledger, response("k", "maker", input=10, output=5))
    fork = ledger.sessions["claude", "fork"]
    assert fork.usage.tokens == TokenCounts()
    assert fork.floor_tokens == TokenCounts(input=10, output=5)
    assert fork.floor_cost == Cost(input=10_000_000, output=25_000_000)
    assert ledger.sessions["claude", "maker"].floor_tokens == TokenCounts()


def test_nothing_was_published_between_two_batches_of_one_refresh():
    ledger = Ledger()
    for event in (response("k", "fork", copied=True), response("k", "maker")):
        ledger.record(batch(event), price=price, project=project)
    ledger.commit()
    assert ledger.sessions["claude", "fork"].floor_tokens == TokenCounts()


@pytest.mark.slow
def test_floors_outlive_a_restart(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", "fork", input=10, output=5, copied=True))
    ledger.close()
    ledger = Ledger(tmp_path)
    record(ledger, response("k", "maker", input=10, output=5))
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.sessions["claude", "fork"].floor_tokens == TokenCounts(input=10, output=5)
    ledger.close()


def test_floors_outlive_a_crash_in_the_middle_of_a_refresh(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", "fork", input=10, output=5, copied=True))
    ledger.record(batch(response("k", "maker")), price=price, project=project)
    ledger.checkpoint()
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.sessions["claude", "fork"].floor_tokens == TokenCounts(input=10, output=5)
    ledger.close()


def test_the_larger_figures_of_a_copy_count_for_the_maker():
    ledger = Ledger()
    record(ledger, response("k", "maker", output=5))
    record(ledger, response("k", "fork", output=50, copied=True))
    assert owned(ledger, "maker").tokens.output == 50
    assert owned(ledger, "fork").requests == 0


def test_a_speed_that_is_learned_later_is_priced():
    def price(event):
        return Cost(output=event.tokens.output * (2 if event.speed == "fast" else 1))

    ledger = Ledger()
    record(ledger, response("k", output=5), price=price)
    record(ledger, response("k", output=5, speed="fast"), price=price)
    assert owned(ledger, "s1").cost == Cost(output=10)
