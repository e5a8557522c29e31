"""Impossible figures do not stop the counting of other events."""

import math

import pytest
from driving import project
from events import batch, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import MAX_SUM, Cost
from agtop_exporter.reading.decoding import MAX_COUNT

DEAREST = 600_000_000  # picodollars a token
REQUESTS = 100


def price(event):
    return Cost(output=event.tokens.output * DEAREST)


@pytest.mark.parametrize("time", [math.inf, -math.inf, math.nan, 1e300, -1e300, -1.0])
def test_a_time_that_is_none_counts_all_the_same(tmp_path, time):
    ledger = Ledger(tmp_path)
    ledger.record(batch(response("k", time=time, output=5)), price=price, project=project)
    ledger.commit()
    assert ledger.totals["requests", "claude", "model-1"] == 1
    assert ledger.warning == ""
    ledger.close()


def test_sums_stop_where_a_database_ends(tmp_path):
    ledger = Ledger(tmp_path)
    for refresh in range(2):
        absurd = [response(f"{refresh}-{n}", "bad", output=MAX_COUNT) for n in range(REQUESTS)]
        good = response(f"good-{refresh}", "good", output=5)
        for events in (absurd, [good]):
            ledger.record(batch(*events), price=price, project=project)
        ledger.commit()
        assert ledger.warning == ""
    ledger.close()
    again = Ledger(tmp_path, read_only=True)
    good, bad = (again.sessions["claude", name].usage for name in ("good", "bad"))
    assert (good.requests, good.tokens.output, good.cost.output) == (2, 10, 10 * DEAREST)
    assert (bad.requests, bad.cost.output) == (2 * REQUESTS, MAX_SUM)
    assert again.totals["cost", "claude", "model-1", "output", "estimated"] == MAX_SUM
    assert again.totals["tokens", "claude", "model-1", "output"] == 2 * REQUESTS * MAX_COUNT + 10
    again.close()
