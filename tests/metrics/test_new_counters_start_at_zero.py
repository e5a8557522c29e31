"""New counter series are published from 0, so that `increase()` includes their first value.

This holds for each receiver, for any interval and any other requests.
"""

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
    publish,
    starts,
    zero_first,
)
from agtop_exporter.metrics.publication import NEW_SECONDS
from agtop_exporter.model import NO_COST, Cost, TokenCounts

EPOCH = 1_790_000_000.0  # times in the tests are seconds after this unix time
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


def publish_next(values, before, at=0.0, baseline=()):
    return zero_first(values, before, at=EPOCH + at, baseline=baseline)


def increase(seen):
    """Return the result of `increase()`: the sum of rises, where a fall is a restart from 0."""
    return sum(after - before if after >= before else after for before, after in pairwise(seen))


def test_a_new_histogram_starts_without_observations():
    histogram = msgspec.structs.replace(COUNTER, name="agtop_wait", kind="histogram")
    seen = HistogramValue((1.0, 2.0), (0, 1, 0), 1.5)
    first = publish_next((), None)
    new = publish_next(page({"a": seen}, histogram), first)
    assert values(new.after(first.generation), "agtop_wait") == {("a",): seen.empty}
    assert values(new.after(new.generation), "agtop_wait") == {("a",): seen}


GROWTH = st.dictionaries(st.sampled_from("abc"), st.integers(0, 100))
RECEIVERS = ("fast", "slow")
STEPS = st.lists(
    st.tuples(GROWTH, st.frozensets(st.sampled_from(RECEIVERS))), min_size=1, max_size=20
)


@pytest.mark.slow
@given(first=GROWTH, steps=STEPS)
def test_increase_is_the_growth_since_the_first_page_of_each_receiver(first, steps):
    real, publication = dict(first), publish_next(page(first), None)
    got = {receiver: [(dict(first), publication.exposition)] for receiver in RECEIVERS}
    last = dict.fromkeys(RECEIVERS, publication.generation)
    both = frozenset(RECEIVERS)
    for growth, receivers in [*steps, ({}, both), ({}, both)]:
        for name, amount in growth.items():
            real[name] = real.get(name, 0) + amount
        publication = publish_next(page(real), publication)
        for receiver in receivers:
            got[receiver].append((dict(real), publication.after(last[receiver])))
            last[receiver] = publication.generation
    for pages in got.values():
        for name, value in real.items():
            seen = [v[(name,)] for _, exposition in pages if (name,) in (v := values(exposition))]
            assert seen == sorted(seen)
            assert increase(seen) == value - first.get(name, 0)


@pytest.mark.slow
@given(
    first=GROWTH,
    steps=st.lists(
        st.tuples(
            GROWTH,
            st.sets(st.sampled_from("abc")),
            st.frozensets(st.sampled_from(RECEIVERS)),
            st.booleans(),
        )
    ),
)
def test_nothing_falls_where_series_leave_the_page_and_return(first, steps):
    real = dict(first)
    publication = publish_next(page(real), None)
    last = dict.fromkeys(RECEIVERS, publication.generation)
    last_seen = {receiver: values(publication.exposition) for receiver in RECEIVERS}
    for growth, shown, receivers, with_baseline in steps:
        baseline = page(real) if with_baseline else ()
        for name, amount in growth.items():
            real[name] = real.get(name, 0) + amount
        now = page({name: value for name, value in real.items() if name in shown})
        publication = publish_next(now, publication, baseline=baseline)
        for receiver in receivers:
            for key, value in values(publication.after(last[receiver])).items():
                assert last_seen[receiver].get(key, 0) <= value <= real[key[0]]
                last_seen[receiver][key] = value
            last[receiver] = publication.generation


def test_a_receiver_with_a_long_interval_gets_the_baseline_too():
    first = publish_next(page({"a": 1}), None)
    new = publish_next(page({"a": 1, "b": 7}), first, at=10.0)
    grown = publish_next(page({"a": 2, "b": 9}), new, at=20.0)
    assert values(grown.after(first.generation)) == {("a",): 2, ("b",): 0}
    assert values(grown.after(new.generation)) == {("a",): 2, ("b",): 9}
    late = publish_next(page({"a": 2, "b": 9}), grown, at=10.0 + NEW_SECONDS)
    assert values(late.after(first.generation)) == {("a",): 2, ("b",): 9}
    assert late.new == {}


