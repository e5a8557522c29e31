"""Help texts and tables state the limits that the code enforces."""

import re
from pathlib import Path
from typing import get_args

import pytest
from snapshots import make_snapshot

import agtop_exporter
from agtop_exporter.agents import agent_modules, load_agents
from agtop_exporter.doctor.text import WHAT_IS_WRONG
from agtop_exporter.labels import (
    PARSE_ERROR_REASONS,
    PRICE_SOURCES,
    PROCESS_SCAN_ERROR_REASONS,
    RESET_REASONS,
    SERIES_LIMITS,
)
from agtop_exporter.ledger import ACCOUNTS_MAX, LABELS_MAX, WINDOWS_MAX
from agtop_exporter.ledger.totals import LIMITS
from agtop_exporter.metrics import CATALOGUE, collect, markdown
from agtop_exporter.metrics.limits import Limit
from agtop_exporter.model import (
    COST_TYPES,
    REFRESH_STAGES,
    STATE_KINDS,
    TOKEN_TYPES,
    WAITING_BOUNDS_SECONDS,
)
from agtop_exporter.pricing import corrections, genai, litellm, overrides
from agtop_exporter.processes.facts import Confidence
from agtop_exporter.settings import Settings

METRICS = {metric.name: metric for metric in CATALOGUE}
AGENTS = len(load_agents())
SESSIONS_MAX = Settings().sessions_max


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("agtop_tokens_total", AGENTS * (LABELS_MAX + 1) * len(TOKEN_TYPES)),
        ("agtop_cost_usd_total", AGENTS * (LABELS_MAX + 1) * (len(COST_TYPES) + 1)),
        ("agtop_requests_total", AGENTS * (LABELS_MAX + 1)),
        ("agtop_tool_calls_total", AGENTS * (LABELS_MAX + 1)),
        ("agtop_project_tokens_total", AGENTS * (LABELS_MAX + 1)),
        ("agtop_turns_total", AGENTS),
        ("agtop_sessions", AGENTS * len(STATE_KINDS)),
        ("agtop_waiting_seconds", AGENTS * (len(WAITING_BOUNDS_SECONDS) + 3)),
        ("agtop_rate_limit_used_ratio", AGENTS * WINDOWS_MAX * ACCOUNTS_MAX),
        ("agtop_session_info", SESSIONS_MAX),
        ("agtop_session_tokens_total", SESSIONS_MAX * len(TOKEN_TYPES)),
        ("agtop_session_state", SESSIONS_MAX * len(STATE_KINDS)),
        ("agtop_session_match_confidence", SESSIONS_MAX * len(get_args(Confidence))),
        ("agtop_parse_errors_total", AGENTS * len(PARSE_ERROR_REASONS)),
        ("agtop_source_resets_total", AGENTS * len(RESET_REASONS)),
        ("agtop_process_scan_errors_total", len(PROCESS_SCAN_ERROR_REASONS)),
        ("agtop_series_dropped", len(SERIES_LIMITS)),
        ("agtop_refresh_errors_total", len(REFRESH_STAGES)),
        ("agtop_pricing_info", len(PRICE_SOURCES)),
        ("agtop_build_info", 1),
    ],
)
def test_the_catalogue_states_the_enforced_limit(name, series):
    assert METRICS[name].series_max == series
    row = next(line for line in markdown().splitlines() if line.startswith(f"| `{name}`"))
    assert re.search(rf"\| {series:,}[^|]* \|$", row)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("agtop_tokens_total", [str(LABELS_MAX)]),
        ("agtop_tool_calls_total", [str(LABELS_MAX)]),
        ("agtop_project_tokens_total", [str(LABELS_MAX)]),
        ("agtop_rate_limit_used_ratio", [str(WINDOWS_MAX)]),
        ("agtop_session_info", [str(SESSIONS_MAX)]),
        ("agtop_parse_errors_total", PARSE_ERROR_REASONS),
        ("agtop_source_resets_total", RESET_REASONS),
        ("agtop_process_scan_errors_total", PROCESS_SCAN_ERROR_REASONS),
        ("agtop_series_dropped", SERIES_LIMITS),
        ("agtop_refresh_errors_total", REFRESH_STAGES),
        ("agtop_pricing_info", PRICE_SOURCES),
    ],
)
def test_the_help_text_states_what_is_enforced(name, values):
    words = re.findall(r"[\w-]+", METRICS[name].help)
    assert [value for value in values if value not in words] == []


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_with_labels_has_a_limit(metric):
    constant = metric.name == "agtop_build_info"
    assert bool(metric.limits) == (bool(metric.labels) and not constant)
    assert all(isinstance(limit, Limit) and limit.number > 0 for limit in metric.limits)


def test_a_full_snapshot_stays_within_the_limits():
    agents = {status.agent for status in make_snapshot().agents}
    assert len(agents) <= AGENTS
    for family in collect(make_snapshot()):
        assert len(family.samples) <= family.metric.series_max, family.metric.name


def test_agents_are_counted_without_their_import():
    assert len(agent_modules()) == AGENTS


def test_the_doctor_describes_every_parse_error():
    assert set(WHAT_IS_WRONG) == {*PARSE_ERROR_REASONS, "unfinished"}


def test_every_limit_that_folds_labels_is_published():
    assert {"sessions", *LIMITS.values()} == set(SERIES_LIMITS)


def test_price_sources_are_named_as_in_the_price_tables():
    modules = overrides, corrections, genai, litellm
    assert tuple(module.SOURCE for module in modules) == PRICE_SOURCES


def test_every_reason_of_a_process_scan_is_listed():
    package = Path(agtop_exporter.__file__).parent / "processes"
    sources = "".join(path.read_text() for path in package.glob("*.py"))
    found = re.findall(r'"((?:access|other|unreadable|no_such)[a-z_]*)"', sources)
    assert set(found) == set(PROCESS_SCAN_ERROR_REASONS)
