"""A budget counts the cost of its period, agent and project."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from events import NOON, record, response
from snapshots import make_snapshot

from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import collect
from agtop_exporter.model import PICODOLLARS_PER_USD, Budget, Cost, period_of
from agtop_exporter.pipeline.budgets import RENEWED_SECONDS, Budgets
from agtop_exporter.settings import SettingsError, load_settings

HOUR, DAY = 3600, 86_400


def at(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def one_dollar(_event):
    return Cost(input=PICODOLLARS_PER_USD)


def used(budget, now=NOON, ledger=None):
    ledger = ledger or Ledger()
    for key, time in {"now": NOON, "today": NOON - 5 * HOUR, "yesterday": NOON - DAY}.items():
        record(ledger, response(key, time=time), price=one_dollar)
    record(ledger, response("other", "s2"), agent="codex", price=one_dollar)
    (use,) = Budgets(ledger, [budget], timezone=UTC).uses(now)
    return use


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", "2026-03-29", "2026-03-30"),  # 23 hours
        ("week", "2026-03-23", "2026-03-30"),
        ("month", "2026-03-01", "2026-04-01"),
    ],
)
def test_periods_follow_the_calendar(period, start, end):
    zone = ZoneInfo("Europe/Berlin")
    assert period_of(period, at("2026-03-29T15:00", zone), zone) == (at(start, zone), at(end, zone))


def test_a_day_that_begins_twice_has_both_hours():
    """In the Azores, the clock is set back from 1 to 0 o'clock on 25 October 2026."""
    zone = ZoneInfo("Atlantic/Azores")
    for hour in range(24):
        now = at("2026-10-25T00:00", zone) + HOUR * (hour + 0.5)
        assert period_of("day", now, zone) == (at("2026-10-25", zone), at("2026-10-26", zone))


def test_only_the_period_counts():
    assert used(Budget("all", 10, "day")).used_usd == 3
    assert used(Budget("all", 10, "month")).used_usd == 4
    assert used(Budget("all", 10, "day"), now=NOON + DAY).used_usd == 0


def test_only_its_agent_and_project_count():
    assert used(Budget("codex", 10, "month", agent="codex")).used_usd == 1
    project = next(iter(record_project()))
    assert used(Budget("engine", 10, "month", agent="claude", project=project)).used_usd == 3
    assert used(Budget("none", 10, "month", project="no-such-project")).used_usd == 0


def record_project():
    ledger = Ledger()
    record(ledger, response("a"))
    return {state.project for state in ledger.sessions.values()}


def test_the_projection_goes_to_the_end_of_the_period():
    use = used(Budget("all", 6, "day"))
    elapsed = (NOON - use.started_at) / DAY
    assert use.used_ratio == 0.5
    assert use.projected_ratio == pytest.approx(0.5 / elapsed)
    assert use.resets_at - use.started_at == DAY


def test_it_is_renewed_now_and_then():
    ledger = Ledger()
    budgets = Budgets(ledger, [Budget("all", 10, "day")], timezone=UTC)
    assert budgets.uses(NOON)[0].used_usd == 0
    record(ledger, response("a"), price=one_dollar)
    assert budgets.uses(NOON + 1)[0].used_usd == 0
    assert budgets.uses(NOON + RENEWED_SECONDS)[0].used_usd == 1


def test_rows_on_disk_count_once(tmp_path):
    ledger = Ledger(tmp_path)
    assert used(Budget("all", 10, "day"), ledger=ledger).used_usd == 3
    ledger.close()
    ledger = Ledger(tmp_path)
    assert Budgets(ledger, [Budget("all", 10, "day")], timezone=UTC).uses(NOON)[0].used_usd == 3
    ledger.close()


def test_metrics_have_the_names_of_the_budget():
    snapshot = make_snapshot(budgets=(used(Budget("ours", 6, "day", agent="claude")),))
    page = {family.metric.name: family.samples for family in collect(snapshot)}
    labels = ("ours", "day", "claude", "")
    assert page["agtop_budget_usd"] == ((labels, 6),)
    assert page["agtop_budget_used_ratio"] == ((labels, pytest.approx(2 / 6)),)


def load(tmp_path, text):
    config = tmp_path / "config.toml"
    config.write_text(text)
    return load_settings({}, {}, config=config)


def test_budgets_come_from_the_settings(tmp_path):
    first = '[[budgets]]\nusd = 5\nperiod = "day"\n'
    second = '[[budgets]]\nusd = 9.5\nperiod = "week"\nagent = "Claude"\n'
    assert load(tmp_path, first + second).budgets == (
        Budget("day", 5, "day"),
        Budget("claude week", 9.5, "week", agent="claude"),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("budgets = 4", "1: budgets: expected a list of budgets, got 4"),
        ('[[budgets]]\nusd = -1\nperiod = "day"', "2: budgets.usd: expected US dollars, more than"),
        ('[[budgets]]\nusd = 1\nperiod = "year"', "3: budgets.period: expected day, week or month"),
        ('[[budgets]]\nperiod = "day"', "budgets.usd: a budget needs this field"),
        (
            '[[budgets]]\nusd = 1\nperiod = "day"\nagent = "clod"',
            "4: budgets.agent: expected the name of an agent, got 'clod'",
        ),
        (
            '[[budgets]]\nusd = 1\nperiod = "day"\nlimit = 3',
            "4: budgets.limit: a budget has no such field",
        ),
        (
            '[[budgets]]\nusd = 1\nperiod = "day"\n[[budgets]]\nusd = 1\nperiod = "day"',
            "two budgets have the name day",
        ),
    ],
)
def test_mistakes_name_the_line(tmp_path, text, why):
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)
    assert why in str(error.value)
