"""Old data needs little space, and is neither lost nor counted again."""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import pytest
from driving import price, project
from events import batch, record, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.pipeline.retention import roll_up_when_due

DAY = 86_400.0
NOW = datetime(2026, 6, 20, 15, 30, tzinfo=UTC).timestamp()
RETENTION = 90 * DAY


def query(directory, statement):
    with closing(sqlite3.connect(directory / "ledger.db")) as database:
        return database.execute(statement).fetchall()


def roll_up(ledger, before):
    while ledger.roll_up(before):
        pass


def figures(ledger):
    return dict(ledger.totals), {key: s.models for key, s in ledger.sessions.items()}


def tokens(ledger):
    return sum(value for series, value in ledger.totals.items() if series[0] == "tokens")


@pytest.fixture
def filled(tmp_path):
    """Return a ledger with a response every six hours for three years, and these responses."""
    events = [
        response(f"k{n}", f"s{n // 200}", time=NOW - n * DAY / 4, output=n) for n in range(4 * 1095)
    ]
    ledger = Ledger(tmp_path)
    record(ledger, *events)
    yield tmp_path, ledger, events
    ledger.close()


@pytest.mark.slow
def test_no_sum_changes(filled):
    directory, ledger, events = filled
    before = figures(ledger)
    hours = query(directory, "SELECT session, model, SUM(output) FROM hourly GROUP BY 1, 2")
    roll_up(ledger, NOW - RETENTION)
    assert figures(ledger) == before
    assert query(directory, "SELECT session, model, SUM(output) FROM hourly GROUP BY 1, 2") == hours
    ledger.close()
    again = Ledger(directory)
    assert figures(again) == before
    assert again.take_repairs() == []
    recent = sum(event.time >= NOW - RETENTION for event in events)
    assert query(directory, "SELECT COUNT(*) FROM events") == [(recent,)]
    assert query(directory, "SELECT COUNT(*) FROM old_keys") == [(len(events) - recent,)]
    again.close()


@pytest.mark.long
def test_a_copy_of_what_is_old_adds_nothing(filled):
    directory, ledger, events = filled
    roll_up(ledger, NOW - RETENTION)
    before = figures(ledger)[0]
    record(ledger, *events[::-3], path="/fork.jsonl")
    assert ledger.totals == before
    ledger.close()
    again = Ledger(directory)
    record(again, *events, path="/restored.jsonl")
    assert again.totals == before
    again.close()


@pytest.mark.parametrize(("age", "times"), [(200 * DAY, 1), (0.0, 2)])
def test_what_is_old_is_known_by_its_other_keys(tmp_path, age, times):
    """Several responses may have the same other key, but a recent one is not an old one."""
    ledger = Ledger(tmp_path)
    record(ledger, response("before", "s", time=NOW - 200 * DAY, output=7))
    roll_up(ledger, NOW - RETENTION)
    ledger.commit()
    ledger.close()
    again = Ledger(tmp_path)
    total = tokens(again)
    later = response("now", "s", time=NOW - age, output=7, other_keys=("before",))
    record(again, later, path="/again.jsonl")
    assert tokens(again) == times * total
    again.close()


@pytest.mark.slow
def test_hours_become_days_and_days_become_months(filled):
    directory, ledger, _ = filled
    roll_up(ledger, NOW - RETENTION)
    stamps = [
        datetime.fromtimestamp(hour * 3600, tz=UTC)
        for (hour,) in query(directory, "SELECT DISTINCT hour FROM hourly")
    ]
    age = Counter()
    for stamp in stamps:
        days = (NOW - stamp.timestamp()) / DAY
        kind = "hour" if days < 90.7 else "day" if days < 821 else "month"
        age[kind] += 1
        assert kind == "hour" or stamp.hour == 12
        assert kind != "month" or stamp.day == 15
    assert age["hour"] > 300
    assert 700 < age["day"] < 740
    assert 8 <= age["month"] <= 14


@pytest.mark.slow
def test_a_second_time_changes_nothing(filled):
    directory, ledger, _ = filled
    roll_up(ledger, NOW - RETENTION)
    rows = query(directory, "SELECT * FROM hourly ORDER BY 1, 2, 3")
    roll_up(ledger, NOW - RETENTION)
    assert query(directory, "SELECT * FROM hourly ORDER BY 1, 2, 3") == rows


def test_a_clock_that_is_wrong_for_an_hour_removes_no_detail(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", time=NOW - 50 * DAY))

    def events_at(now):
        roll_up_when_due(ledger, now, retention_days=90)
        ledger.commit()
        return query(tmp_path, "SELECT COUNT(*) FROM events")[0][0]

    wrong = NOW + 3 * 365 * DAY
    assert [events_at(now) for now in (NOW, wrong, wrong + 3600, NOW + DAY)] == [1, 1, 1, 1]
    assert [events_at(now) for now in (wrong, wrong + DAY)] == [1, 0]  # it is right after all
    ledger.close()


def test_an_event_without_a_price_waits_for_one(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k", time=NOW - 500 * DAY), price=lambda _event: None)
    roll_up(ledger, NOW)
    assert ledger.reprice(price) == 1
    ledger.commit()
    roll_up(ledger, NOW)
    assert query(tmp_path, "SELECT COUNT(*) FROM events") == [(0,)]
    ledger.close()


@pytest.mark.slow
@given(history=st.lists(st.lists(sightings, max_size=5), max_size=6))
def test_any_history_counts_alike(tmp_path_factory, history):
    """With or without a roll-up, copies of recorded events add nothing."""
    plain, rolled = Ledger(), Ledger(tmp_path_factory.mktemp("state"))
    for ledger in (plain, rolled):
        for events in history:
            ledger.record(batch(*events), price=price, project=project)
        ledger.commit()
    roll_up(rolled, NOW)
    before = figures(rolled)
    for events in history:
        rolled.record(batch(*events, path="/copy"), price=price, project=project)
    rolled.commit()
    assert figures(rolled)[0] | {("scan_bytes", "claude"): 0} == before[0] | {
        ("scan_bytes", "claude"): 0
    }
    assert figures(rolled)[1] == before[1] == figures(plain)[1]
    rolled.close()


@pytest.mark.long
def test_the_file_gives_room_back(tmp_path):
    ledger = Ledger(tmp_path)
    for start in range(0, 60_000, 10_000):
        record(
            ledger, *(response(f"k{n}", time=NOW - 400 * DAY) for n in range(start, start + 10_000))
        )
    ledger.close()
    full = (tmp_path / "ledger.db").stat().st_size
    ledger = Ledger(tmp_path)
    roll_up(ledger, NOW - RETENTION)
    assert ledger.size_bytes() < full / 3  # with the journal
    ledger.close()
    assert (tmp_path / "ledger.db").stat().st_size < full / 3
    again = Ledger(tmp_path)
    assert again.totals["requests", "claude", "model-1"] == 60_000
    assert again.take_repairs() == []
    again.close()
