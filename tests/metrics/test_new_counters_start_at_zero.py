"""New counter series are published from 0, so that `increase()` includes their first value."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import USD, make_session, make_snapshot, make_totals

from agtop_exporter.metrics import (
    Family,
    HistogramValue,
    Metric,
    Publication,
    publish,
    starts,
    zero_first,
)
from agtop_exporter.model import NO_COST, Cost, TokenCounts

COUNTER = Metric(
    name="agtop_things_total",
    kind="counter",
    labels=("thing",),
    help="Things.",
    otel_name="agtop.things",
    collect=lambda _: (),
)
GAUGE = msgspec.structs.replace(COUNTER, name="agtop_level", kind="gauge")


def page(values, metric=COUNTER):
    samples = tuple(((name,), value) for name, value in values.items())
    return (Family(metric, samples),) if samples else ()


def values(exposition, name="agtop_things_total"):
    return {
        labels: value
        for family in exposition
        if family.metric.name == name
        for labels, value in family.samples
    }


def increase(seen):
    """Return the result of `increase()`: the sum of rises, where a fall is a restart from 0."""
    return sum(after - before if after >= before else after for before, after in pairwise(seen))


def test_a_new_histogram_starts_without_observations():
    histogram = msgspec.structs.replace(COUNTER, name="agtop_wait", kind="histogram")
    seen = HistogramValue((1.0, 2.0), (0, 1, 0), 1.5)
    first = zero_first((), None, consumed=True)
    born = zero_first(page({"a": seen}, histogram), first, consumed=True)
    assert values(born.exposition, "agtop_wait") == {("a",): seen.empty}
    grown = zero_first(page({"a": seen}, histogram), born, consumed=True)
    assert values(grown.exposition, "agtop_wait") == {("a",): seen}


GROWTH = st.dictionaries(st.sampled_from("abc"), st.integers(0, 100))
STEPS = st.lists(st.tuples(GROWTH, st.booleans()), min_size=1, max_size=20)


@given(first=GROWTH, steps=STEPS)
def test_increase_over_the_scraped_pages_is_the_growth(first, steps):
    real = dict(first)
    publication = zero_first(page(real), None, consumed=False)
    assert values(publication.exposition) == values(page(real))
    consumed = True
    scraped = [publication]
    for growth, scrape in [*steps, ({}, True), ({}, True)]:
        for name, amount in growth.items():
            real[name] = real.get(name, 0) + amount
        before = publication
        publication = zero_first(page(real), before, consumed=consumed)
        falls = [
            key
            for key, value in values(before.exposition).items()
            if values(publication.exposition)[key] < value
        ]
        assert falls == []
        consumed = scrape
        if scrape:
            scraped.append(publication)
    for name, value in real.items():
        seen = [values(p.exposition)[(name,)] for p in scraped if (name,) in values(p.exposition)]
        assert increase(seen) == value - first.get(name, 0)


@given(
    first=GROWTH,
    steps=st.lists(
        st.tuples(GROWTH, st.sets(st.sampled_from("abc")), st.booleans(), st.booleans())
    ),
)
def test_nothing_falls_where_series_leave_the_page_and_return(first, steps):
    real = dict(first)
    publication = zero_first(page(real), None, consumed=False)
    last_seen = values(publication.exposition)
    for growth, shown, consumed, with_baseline in steps:
        baseline = page(real) if with_baseline else ()
        for name, amount in growth.items():
            real[name] = real.get(name, 0) + amount
        now = page({name: value for name, value in real.items() if name in shown})
        publication = zero_first(now, publication, baseline=baseline, consumed=consumed)
        for key, value in values(publication.exposition).items():
            assert last_seen.get(key, 0) <= value <= real[key[0]]
            last_seen[key] = value


def test_a_baseline_is_published_until_it_is_scraped():
    published = zero_first(page({"a": 1}), None, consumed=False)
    published = zero_first(page({"a": 1, "b": 7}), published, consumed=False)
    assert values(published.exposition) == {("a",): 1, ("b",): 0}
    published = zero_first(page({"a": 2, "b": 9}), published, consumed=False)
    assert values(published.exposition) == {("a",): 2, ("b",): 0}
    assert published.pending == {("agtop_things_total", ("b",))}
    published = zero_first(page({"a": 2, "b": 9}), published, consumed=True)
    assert values(published.exposition) == {("a",): 2, ("b",): 9}
    assert published.pending == frozenset()


def test_series_that_is_new_and_zero_waits_too():
    """Otherwise its first increase before any scrape would be its first sample."""
    published = zero_first(page({}), None, consumed=False)
    published = zero_first(page({"a": 0}), published, consumed=True)
    published = zero_first(page({"a": 5}), published, consumed=False)
    assert values(published.exposition) == {("a",): 0}


def test_gauges_are_never_held_back():
    published = zero_first((), None, consumed=False)
    published = zero_first(page({"a": 7}, GAUGE), published, consumed=True)
    assert values(published.exposition, "agtop_level") == {("a",): 7}


def test_series_that_departed_first_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("agtop_exporter.metrics.publication.DEPARTED_MAX", 2)
    published = zero_first(page({"a": 1, "b": 2, "c": 3}), None, consumed=False)
    for shown in ("bc", "c", "ac", "c", ""):
        published = zero_first(page(dict.fromkeys(shown, 9)), published, consumed=True)
    assert published.departed == {
        ("agtop_things_total", ("a",)): 1,  # it returned with its baseline
        ("agtop_things_total", ("c",)): 9,
    }


def test_session_that_returns_starts_where_the_last_snapshot_had_it():
    """Otherwise the history of a reopened session would appear as a burst of spending."""
    session = make_session(cost=Cost(output=4 * USD))
    asleep = make_snapshot(session, published=())
    grown = make_session(tokens=TokenCounts(1_010, 20_000, 3_000, 400, 5_000, 600))
    awake = make_snapshot(grown)
    before = publish(asleep)
    first = publish(awake, before, previous=asleep, consumed=True)
    second = publish(awake, first, previous=awake, consumed=True)
    key = (session.session_id, session.agent, "input")
    assert values(before.exposition, "agtop_session_tokens_total") == {}
    assert values(first.exposition, "agtop_session_tokens_total")[key] == 1_000
    assert values(second.exposition, "agtop_session_tokens_total")[key] == 1_010
    cost = values(first.exposition, "agtop_session_cost_usd_total")
    assert cost == {(session.session_id, session.agent): pytest.approx(4.0)}


def test_session_that_is_new_starts_at_zero():
    old, new = make_session(session_id="old"), make_session(session_id="new")
    before = make_snapshot(old)
    now = make_snapshot(old, new)
    assert starts(before, now) == ()
    published = publish(now, publish(before), previous=before, consumed=True)
    tokens = values(published.exposition, "agtop_session_tokens_total")
    assert tokens["new", "claude-code", "input"] == 0
    assert tokens["old", "claude-code", "input"] == 1_000


def test_agent_without_events_has_its_counters_at_zero():
    snapshot = make_snapshot(totals={})
    assert values(publish(snapshot).exposition, "agtop_turns_total") == {("claude-code",): 0}
    waiting = make_snapshot(
        totals={}, agents=tuple(msgspec.structs.replace(a, up=None) for a in snapshot.agents)
    )
    assert values(publish(waiting).exposition, "agtop_turns_total") == {}


def test_history_is_in_the_first_publication():
    published = publish(make_snapshot(totals=make_totals()), consumed=False)
    assert published == Publication(published.exposition)
    key = ("claude-code", "claude-sonnet-4-5", "output")
    assert values(published.exposition, "agtop_tokens_total")[key] == 5_000


def test_cost_that_becomes_known_grows_from_zero():
    unknown = make_session(cost=Cost(unpriced_tokens=29_400))
    before = make_snapshot(unknown)
    now = make_snapshot(make_session(cost=Cost(output=2 * USD)))
    published = publish(before)
    assert values(published.exposition, "agtop_session_cost_usd_total") == {}
    published = publish(now, published, previous=before, consumed=True)
    assert set(values(published.exposition, "agtop_session_cost_usd_total").values()) == {0}
    assert unknown.floor_cost == NO_COST
