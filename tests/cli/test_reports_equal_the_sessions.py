"""The reports over the homes of all agents equal the sessions and the counters."""

import json
import shutil

import pytest
from driving import build_databases
from places import AGENT_FOLDERS
from running import run, samples_of, total

from agtop_exporter.reports import DIMENSIONS

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HOMES = sorted(AGENT_FOLDERS.glob("*/home"))
TOKEN_TYPES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return one home with the files of all agents, and with a ledger."""
    home = tmp_path_factory.mktemp("home")
    for each in HOMES:
        shutil.copytree(each, home, dirs_exist_ok=True)
    build_databases(home)
    output(home, "list")
    return home


@pytest.fixture(scope="module")
def totals(place):
    return json.loads(output(place, "json"))["totals"]


def output(place, *command, program="agtop", **more):
    flags = ("--no-pricing-refresh", "--state-dir", place / "state")
    return run(program, *command, *flags, home=place, **more).stdout


@pytest.mark.long
def test_there_are_homes(totals):
    assert len(HOMES) > 5
    assert totals["tokens"]["total"] > 0


@pytest.mark.long
@pytest.mark.parametrize("by", DIMENSIONS)
@pytest.mark.parametrize(
    ("report", "zone"),
    [("daily", "Asia/Kolkata"), ("weekly", "America/St_Johns"), ("monthly", "Pacific/Auckland")],
)
def test_reports_equal_the_sessions(place, totals, report, zone, by):
    found = json.loads(output(place, report, "--json", "--by", by, "--timezone", zone))
    assert found["totals"]["tokens"] == totals["tokens"]
    assert found["totals"]["cost_usd"] == pytest.approx(totals["cost"]["total_usd"], rel=1e-12)
    assert found["totals"]["unpriced_tokens"] == totals["cost"]["unpriced_tokens"]
    for name in ("input", "output", "total"):
        groups = [g for period in found["periods"] for g in period["groups"]]
        assert sum(group["tokens"][name] for group in groups) == totals["tokens"][name]


@pytest.mark.long
def test_reports_equal_the_counters(place):
    samples = samples_of(output(place, "--once", program="agtop-exporter"))
    tokens = json.loads(output(place, "daily", "--json"))["totals"]["tokens"]
    for kind in TOKEN_TYPES:
        assert total(samples, "agtop_tokens_total", token_type=kind) == tokens[kind]
