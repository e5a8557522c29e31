"""Claude Code: cached rate limits are read, and no other content of their file is shown."""

import json

import pytest
from driving import refresh
from running import once, run
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.integration

AGENTS = [agent for agent in load_agents() if agent.name == "claude"]
FETCHED_AT = 1_790_000_000.0
CANARY = "canary-of-a-credential"


def state(**windows):
    usage = {"fetchedAtMs": FETCHED_AT * 1000, "utilization": windows}
    return {"primaryApiKey": CANARY, "oauthAccount": {"x": CANARY}, "cachedUsageUtilization": usage}


def window(percent, resets_at="2026-09-21T20:00:00Z"):
    return {"utilization": percent, "resets_at": resets_at}


@pytest.fixture
def limits(tmp_path):
    """Return a function that writes a state and returns its limits by window."""

    def read(document, place=".claude.json"):
        (tmp_path / ".claude" / "projects").mkdir(parents=True)
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / place).write_text(text)
        ledger = Ledger()
        refresh(ledger, tmp_path, AGENTS)
        return {name: limit for (*_, name), limit in ledger.rate_limits.items()}

    return read


@pytest.mark.parametrize("place", [".claude.json", ".claude/.claude.json"])
def test_percents_are_shares_of_windows(limits, place):
    told = limits(state(five_hour=window(0.5), seven_day=window(104), seven_day_opus=None), place)
    assert {name: limit.used_ratio for name, limit in told.items()} == {"5h": 0.005, "weekly": 1.04}
    five_hours = told["5h"]
    assert (five_hours.observed_at, five_hours.resets_at) == (FETCHED_AT, 1_790_020_800.0)
    assert (five_hours.window_seconds, five_hours.source) == (18_000.0, "usage-cache")


@pytest.mark.parametrize(
    "document",
    [
        {},
        "{",
        "[]",
        {"cachedUsageUtilization": None},
        {"cachedUsageUtilization": {"utilization": {"five_hour": window(1)}}},
        state(five_hour=window(None)),
        state(five_hour=window(-1)),
        state(five_hour=window("much")),
        state(five_hour=window(1e9)),
        state(five_hour=7),
    ],
)
def test_a_response_without_a_limit_is_no_limit(limits, document):
    assert limits(document) == {}


@pytest.mark.slow
def test_nothing_else_is_reported(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    (tmp_path / ".claude.json").write_text(json.dumps(state(five_hour=window(50))))
    document = once(tmp_path)
    assert [limit["window"] for limit in document["rate_limits"]] == ["5h"]
    done = run(
        "agtop-exporter", "doctor", "--json", "--no-state", "--no-pricing-refresh", home=tmp_path
    )
    assert CANARY not in json.dumps(document) + done.stdout + done.stderr
