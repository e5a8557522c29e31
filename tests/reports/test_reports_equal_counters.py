"""The sums of every report equal the counters, in every time zone and across DST."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from driving import project
from events import batch
from hypothesis import given, settings
from hypothesis import strategies as st

from agtop_exporter.ledger import History, Ledger
from agtop_exporter.model import (
    NO_SUM,
    PERIODS,
    SECONDS_PER_HOUR,
    Cost,
    HourlyUsage,
    SessionUpdate,
    TokenCounts,
    UsageEvent,
    UsageSum,
)
from agtop_exporter.reports import DIMENSIONS, Calendar, add_up, by_period, first_weekday, total_of

ZONES = sorted(available_timezones())
SINCE_2015 = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001 - UTC is added
hours = SINCE_2015.map(lambda at: int(at.replace(tzinfo=UTC).timestamp()) // SECONDS_PER_HOUR)
calendars = st.builds(Calendar, st.sampled_from(ZONES).map(ZoneInfo), st.integers(0, 6))

MODELS = ["", "model-1", "model-2"]  # only model-1 has a price
counts = st.integers(0, 1_000)
events = st.lists(
    st.builds(
        lambda number, time, tokens: UsageEvent(
            key=f"k{number}",
            session_id=f"s{number % 4}",
            time=time,
            model=MODELS[number % 3],
            tokens=tokens,
            requests=1,
        ),
        st.integers(0, 11),
        st.just(0.0) | hours.map(lambda hour: hour * SECONDS_PER_HOUR + 1800.0),
        st.builds(TokenCounts, counts, counts, counts, counts, counts, counts),
    ),
    max_size=8,
)


def price(event):
    return Cost(input=event.tokens.input * 3) if event.model == "model-1" else None


def usage_of(event, agent):
    update = SessionUpdate(session_id=event.session_id, cwd=f"/home/ada/{event.session_id}")
    return batch(event, agent=agent, sessions=(update,))


def counters(ledger):
    """Return the counters of all agents and models as one sum."""
    sums = dict.fromkeys(["requests", "tokens", "cost", "unpriced_tokens"], 0)
    for (name, *_), value in ledger.totals.items():
        if name in sums:
            sums[name] += value
    return sums


def figures(usage):
    return {
        "requests": usage.requests,
        "tokens": usage.tokens.total,
        "cost": usage.cost,
        "unpriced_tokens": usage.unpriced_tokens,
    }


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(
    history=st.lists(st.tuples(events, st.sampled_from(["claude", "codex"])), max_size=6),
    data=st.data(),
)
def test_sums_of_reports_equal_the_counters(tmp_path_factory, history, data):
    directory = data.draw(st.sampled_from([None, tmp_path_factory.mktemp("state")]))
    ledger = Ledger(directory)
    for found, agent in history:
        for event in found:
            ledger.record(usage_of(event, agent), price=price, project=project)
        if data.draw(st.booleans()):
            ledger.commit()
    usage = ledger.usage_between()
    calendar = data.draw(calendars)
    for by in DIMENSIONS:
        assert figures(total_of(add_up(usage, by))) == counters(ledger)
        for period in PERIODS:
            periods = by_period(usage, period, by, calendar)
            assert figures(sum((one.usage for one in periods), NO_SUM)) == counters(ledger)
    if directory:
        ledger.commit()
        history = History(directory)
        assert sorted(history.usage_between(), key=repr) == sorted(ledger.usage_between(), key=repr)
        history.close()
    ledger.close()


def hourly(hour, **given):
    names = {"agent": "a", "session_id": "s", "top_session_id": "s", "project": "p"}
    names |= {"git_branch": "b", "model": "m"}
    return HourlyUsage(**(names | given), hour=hour, usage=UsageSum(requests=1))


@given(zone=st.sampled_from(ZONES), hour=hours)
def test_a_span_has_the_hours_of_its_days(zone, hour):
    calendar = Calendar(ZoneInfo(zone))
    day = calendar.day_of(hour)
    assert hour in calendar.span(day, day)
    assert hour not in calendar.span(day + timedelta(days=1))
    assert hour not in calendar.span(None, day - timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "day", "number"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Santiago", date(2026, 9, 6), 23),  # without midnight
        ("Australia/Lord_Howe", date(2026, 4, 5), 24),  # 24.5 hours
        ("Asia/Kolkata", date(2026, 3, 29), 24),
    ],
)
def test_days_have_their_real_length(zone, day, number):
    calendar = Calendar(ZoneInfo(zone))
    span = calendar.span(day, day)
    assert span.end - span.start == number
    (one,) = by_period(map(hourly, range(span.start, span.end)), "day", "model", calendar)
    assert (one.first_day, one.usage.requests) == (day, number)


@pytest.mark.parametrize(
    ("locale", "weekday"),
    [("de_DE.UTF-8", 0), ("en_US.UTF-8", 6), ("en_GB", 0), ("ar_EG.UTF-8@x", 5), ("C.UTF-8", 0)],
)
def test_weeks_start_as_the_locale_says(locale, weekday):
    assert first_weekday(locale) == weekday
    first = Calendar(UTC, first_weekday(locale)).first_day("week", date(2026, 3, 4))
    assert first.weekday() == weekday
    assert 0 <= (date(2026, 3, 4) - first).days < 7


def test_subagents_belong_to_their_top_level_session():
    ledger = Ledger()
    family = {"top": "", "child": "top", "grandchild": "child", "loop": "knot", "knot": "loop"}
    for session, parent in family.items():
        event = UsageEvent(key=session, session_id=session, time=1e9, model="m", requests=1)
        update = SessionUpdate(session_id=session, parent_session_id=parent)
        ledger.record(batch(event, sessions=(update,)), price=price, project=project)
    sums = {
        group.key[1]: group.usage.requests for group in add_up(ledger.usage_between(), "session")
    }
    assert sums["top"] == 3
    assert sum(sums.values()) == len(family)
