"""If two sources record the same usage under different keys, the larger sum counts."""

import pytest
from events import record, response
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import NO_TOKENS, UNKNOWN_TOTAL, TokenCounts

figures = st.tuples(st.integers(1, 50), st.integers(1, 50))
sources = st.lists(figures, max_size=8)


def account(name, requests):
    """Return the events of one source, each with its running total."""
    total, events = NO_TOKENS, []
    for number, (input_tokens, output) in enumerate(requests, 1):
        total += TokenCounts(input=input_tokens, output=output)
        running = number, total
        events.append(
            response(f"{name}{number}", input=input_tokens, output=output, running_total=running)
        )
    return events


def used(ledger):
    usage = ledger.sessions["claude", "s1"].models["model-1"]
    return usage.requests, usage.tokens.input, usage.tokens.output


def sums(requests):
    return len(requests), sum(one for one, _ in requests), sum(other for _, other in requests)


@pytest.mark.slow
@given(first=sources, second=sources, randomness=st.randoms(use_true_random=False))
def test_the_larger_account_counts(first, second, randomness):
    """The sources are read in any order, in any parts, and repeatedly."""
    ledger, left = Ledger(), [account("log", first), account("row", second)]
    while any(left):
        events = randomness.choice([each for each in left if each])
        part = [events.pop(0) for _ in range(randomness.randint(1, len(events)))]
        before = dict(ledger.totals)
        record(ledger, *part)
        assert all(ledger.totals[series] >= value for series, value in before.items())
    for events in (account("row", second), account("log", first)):
        record(ledger, *events)
    larger = tuple(map(max, sums(first), sums(second)))
    if first or second:
        assert used(ledger) == larger
        assert ledger.totals["requests", "claude", "model-1"] == larger[0]
        assert ledger.totals["tokens", "claude", "model-1", "output"] == larger[2]
        assert ledger.totals["cost", "claude", "model-1", "output", "estimated"] == (
            larger[2] * 5_000_000
        )


def test_what_an_earlier_version_counted_is_compared():
    """It stored no running totals."""
    ledger = Ledger()
    record(ledger, response("log", input=100, output=10))
    record(ledger, *account("row", [(60, 5), (60, 5)]))
    assert used(ledger) == (2, 120, 10)


def test_other_sessions_and_models_are_not_compared():
    ledger = Ledger()
    total = 1, TokenCounts(input=10, output=5)
    record(ledger, response("a", "s1"), response("b", "s1", model="model-2"))
    record(ledger, response("c", "s2", running_total=total))
    record(ledger, response("d", "s1", model="model-2", running_total=total))
    assert ledger.sessions["claude", "s2"].models["model-1"].requests == 1
    assert ledger.sessions["claude", "s1"].models["model-2"].requests == 1


def test_a_source_that_lost_records_counts_what_is_new():
    ledger = Ledger()
    record(ledger, *account("row", [(10, 5), (10, 5)]))
    record(ledger, *account("log", [(10, 5)]))
    for _ in range(2):
        record(ledger, response("log1", running_total=UNKNOWN_TOTAL))
        record(ledger, response("log9", running_total=UNKNOWN_TOTAL))
    assert used(ledger) == (3, 30, 15)


@pytest.mark.slow
def test_sums_outlive_a_restart(tmp_path):
    with_both = [*account("log", [(10, 5), (10, 5)]), *account("row", [(10, 5), (20, 5)])]
    for event in with_both:
        ledger = Ledger(tmp_path)
        record(ledger, event)
        ledger.close()
    ledger = Ledger(tmp_path)
    assert used(ledger) == (2, 30, 10)
    assert ledger.warning == ""
    ledger.close()
