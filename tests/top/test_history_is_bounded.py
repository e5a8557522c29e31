"""Samples are kept in a ring. Gaps stay gaps, rates need time, and memory stays flat."""

import gc
import tracemalloc

import msgspec
import pytest
from rich.cells import cached_cell_len
from snapshots import make_snapshot
from top_views import NOW, USD, live, make_view, session

from agtop_exporter.model import Cost, State, TokenCounts
from agtop_exporter.top.history import NO_SAMPLES, SAMPLES_MAX, History, Ring, Sample
from agtop_exporter.top.rows import Frame, Rows

KEY = ("claude", "11111111-1111-4111-8111-000000000001")


def snapshot(at, *shown):
    return msgspec.structs.replace(make_snapshot(*shown), generated_at=at)


def one(tokens, cost=0, **over):
    return session(
        1,
        "docs",
        "t",
        "running",
        tokens=TokenCounts(tokens),
        cost=Cost(cost),
        process=live(1, cpu=50.0, read=10.0, written=5.0),
        **over,
    )


def test_rates_are_growth_by_time():
    history = History()
    for step in range(4):
        found = snapshot(NOW + 15 * step, one(1_000 * step, USD * step))
        history.add(found, rated=bool(step))
    ring = history.sessions[KEY]
    assert ring.tokens_per_minute == pytest.approx(4_000)
    assert ring.token_rates() == [4_000] * 3
    assert ring.usd_per_hour == pytest.approx(240)
    assert ring.cpu() == [None, 50.0, 50.0, 50.0]
    assert ring.disk() == [None, 15.0, 15.0, 15.0]


def test_one_sample_gives_no_rate():
    history = History()
    history.add(snapshot(NOW, one(1_000)), rated=True)
    assert history.sessions[KEY].tokens_per_minute is None
    assert history.total.usd_per_hour is None
    history.add(snapshot(NOW + 0.5, one(2_000)), rated=False)
    assert history.sessions[KEY].tokens_per_minute is None


def test_old_usage_is_not_in_the_rate():
    samples = [
        Sample(NOW, 0),
        Sample(NOW + 2, 60_000),
        *(Sample(NOW + 90 + n, 60_000) for n in range(3)),
    ]
    assert Ring(tuple(samples)).tokens_per_minute == 0


def test_a_failed_refresh_is_a_gap():
    history = History()
    history.add(snapshot(NOW, one(0)), rated=True)
    history.miss()
    history.add(snapshot(NOW + 4, one(400)), rated=True)
    ring = history.sessions[KEY]
    assert ring.cpu() == [50.0, None, 50.0]
    assert ring.token_rates() == [None, None]
    assert ring.tokens_per_minute == pytest.approx(6_000)


def test_a_price_that_falls_gives_no_negative_rate():
    ring = NO_SAMPLES.then(Sample(NOW, 100, cost=USD)).then(Sample(NOW + 10, 50, cost=0))
    assert ring.tokens_per_minute == ring.usd_per_hour == 0


def test_closed_sessions_are_forgotten():
    history = History()
    history.add(snapshot(NOW, one(1)), rated=True)
    closed = msgspec.structs.replace(one(1), state=State("closed"))
    history.add(snapshot(NOW + 2, closed), rated=True)
    assert history.sessions == {}


def test_subagents_have_no_ring_of_their_own():
    history = History()
    child = msgspec.structs.replace(one(1), session_id="x", parent_session_id=KEY[1])
    history.add(snapshot(NOW, one(1), child), rated=True)
    assert list(history.sessions) == [KEY]


@pytest.mark.long
def test_memory_is_flat_over_a_day():
    """Ten sessions at a time, each for an hour, refreshed twice a minute."""
    history, view = History(), make_view()

    def hours(first, last):
        for step in range(first * 120, last * 120):
            at = NOW + 30 * step
            shown = [
                session(step // 120 * 10 + number + 1, "docs", f"t {step}", "running",
                        tokens=TokenCounts(step), process=live(number + 1, cpu=1.0))
                for number in range(10)
            ]  # fmt: skip
            history.add(snapshot(at, *shown), rated=True)
            view.receive(
                Rows(Frame(snapshot(at, *shown), rings=history.sessions, total=history.total))
            )
            if step % 10 == 0:
                view.act(at, "move", 1)
            view.lines(at)
        cached_cell_len.cache_clear()  # it keeps the last 4096 texts
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    early, late = hours(0, 2), hours(2, 24)
    tracemalloc.stop()
    assert len(history.total.samples) == SAMPLES_MAX
    assert late < early + 100_000
