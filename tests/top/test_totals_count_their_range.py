"""Totals count what was used in their range only, each usage once, in every grouping."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from top_views import HOURLY, NOW, USD, frame, hourly

from agtop_exporter.model import NO_SUM, UsageSum
from agtop_exporter.reports import Calendar, Span
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Rows
from agtop_exporter.top.spans import plain
from agtop_exporter.top.totals import (
    GROUPS,
    RANGES,
    condensed,
    dollars,
    plans_of,
    span_of,
    total_of,
    totals,
    totals_table,
)

CALENDAR = Calendar(UTC)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
USAGE = st.lists(
    st.builds(
        hourly,
        st.integers(1, 4),
        st.sampled_from(["claude", "codex"]),
        st.sampled_from(["docs", ""]),
        st.sampled_from(["a", "b"]),
        st.floats(0, 45),
        st.integers(0, 9),
    ),
    max_size=15,
)


def names(by, range_):
    found = totals(HOURLY, by, span_of(range_, NOW, CALENDAR), plans=plans_of(Rows(frame())))
    return {one.name: dollars(one.usage) for one in found}


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        ("today", {"webshop": "4.25", "docs": "1.50"}),
        ("7 d", {"webshop": "4.75", "infra": "2.00", "docs": "1.50"}),
        ("30 d", {"search": "8.00", "webshop": "4.75", "infra": "2.00", "docs": "1.50"}),
        ("all", {"search": "8.00", "webshop": "4.75", "infra": "2.00", "docs": "1.50", "lab": "?"}),
    ],
)
def test_ranges(range_, expected):
    assert names("project", range_) == expected


BILL = msgspec.structs.replace(HOURLY[3], usage=UsageSum(billed_difference=-USD // 2))


def test_a_bill_is_what_the_agent_recorded_or_nothing_under_a_plan():
    hours = span_of("7 d", NOW, CALENDAR)
    found = totals([*HOURLY, BILL], "agent", hours, plans={}, covered={"claude"})
    bills = {one.name: (dollars(one.usage), dollars(one.bill)) for one in found}
    assert bills == {"claude": ("6.25", "0.00"), "codex": ("2.00", "1.50")}


@pytest.mark.parametrize(
    ("width", "usage", "shown"),
    [
        (80, [*HOURLY, BILL], True),
        (80, HOURLY, False),
        (200, [*HOURLY, BILL], True),
    ],
)
def test_bills_are_a_column_if_they_differ(width, usage, shown):
    found = totals(usage, "model", Span(), plans={})
    table = totals_table(found, "model", Look(NOW), width=width)
    lines = [plain(line) for line in table.lines()]
    assert ("BILLED$" in lines[0]) == shown
    assert max(map(len, lines)) <= width
    assert ("16.25*     15.75*" in lines[-1]) == shown


def test_groups():
    assert names("agent", "all") == {"claude": "14.25*", "codex": "2.00"}
    assert names("plan", "all") == {"max": "16.25*"}
    assert names("model", "7 d") == {
        "claude-sonnet-4-5": "5.75",
        "gpt-5-codex": "2.00",
        "claude-haiku-4-5": "0.50",
    }


@pytest.mark.slow
@given(USAGE, st.sampled_from(GROUPS), st.sampled_from(RANGES))
def test_every_grouping_has_the_same_sum(usage, by, range_):
    hours = span_of(range_, NOW, CALENDAR)
    groups = totals(usage, by, hours, plans={})
    whole = total_of(one for one in usage if one.hour in hours)
    assert sum((one.usage for one in groups), NO_SUM) == whole
    assert sum(one.share or 0 for one in groups) == pytest.approx(1 if whole.cost else 0)
    assert sum(sum(one.by_time) for one in groups) == whole.tokens.total


@pytest.mark.slow
@given(USAGE, ZONES, st.sampled_from(RANGES), st.sampled_from(GROUPS))
def test_condensed_usage_has_the_same_totals(usage, zone, range_, by):
    calendar = Calendar(ZoneInfo(zone))
    hours = span_of(range_, NOW, calendar)
    found = condensed(usage, calendar, NOW)

    def sums(used):
        return {one.name: (one.usage, one.sessions) for one in totals(used, by, hours, plans={})}

    assert sums(found) == sums(usage)
    assert len(found) <= len(usage)


def test_usage_of_unknown_time_is_in_all_only():
    undated = [one for one in condensed(HOURLY, CALENDAR, NOW) if one.hour == 0]
    assert undated == []
    old = hourly(1, "claude", "docs", "m", NOW / 86_400, 1)
    assert old.hour == 0
    assert [one.hour for one in condensed([old], CALENDAR, NOW)] == [0]
    assert totals([old], "agent", span_of("30 d", NOW, CALENDAR), plans={}) == []
    assert totals([old], "agent", Span(), plans={})[0].usage.cost == USD


def test_today_begins_at_local_midnight():
    zone = ZoneInfo("Asia/Kolkata")
    now = datetime(2026, 3, 2, 0, 40, tzinfo=zone).timestamp()
    span = span_of("today", now, Calendar(zone))
    assert round((now - span.start * 3_600) / 60) == 40 + 30
