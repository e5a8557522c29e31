"""Five-hour windows do not overlap, have all usage, and follow the limits that agents record."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.model import (
    NO_SUM,
    PICODOLLARS_PER_USD,
    HourlyUsage,
    RateLimit,
    TokenCounts,
    UsageSum,
)
from agtop_exporter.reports import blocks_of

HOUR = 3600
NINE = 500_001  # an hour: 2027-01-15 09:00 UTC
NOW = (NINE + 20) * HOUR


def hourly(hour, agent="claude", model="m"):
    usage = UsageSum(1, TokenCounts(output=600), PICODOLLARS_PER_USD, 0)
    return HourlyUsage(agent, "s", "s", "p", "b", model, hour, usage)


def limit(resets_at, used_ratio=0.42, agent="claude", **more):
    more = {"observed_at": resets_at - HOUR, "window_seconds": 5 * HOUR} | more
    return RateLimit(agent, "5h", used_ratio, resets_at=resets_at, **more)


def spans(blocks):
    return [(block.started_at / HOUR - NINE, block.ends_at / HOUR - NINE) for block in blocks]


@pytest.mark.slow
@given(
    usage=st.lists(
        st.builds(hourly, st.integers(0, 60).map(NINE.__add__), st.sampled_from(["claude", "pi"]))
    ),
    resets=st.none() | st.integers(0, 60 * HOUR),
    now=st.integers(0, 60 * HOUR).map((NINE * HOUR).__add__),
)
def test_windows_have_all_usage_once(usage, resets, now):
    limits = [] if resets is None else [limit(NINE * HOUR + resets)]
    blocks = blocks_of(usage, limits, now)
    assert sum((block.usage for block in blocks), NO_SUM).requests == len(usage)
    for agent in ("claude", "pi"):
        own = [block for block in blocks if block.agent == agent]
        assert all(block.ends_at - block.started_at <= 5 * HOUR for block in own)
        assert all(a.ends_at <= b.started_at for a, b in itertools.pairwise(own))
        assert sum(block.pace is not None for block in own) <= 1


def test_a_window_starts_after_the_last_one():
    blocks = blocks_of([hourly(NINE + n) for n in (0, 4, 5, 12)], [], NOW)
    assert spans(blocks) == [(0, 5), (5, 10), (12, 17)]
    assert [block.usage.requests for block in blocks] == [2, 1, 1]


def test_usage_without_a_time_has_no_window():
    assert blocks_of([hourly(0)], [], NOW) == ()


def test_the_present_window_has_a_pace():
    (block,) = blocks_of([hourly(NINE)], [], (NINE + 1) * HOUR)
    assert block.pace.tokens_per_minute == pytest.approx(10)
    assert block.pace.cost_per_hour == pytest.approx(PICODOLLARS_PER_USD)
    assert block.pace.projected_tokens == pytest.approx(3000)
    assert block.pace.projected_cost == pytest.approx(5 * PICODOLLARS_PER_USD)
    assert block.pace.used_ratio is None
    (ended,) = blocks_of([hourly(NINE)], [], (NINE + 5) * HOUR)
    assert ended.pace is None


def test_a_recorded_limit_determines_the_present_window():
    now = (NINE + 6) * HOUR
    blocks = blocks_of([hourly(NINE + n) for n in (0, 3, 4)], [limit((NINE + 7) * HOUR)], now)
    assert spans(blocks) == [(0, 2), (2, 7)]
    assert [block.is_limit for block in blocks] == [False, True]
    assert [block.usage.requests for block in blocks] == [1, 2]
    assert blocks[1].pace.used_ratio == 0.42
    assert blocks[1].pace.projected_ratio == pytest.approx(0.42 * 5 / 4)


@pytest.mark.parametrize(
    "other",
    [
        limit((NINE + 1) * HOUR),  # it has ended
        limit((NINE + 7) * HOUR, window_seconds=7 * 24 * HOUR),
        limit((NINE + 7) * HOUR, agent="codex"),
        RateLimit("claude", "5h", 0.42, observed_at=NINE * HOUR),
    ],
)
def test_other_limits_do_not(other):
    blocks = blocks_of([hourly(NINE)], [other], (NINE + 3) * HOUR)
    assert (blocks[0].agent, spans(blocks[:1]), blocks[0].is_limit) == ("claude", [(0, 5)], False)
    assert blocks[0].pace.used_ratio is None
