"""The reports of one history: as tables for three terminals, as one line and as JSON."""

import json
from datetime import UTC, date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    BudgetUse,
    HourlyUsage,
    RateLimit,
    TokenCounts,
    UsageSum,
)
from agtop_exporter.render.json import blocks as json_blocks
from agtop_exporter.render.json import reports as json_reports
from agtop_exporter.render.json import today as json_today
from agtop_exporter.render.table import blocks, reports, today
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal
from agtop_exporter.reports import (
    BlocksReport,
    Calendar,
    Report,
    Today,
    blocks_of,
    by_period,
    sums_of_days,
)

GOLDEN = Path(__file__).parent / "reports"
HOUR, DAY = 3600, 86_400
NINE = 495_633  # an hour: 2026-07-17 09:00 UTC
NOW = (NINE + 2.5) * HOUR
CALENDAR = Calendar(UTC)
TERMINALS = {"wide": Terminal(), "80": Terminal(80), "50": Terminal(50, ascii_only=True)}


def hourly(hour, usd, session="s1", **names):
    names = {"project": "shop", "git_branch": "main", "model": "claude-opus-4-8"} | names
    tokens = TokenCounts(1_200, 80_000_000 * usd, 30_000, 4_000, 9_000, 500)
    return HourlyUsage(
        agent="codex" if names["model"].startswith("gpt") else "claude",
        session_id=session,
        top_session_id=session,
        top_project=names["project"],
        hour=hour,
        usage=UsageSum(30, tokens, usd * PICODOLLARS_PER_USD, 0 if usd else tokens.total),
        **names,
    )


USAGE = [
    hourly(0, 1),
    hourly(NINE - 24 * 40, 1_400, "019b2f6e-77aa-7c11-8e0d-3a3f00000001"),
    hourly(NINE - 24, 12, "019b2f6e-77aa-7c11-8e0d-3a3f00000002"),
    hourly(NINE - 24, 3, "s3", model="gpt-6-codex", project="日本語", git_branch=""),
    hourly(NINE, 2, "s4"),
    hourly(NINE + 1, 0, "s5", model="mystery-\x1b[1", project=""),
]
LIMITS = (
    RateLimit("claude", "5h", 0.42, NOW - 60, NOW + 2 * HOUR, 5 * HOUR),
    RateLimit("claude", "weekly", 0.4, NOW - 60, NOW + 3 * DAY, 7 * DAY),
    RateLimit("codex", "5h", 0.9, NOW - DAY, NOW - HOUR, 5 * HOUR),
)
BUDGETS = (
    BudgetUse("month", "month", "", "", 2000, 1418, 0.709, 1.33, NOW - 16 * DAY, NOW + 14 * DAY),
)


def report(by="model", period="day", **more):
    periods = by_period(USAGE, period, by, CALENDAR)
    return Report(period, by, periods, NOW, **more)


def compare_json(golden, name, page, schema):
    """Compare a document with its golden file, and validate it with its schema."""
    Draft202012Validator.check_schema(json.loads(schema))
    Draft202012Validator(json.loads(schema)).validate(json.loads(page))
    golden(GOLDEN / f"{name}.json", page.decode())


def pages(render):
    return "\n".join(f"== {name}\n{render(one)}" for name, one in TERMINALS.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("daily", report(budgets=BUDGETS, timezone="UTC")),
        ("weekly-by-session", report("session", "week")),
        ("monthly-by-branch", report("branch", "month", since=date(2026, 1, 1))),
        ("daily-by-project", report("project")),
        ("nothing", Report("day", "model", (), NOW)),
    ],
)
def test_reports(golden, name, made):
    golden(GOLDEN / f"{name}.txt", pages(lambda one: reports.render(made, terminal=one)))
    compare_json(golden, name, json_reports.render(made), json_reports.schema(made.by))


@pytest.mark.slow
def test_blocks(golden):
    made = BlocksReport(blocks_of(USAGE, LIMITS, NOW), NOW)
    golden(
        GOLDEN / "blocks.txt",
        pages(lambda one: blocks.render(made, terminal=one, timezone=UTC)),
    )
    compare_json(golden, "blocks", json_blocks.render(made), json_blocks.schema())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "usage", "limits", "budgets"),
    [("today", USAGE, LIMITS, BUDGETS), ("today-nothing", (), (), ())],
)
def test_today(golden, name, usage, limits, budgets):
    made = Today(sums_of_days(usage, CALENDAR, NOW), limits, budgets, NOW)
    view = View("/home/ada", NOW, UTC)
    table = pages(lambda one: today.render(made, terminal=one, view=view))
    golden(GOLDEN / f"{name}.txt", f"{table}\n== line\n{today.line(made)}")
    compare_json(golden, name, json_today.render(made), json_today.schema())
