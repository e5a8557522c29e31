"""Past totals never decrease, grow by the usage of each hour, and end at the current totals."""

from collections import Counter

import msgspec
import pytest
from driving import price, project
from events import NOON, batch, record, response, sightings
from hypothesis import assume, given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger, PastTotal
from agtop_exporter.model import NO_TOKENS, Cost

HOUR = int(NOON) // 3600
histories = st.lists(st.lists(sightings, max_size=5), max_size=8)


def twice(event):
    """Charge twice the price."""
    cost = price(event)
    return Cost(*(2 * amount for amount in msgspec.structs.astuple(cost)))


def half(event):
    """Charge half the price."""
    cost = price(event)
    return Cost(*(amount // 2 for amount in msgspec.structs.astuple(cost)))


def past(ledger, name):
    """Return {labels: past total} of one name."""
    return {one.series[1:]: one for one in ledger.past_totals() if one.series[0] == name}


def growth(one):
    """Return {hour: growth} of a past total."""
    before = (one.start, *one.values)
    return {
        hour: after - begin
        for hour, begin, after in zip(one.hours, before, one.values, strict=False)
    }


@pytest.mark.slow
@given(history=histories, repriced=st.sampled_from([None, twice, half]))
def test_past_totals_ascend_and_end_at_the_totals(history, repriced):
    ledger = Ledger()
    for events in history:
        ledger.record(batch(*events), price=price, project=project)
        ledger.commit()
    while repriced and ledger.reprice_step(repriced, "other prices"):
        pass
    totals = ledger.past_totals()
    assert {one.series[0] for one in totals} <= {series[0] for series in ledger.totals}
    for one in totals:
        values = (one.start, *one.values)
        assert list(values) == sorted(values)
        assert values[-1] == ledger.totals[one.series]
        assert list(one.hours) == sorted(set(one.hours))


@pytest.mark.slow
@given(history=histories)
def test_the_growth_of_an_hour_is_its_usage(history):
    ledger = Ledger()
    for events in history:
        ledger.record(batch(*events), price=price, project=project)
        ledger.commit()
    floors = [session.floor_tokens for session in ledger.sessions.values()]
    assume(floors == [NO_TOKENS] * len(floors))  # else usage decreased, and totals did not
    used = Counter()
    for one in ledger.usage_between():
        used[one.hour] += one.usage.tokens.total
    grown = Counter()
    for one in past(ledger, "tokens").values():
        grown.update(growth(one))
    assert +grown == +used


def test_usage_without_a_time_is_before_the_first_hour():
    ledger = Ledger()
    record(ledger, response("k1", input=7, time=float("nan")), response("k2", input=5))
    one = past(ledger, "tokens")["claude", "model-1", "input"]
    assert (one.start, one.hours, one.values) == (7, (HOUR,), (12,))


def test_a_lower_price_of_today_moves_the_start():
    ledger = Ledger()
    record(ledger, response("k1", input=10, output=0), response("k2", input=20, output=0))
    while ledger.reprice_step(half, "lower"):
        pass
    one = past(ledger, "cost")["claude", "model-1", "input", "estimated"]
    assert (one.start, one.values) == (15_000_000, (30_000_000,))


def test_a_higher_price_of_today_shortens_the_first_hours():
    ledger = Ledger()
    later = response("k2", input=20, output=0, time=NOON + 3600)
    record(ledger, response("k1", input=10, output=0), later)
    while ledger.reprice_step(twice, "higher"):
        pass
    one = past(ledger, "cost")["claude", "model-1", "input", "estimated"]
    assert (one.start, one.values) == (0, (0, 30_000_000))


def test_the_cost_of_an_hour_is_divided_by_token_type():
    ledger = Ledger()
    later = response("k2", input=0, output=8, time=NOON + 3600)
    record(ledger, response("k1", input=10, output=4), later)
    costs = {labels[2]: growth(one) for labels, one in past(ledger, "cost").items()}
    assert costs["input"] == {HOUR: 10_000_000}
    assert costs["output"] == {HOUR: 20_000_000, HOUR + 1: 40_000_000}


def test_a_cost_that_the_agent_reported_stays_reported():
    ledger = Ledger()
    events = [response("k1"), response("k2", time=NOON + 3600)]
    record(ledger, *events, price=lambda _event: Cost(reported=500))
    (one,) = past(ledger, "cost").values()
    assert one.series == ("cost", "claude", "model-1", "unsplit", "reported")
    assert growth(one) == {HOUR: 500, HOUR + 1: 500}


def test_models_without_series_of_their_own_are_in_other():
    ledger = Ledger()
    events = [response(f"k{number}", model=f"model-{number}") for number in range(70)]
    record(ledger, *events)
    ledger.fold_labels()
    one = past(ledger, "requests")["claude", "other"]
    assert (one.start, one.values) == (0, (6,))


@pytest.mark.parametrize(
    ("limit", "hour", "start", "values"),
    [
        (100, HOUR + 5, 7, (12, 32)),
        (30, HOUR + 5, 5, (10, 30)),
        (4, HOUR + 1, 0, (4, 24)),
        (0, HOUR, 0, (5, 25)),
        (0, HOUR + 5, 0, (0, 0)),
    ],
)
def test_lowered_values_stay_in_order(limit, hour, start, values):
    lowered = PastTotal(("requests", "a", "m"), 7, (HOUR, HOUR + 3), (12, 32)).lowered(limit, hour)
    assert (lowered.start, lowered.values) == (start, values)
