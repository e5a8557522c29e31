"""Usage without a model counts once: as `unknown` in totals, for its later model in sessions."""

from driving import price, project
from events import NOON, batch
from events import response as any_response

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.moves import has_less
from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import ModelUsage, SessionUpdate, TokenCounts


def response(key, **fields):
    return any_response(key, input=0, **fields)


def unnamed(key, **fields):
    return response(key, model="", **fields)


def record(ledger, *events, **fields):
    ledger.record(batch(*events, **fields), price=price, project=project)


def sums(ledger, family):
    """Return the sum of a family over its labels."""
    return sum(value for series, value in ledger.totals.items() if series[0] == family)


def models(ledger):
    return {name: used.requests for name, used in ledger.sessions["claude", "s1"].models.items()}


def test_within_one_batch_nothing_is_unknown():
    ledger = Ledger()
    record(ledger, unnamed("k", output=10), response("k", output=10))
    assert models(ledger) == {"model-1": 1}
    assert not [series for series in ledger.totals if "unknown" in series[2:3]]


def test_published_totals_neither_fall_nor_count_twice(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, unnamed("a", output=10), unnamed("b", output=20))
    before = dict(ledger.totals)
    ledger.commit()
    record(ledger, response("a", output=10), response("b", output=20), response("c", output=5))
    assert models(ledger) == {"model-1": 3}
    assert not {series for series, value in before.items() if ledger.totals[series] < value}
    assert (sums(ledger, "requests"), sums(ledger, "tokens")) == (3, 35)
    assert ledger.totals["tokens", "claude", "model-1", "output"] == 5
    assert sums(ledger, "cost") == ledger.sessions["claude", "s1"].usage.cost.total
    ledger.commit()
    after = dict(ledger.totals)
    ledger.close()
    again = Ledger(tmp_path)
    assert again.totals == after
    assert models(again) == {"model-1": 3}
    again.close()


def test_another_models_growth_is_not_taken_for_a_move():
    ledger = Ledger()
    record(ledger, unnamed("a", output=10))
    _ = ledger.totals
    record(ledger, response("a", output=10), response("b", model="model-2", output=7))
    assert sums(ledger, "tokens") == 17
    record(ledger, response("c", output=1), response("d", model="model-2", output=2))
    assert sums(ledger, "tokens") == 20


def test_a_price_that_comes_later_takes_nothing_from_other_models():
    ledger = Ledger()
    ledger.record(batch(response("a", output=10)), price=lambda _event: None, project=project)
    _ = ledger.totals
    ledger.reprice(price)
    ledger.record(
        batch(response("b", model="model-2", output=7)), price=lambda _event: None, project=project
    )
    assert ledger.totals["unpriced_tokens", "claude", "model-2"] == 7


def totals_of(**output):
    """Return totals of one agent, with the output tokens of its models."""
    totals = Totals()
    for model, tokens in output.items():
        totals.add_usage("claude", model, ModelUsage(1, TokenCounts(output=tokens)))
    return totals


def test_totals_lack_usage_only_if_all_models_together_do():
    least = totals_of(one=10, two=20)
    assert not has_less(totals_of(one=10, two=20), least)
    assert not has_less(totals_of(one=25, two=5), least)
    assert has_less(totals_of(one=10, two=19), least)
    assert has_less(totals_of(two=30), least)  # a request


def test_a_project_that_is_named_late_is_that_of_all_usage():
    ledger = Ledger()
    record(ledger, response("a", output=10), sessions=())
    assert ledger.totals["project_tokens", "claude", "unknown"] == 10
    record(ledger, sessions=(SessionUpdate("s1", cwd="/home/ada/engine", last_active=NOON),))
    assert ledger.sessions["claude", "s1"].project == "engine"
    assert sums(ledger, "project_tokens") == 10
