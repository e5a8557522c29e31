"""What an agent recorded as its cost is what is billed. The list price is kept beside it."""

import sqlite3
from contextlib import closing

import pytest
from events import AGENT, record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost, TokenCounts, UsageSum

MODEL = "model-1"


def price(event):
    """Return a list price of 7 picodollars per token; that of "unlisted" is unknown."""
    if event.model == "unlisted":
        return Cost(reported=event.reported_cost) if event.reported_cost else None
    return Cost(input=event.tokens.input * 7)


def billed(ledger, session="s1", model=MODEL):
    """Return the list price, what is billed for a session, and the total of what is billed."""
    state = ledger.sessions[AGENT, session]
    total = ledger.totals.get(("billed", AGENT, model), 0)
    return state.usage.cost.total, state.billed_total, total


def test_both_figures_are_kept():
    ledger = Ledger()
    record(ledger, response("a", reported_cost=50), response("b"), price=price)
    assert billed(ledger) == (140, 120, 120)


def test_without_a_list_price_the_recorded_cost_is_both():
    ledger = Ledger()
    record(ledger, response("a", model="unlisted", reported_cost=50), price=price)
    assert billed(ledger, model="unlisted") == (50, 50, 50)


def test_a_growing_response_is_billed_once():
    ledger = Ledger()
    for tokens, cost in ((1, 5), (10, 50), (10, 50)):
        record(ledger, response("a", input=tokens, reported_cost=cost), price=price)
    assert billed(ledger) == (70, 50, 50)


@pytest.mark.slow
def test_nothing_is_billed_that_a_plan_covers(tmp_path):
    ledger = Ledger(tmp_path, covered=[AGENT])
    record(ledger, response("a", reported_cost=50), price=price)
    ledger.close()
    for covered in ([AGENT], []):  # another plan does not change what has been counted
        ledger = Ledger(tmp_path, covered=covered)
        assert billed(ledger)[2] == 0
        ledger.close()
    ledger = Ledger(tmp_path)
    record(ledger, response("b"), price=price)
    assert billed(ledger) == (140, 120, 70)
    ledger.close()


def test_it_survives_a_restart(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("a", reported_cost=50), price=price)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert billed(ledger) == (70, 50, 50)
    record(ledger, response("a", reported_cost=50), response("b", "s2"), price=price)
    assert billed(ledger) == (70, 50, 120)
    ledger.close()


def test_a_moved_response_takes_its_bill_along():
    ledger = Ledger()
    record(ledger, response("a", reported_cost=50, copied=True), price=price)
    record(ledger, response("a", "s0", reported_cost=50), price=price)
    assert billed(ledger, "s0") == (70, 50, 50)
    assert ledger.sessions[AGENT, "s1"].billed_total == 0


@pytest.mark.parametrize("rows_first", [True, False])
def test_two_sources_are_billed_once(rows_first):
    """One source has the costs, the other one does not; both have the same requests."""
    total = 1, TokenCounts(input=10, output=5)
    row = response("row", reported_cost=50, running_total=total)
    line = response("line", running_total=total)
    ledger = Ledger()
    for event in (row, line) if rows_first else (line, row):
        record(ledger, event, price=price)
    assert billed(ledger)[:2] == (70, 50)


def test_an_older_ledger_bills_what_it_has(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("a", model="unlisted", reported_cost=50), response("b"), price=price)
    ledger.close()
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as database, database:
        database.execute("DELETE FROM totals WHERE name = 'billed'")
    ledger = Ledger(tmp_path)
    assert billed(ledger, model="unlisted")[1:] == (120, 50)
    ledger.close()


def by_hour(ledger):
    """Return the billed amount minus the list price, by session, model and hour."""
    found = {(one.session_id, one.model, one.hour): one.usage for one in ledger.bills()}
    bills = {place: usage.billed_difference for place, usage in found.items()}
    assert found == {place: UsageSum(billed_difference=bill) for place, bill in bills.items()}
    return bills


def test_bills_belong_to_the_hour_of_the_response(tmp_path):
    ledger = Ledger(tmp_path)
    record(
        ledger,
        response("a", reported_cost=50, time=7_300.0),
        response("b", reported_cost=60, time=7_400.0),
        response("c", "s2", reported_cost=71, time=3_700.0),
        response("d", "s2", time=7_500.0),
        response("e", reported_cost=75, time=-1.0),
        price=price,
    )
    expected = {("s1", MODEL, 2): -30, ("s1", MODEL, 0): 5, ("s2", MODEL, 1): 1}
    assert by_hour(ledger) == expected
    ledger.close()
    ledger = Ledger(tmp_path)
    assert by_hour(ledger) == expected
    ledger.close()


def test_bills_of_forgotten_responses_have_no_hour(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("a", reported_cost=50, time=7_300.0), price=price)
    record(ledger, response("b", reported_cost=60, time=9e6), price=price)
    ledger.close()
    ledger = Ledger(tmp_path)
    while ledger.roll_up(8e6):
        pass
    assert by_hour(ledger) == {("s1", MODEL, 0): -20, ("s1", MODEL, 2_500): -10}
    ledger.close()
