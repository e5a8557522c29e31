"""Sessions have the prices that are known today. Counters never decrease."""

import pytest
from events import AGENT, record, response
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost


def at(rate):
    """Return prices of `rate` picodollars per input token; None: no price is known."""
    return lambda event: None if rate is None else Cost(input=event.tokens.input * rate)


def reprice(ledger, rate):
    ledger.reprice(at(rate))
    while ledger.reprice_step(at(rate), f"prices at {rate}"):
        ledger.checkpoint()
    ledger.commit()


def cost(ledger, session="s1"):
    return ledger.sessions[AGENT, session].usage.cost.total


def counter(ledger):
    return ledger.totals.get(("cost", AGENT, "model-1", "input", "estimated"), 0)


def hours(ledger):
    """Return the cost of all hours."""
    return sum(row[-2] for row in ledger._state.store.hours())  # noqa: SLF001 - no reports yet


def test_a_lower_price_lowers_sessions_and_no_counter():
    ledger = Ledger()
    record(ledger, response("a"), response("b", "s2"), price=at(7))
    reprice(ledger, 3)
    assert (cost(ledger), cost(ledger, "s2"), hours(ledger)) == (30, 30, 60)
    assert counter(ledger) == 140
    assert ledger.corrections == {AGENT: -80}


def test_a_wrong_price_is_undone():
    ledger = Ledger()
    record(ledger, response("a"), price=at(7))
    for rate in (1000, 7):
        reprice(ledger, rate)
    assert (cost(ledger), hours(ledger), counter(ledger)) == (70, 70, 70)
    assert ledger.corrections == {AGENT: 0}


def bills(ledger):
    """Return what is billed for the session, and the counter of what is billed."""
    total = ledger.totals.get(("billed", AGENT, "model-1"), 0)
    return ledger.sessions[AGENT, "s1"].billed_total, total


def test_a_price_of_the_user_replaces_recorded_costs_and_is_undone(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("a", reported_cost=50), response("b"), price=at(7))
    assert bills(ledger) == (120, 120)
    for prices, replaced, billed in (
        ("own-1", True, 140),
        ("-1", False, 120),
        ("own-2", True, 140),
    ):
        while ledger.reprice_step(at(7), prices, replaces=lambda _event, yes=replaced: yes):
            pass
        ledger.commit()
        assert bills(ledger) == (billed, 120)
        ledger.close()
        ledger = Ledger(tmp_path)
        assert bills(ledger) == (billed, 120)
    ledger.close()


def test_a_response_that_grows_after_the_users_price_is_billed_once():
    ledger = Ledger()
    record(ledger, response("a", reported_cost=50), price=at(7))
    while ledger.reprice_step(at(7), "own-1", replaces=lambda _event: True):
        pass
    record(ledger, response("a", input=20, reported_cost=90, own_price=True), price=at(7))
    assert bills(ledger) == (140, 120)
    while ledger.reprice_step(at(7), "-1"):
        pass
    assert bills(ledger) == (90, 120)


def test_a_price_that_is_no_longer_known_is_counted_once():
    ledger = Ledger()
    ledger.assume_priced("own prices-tables")
    record(ledger, response("a"), price=at(7))
    reprice(ledger, None)
    unknown = ledger.sessions[AGENT, "s1"].usage.cost
    assert (unknown.total, unknown.unpriced_tokens) == (0, 15)
    reprice(ledger, 7)
    assert (cost(ledger), counter(ledger), ledger.corrections) == (70, 70, {AGENT: 0})


def test_a_price_that_a_table_has_dropped_stays():
    ledger = Ledger()
    ledger.assume_priced("own prices-tables")
    record(ledger, response("a"), price=at(7))
    assert not ledger.reprice_step(at(None), "own prices-other tables")
    assert cost(ledger) == 70


def test_what_is_counted_later_has_the_price_of_its_day():
    ledger = Ledger()
    record(ledger, response("a"), price=at(7))
    reprice(ledger, 3)
    record(ledger, response("a", input=20), response("b"), price=at(3))
    assert (cost(ledger), counter(ledger)) == (90, 130)
    assert cost(ledger) == counter(ledger) + ledger.corrections[AGENT]


def test_it_survives_a_restart(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("a"), response("b"), price=at(7))
    reprice(ledger, 3)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert (cost(ledger), counter(ledger), ledger.corrections) == (60, 140, {AGENT: -80})
    assert not ledger.reprice_step(at(99), "prices at 3")  # all have these prices
    assert cost(ledger) == 60
    ledger.close()


def test_a_published_cost_of_a_session_never_falls():
    ledger = Ledger()
    record(ledger, response("a"), price=at(7))
    reprice(ledger, 3)
    state = ledger.sessions[AGENT, "s1"]
    assert state.usage.cost.max(state.floor_cost).total == 70


@pytest.mark.slow
@given(st.lists(st.sampled_from([None, 0, 1, 5, 9]), min_size=1, max_size=6))
def test_sessions_are_the_counters_and_the_corrections(rates):
    ledger = Ledger()
    ledger.assume_priced("own prices-tables")
    for number, rate in enumerate(rates):
        before = counter(ledger)
        record(ledger, response(f"k{number}"), price=at(rate))
        reprice(ledger, rate)
        assert counter(ledger) >= before
        assert cost(ledger) == hours(ledger) == 10 * (number + 1) * (rate or 0)
        assert cost(ledger) == counter(ledger) + ledger.corrections.get(AGENT, 0)