def test_series_that_is_new_and_zero_waits_too():
    """Otherwise its first increase before any scrape would be its first sample."""
    first = publish_next(page({}), None)
    new = publish_next(page({"a": 0}), first)
    grown = publish_next(page({"a": 5}), new)
    assert values(grown.after(first.generation)) == {("a",): 0}


def test_only_a_series_that_began_at_zero_has_a_creation_time():
    """Prometheus inserts 0 at this time. For a series with history this would be a reset."""
    first = publish_next(page({"old": 5}), None, at=10.0)
    away = publish_next((), first, at=20.0)
    again = publish_next(page({"old": 7, "new": 3}), away, at=30.0)
    assert [family.created for family in again.exposition] == [{("new",): EPOCH + 20}]
    later = publish_next(page({"old": 7, "new": 4}), again, at=30.0 + NEW_SECONDS)
    assert [family.created for family in later.exposition] == [{("new",): EPOCH + 20}]
    gone = publish_next(page({"old": 7}), later, at=60.0 + NEW_SECONDS)
    assert [family.created for family in gone.exposition] == [{}]


def test_gauges_are_never_held_back():
    first = publish_next((), None)
    second = publish_next(page({"a": 7}, GAUGE), first)
    assert values(second.after(first.generation), "agtop_level") == {("a",): 7}


def test_series_that_departed_first_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("agtop_exporter.metrics.publication.DEPARTED_MAX", 2)
    published = publish_next(page({"a": 1, "b": 2, "c": 3}), None)
    for shown in ("bc", "c", "ac", "c", ""):
        published = publish_next(page(dict.fromkeys(shown, 9)), published)
    assert published.departed == {
        ("agtop_things_total", ("a",)): 9,
        ("agtop_things_total", ("c",)): 9,
    }


def test_session_that_returns_starts_where_the_last_snapshot_had_it():
    """Otherwise the history of a reopened session would appear as a burst of spending."""
    session = make_session(cost=Cost(output=4 * USD))
    asleep = make_snapshot(session, published=())
    grown = make_session(tokens=TokenCounts(1_010, 20_000, 3_000, 400, 5_000, 600))
    awake = make_snapshot(grown)
    before = publish(asleep)
    first = publish(awake, before, previous=asleep).after(before.generation)
    second = publish(awake, before, previous=asleep).exposition
    key = (session.session_id, session.agent, "input")
    assert values(before.exposition, "agtop_session_tokens_total") == {}
    assert values(first, "agtop_session_tokens_total")[key] == 1_000
    assert values(second, "agtop_session_tokens_total")[key] == 1_010
    cost = values(first, "agtop_session_cost_usd_total")
    assert cost == {(session.session_id, session.agent): pytest.approx(4.0)}


def test_session_that_is_new_starts_at_zero():
    old, new = make_session(session_id="old"), make_session(session_id="new")
    before = make_snapshot(old)
    now = make_snapshot(old, new)
    assert starts(before, now) == ()
    first = publish(before)
    published = publish(now, first, previous=before).after(first.generation)
    tokens = values(published, "agtop_session_tokens_total")
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
    published = publish(make_snapshot(totals=make_totals()))
    assert not published.new
    assert published.after(-1) == published.exposition
    key = ("claude-code", "claude-sonnet-4-5", "output")
    assert values(published.exposition, "agtop_tokens_total")[key] == 5_000


def test_cost_that_becomes_known_grows_from_zero():
    unknown = make_session(cost=Cost(unpriced_tokens=29_400))
    before = make_snapshot(unknown)
    now = make_snapshot(make_session(cost=Cost(output=2 * USD)))
    first = publish(before)
    assert values(first.exposition, "agtop_session_cost_usd_total") == {}
    published = publish(now, first, previous=before).after(first.generation)
    assert set(values(published, "agtop_session_cost_usd_total").values()) == {0}
    assert unknown.floor_cost == NO_COST
