"""The events, sessions and metrics of each agent's golden home equal the committed files."""

import json
import os

import msgspec
import pytest
from driving import batches, refresh, transcripts
from looking import Look
from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import collect
from agtop_exporter.render import prometheus

AGENTS = load_agents()
PRICES = {"input": 1, "cache_read": 2, "cache_write_5m": 3, "cache_write_1h": 4, "output": 5}
YEARS = 10 * 365 * 86_400  # in seconds: every session has series, however old it is
NOT_OF_AN_AGENT = (  # figures of the exporter, of the machine, and of the bundled price list
    *("agtop_scan_", "agtop_agent_last_success", "agtop_process_", "agtop_session_context_limit"),
)
NOT_SHOWN = frozenset({"id", "floor_tokens", "floor_cost"})  # of the ledger's own


def plain(value):
    """Return a value as in JSON, without fields that are empty or zero."""
    if isinstance(value, msgspec.Struct):
        return {
            field.name: plain(given)
            for field in msgspec.structs.fields(value)
            if field.name not in NOT_SHOWN
            and (given := getattr(value, field.name)) != field.default
            and given not in ("", {}, ())
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def text(rows, home):
    """Return one JSON object per line. The home directory is written as `~`."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    return "".join(line.replace(str(home), "~") + "\n" for line in lines)


def test_every_agent_has_a_golden_home():
    present = {path.parent.name for path in AGENT_FOLDERS.glob("*/home") if path.is_dir()}
    described = {path.parent.name for path in AGENT_FOLDERS.glob("*/README.md")}
    names = {agent.name for agent in AGENTS}
    assert present == names
    assert described == names


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_events(agent, home, golden):
    rows = []
    for _, path in transcripts(home, [agent]):
        for batch in batches(agent, path):
            rows += [{"file": path, **plain(event)} for event in batch.events]
            rows += [{"file": path, "limit": plain(limit)} for limit in batch.rate_limits]
            rows += [{"file": path, "error": plain(error)} for error in batch.errors]
            rows += [{"file": path, "unknown": dict(batch.unknown)}] if batch.unknown else []
    golden(AGENT_FOLDERS / agent.name / "events.jsonl", text(rows, home))


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_sessions(agent, home, golden):
    ledger = Ledger()
    refresh(ledger, home, [agent])
    records = [plain(ledger.sessions[key]) for key in sorted(ledger.sessions)]
    golden(AGENT_FOLDERS / agent.name / "sessions.jsonl", text(records, home))


def page(agent, home):
    """Return the page of a home one minute after its last event, with the prices of this module.

    HELP lines are left out, because they are the same for every agent. The samples of a family are
    sorted, because their order depends on the order of the files.
    """
    events = [
        event
        for _, path in transcripts(home, [agent])
        for batch in batches(agent, path)
        for event in batch.events
    ]
    now = max(event.time for event in events) + 60
    for path in home.rglob("*"):
        os.utime(path, (now, now))
    prices = dict.fromkeys({event.model for event in events}, PRICES)
    look = Look(home, agents=[agent], prices=prices, session_linger=YEARS)
    families = [
        family
        for family in collect(look.at(now))
        if "agent" in family.metric.labels and not family.metric.name.startswith(NOT_OF_AN_AGENT)
    ]
    lines = []
    for family in families:
        _, *shown = prometheus.text([family]).decode().splitlines(keepends=True)
        is_histogram = family.metric.kind == "histogram"  # its buckets have an order
        lines += shown if is_histogram else shown[:1] + sorted(shown[1:])
    return "".join(lines).replace(str(home), "~")


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_metrics(agent, home, golden):
    golden(AGENT_FOLDERS / agent.name / "metrics.txt", page(agent, home))
