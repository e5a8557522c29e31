"""Every stat is within 0.5 % of what was written in hours of simulated time.

A midnight, a stop of the exporter, deleted and emptied transcripts, new models, projects and
sessions, processes and waits: see `simulated_day`. The fleet's stats come from recorded series,
which are made from the same data.
"""

import subprocess
from collections import Counter
from contextlib import contextmanager

import pytest
import yaml
from generator.boards import BOARDS, panels_with_queries
from programs import find_program
from prometheus_server import running_prometheus
from promql import substituted
from rule_files import RULES
from simulated_day import (
    BEGIN,
    BUDGET,
    END,
    FAILED,
    LABELS,
    MIDNIGHT,
    NO_PRICE,
    RATES,
    SCRAPE_SECONDS,
    USED_PERCENT,
    WAITS,
    lived,
)
from simulated_processes import PROGRAMS

from agtop_exporter.model import TOKEN_TYPES

pytestmark = [pytest.mark.integration, pytest.mark.slow]

DAY = 86_400
MONTH_BEGIN = MIDNIGHT - DAY
RANGES = {"now/d": END - MIDNIGHT, "now/M": END - MONTH_BEGIN}
OF_THE_DAEMON = "a gauge of the daemon, which does not run here"
LEFT_OUT = {
    **dict.fromkeys(("Settings", "Open to others"), OF_THE_DAEMON),
    "Failed downloads": "nothing is downloaded here",
}


def tokens_of(written, *kinds):
    return sum(n for (_, _, kind), n in written.items() if not kinds or kind in kinds)


def dollars(written, *kinds):
    """Return the cost of written tokens. One model has no price."""
    rates = dict(zip(TOKEN_TYPES, RATES, strict=True))
    return sum(
        n * rates[kind] / 1e6
        for (_, model, kind), n in written.items()
        if model != NO_PRICE and (not kinds or kind in kinds)
    )


def saved(written):
    """Return what cached tokens would have cost as input, minus what they cost."""
    cached = [kind for kind in TOKEN_TYPES if kind.startswith("cache_")]
    priced = {key: n for key, n in written.items() if key[1] != NO_PRICE}
    return tokens_of(priced, *cached) * RATES[0] / 1e6 - dollars(priced, *cached)


def truth_of(day):
    """Return the value of each stat by its title, or by its dashboard and title."""
    (done, written), (first_done, first) = day.marks[END], day.marks[BEGIN]
    done, grown = Counter(done) - first_done, Counter(written) - first
    today = Counter(written) - day.marks[MIDNIGHT][1]
    cost, hours = dollars(grown), (END - BEGIN) / 3600
    unpriced = sum(n for (_, model, _), n in grown.items() if model == NO_PRICE)
    prompt = [kind for kind in TOKEN_TYPES if kind != "output"]
    thought = sum(n * 2 / 5 for (agent, _, kind), n in grown.items() if (agent, kind) == CODEX)
    month_left = 31 * DAY - (END - MONTH_BEGIN)
    return {
        "Cost": cost,
        "Cost, all time": dollars(written),
        "Billed": cost,
        "Cost per hour": cost / hours,
        "Per million tokens": 1e6 * cost / tokens_of(grown),
        "Saved by the cache": saved(grown),
        "Unpriced tokens": unpriced,
        "Reasoning": thought / tokens_of(grown, "output"),
        "Tokens": tokens_of(grown),
        "Cache hit ratio": tokens_of(grown, "cache_read") / tokens_of(grown, *prompt),
        "Prompts": done["prompts"],
        "Responses": done["responses"],
        "New sessions": done["sessions"] + NEW_AT_THE_START,
        "Compactions": done["compactions"],
        "Failed tool calls": done["failed"] / done["calls"],
        "Today": dollars(today),
        "This month": cost,
        "Projected for this month": cost * (1 + month_left / (END - BEGIN)),
        "Budget of this month": BUDGET["usd"],
        "Machines up": 1,
        "Machines down": 0,
        "Cost of the last 24 hours": cost,
        "Projected cost of 30 days": 30 * cost,
        "Exporters up": 1,
        "Age of the data": 0,
        "Unusable records": 0,
        "Waiting for you": 1,
        "Running": len(("session 1", "Codex")),
        "Error or stalled": len(("session 3", "session 4")),
        "Sessions": 3,  # running or waiting
        "Median wait": pytest.approx(525, abs=75),  # the bucket of the median, 10 minutes
        "Total wait": sum(end - begin for begin, end in WAITS if end < END),
        "Processes": len(PROGRAMS),
        "Orphan processes": 1,
        "Duplicate processes": 1,
        "CPU cores": sum(program.cpu_seconds for program in PROGRAMS) / 60,
        "Memory": sum(program.rss_bytes for program in PROGRAMS),
        "Not readable": 1,
        "Highest rate limit": USED_PERCENT / 100,
        "Series": day.samples,
        "Series dropped": 0,
        "Ledger on disk": 1,
        "Failed refreshes": len(FAILED),
    }


CODEX = ("codex", "output")
NEW_AT_THE_START = 2  # sessions 1 and 2 begin after the first page


@pytest.fixture(scope="module")
def server_and_truth(tmp_path_factory):
    find_program("prometheus")
    folder = tmp_path_factory.mktemp("simulated")
    with lived(folder) as day:
        day.stored.into_blocks(folder)
        truth = truth_of(day)
    for number, group in enumerate(groups_of_records()):  # each needs those before it
        with serving(folder) as server:
            record(server, folder / f"rules-{number}.yml", group)
    with serving(folder) as server:
        yield server, truth


@contextmanager
def serving(folder):
    """Run Prometheus with the blocks in a folder. It looks for new blocks when it starts."""
    path = folder / "prometheus.yml"
    path.write_text("{}")
    with running_prometheus(folder, path, "--storage.tsdb.retention.time=100y") as (server, _):
        server.until(lambda: server.now("agtop_tokens_total", END))
        yield server


def groups_of_records():
    files = [yaml.safe_load(path.read_text()) for path in RULES]
    groups = [group for file in files for group in file["groups"]]
    return [group for group in groups if any("record" in rule for rule in group["rules"])]


def record(server, path, group):
    """Write the recorded series of the last ten minutes into blocks of the server."""
    path.write_text(yaml.safe_dump({"groups": [{**group, "interval": "1m"}]}))
    given = [f"--start={END - 600:.0f}", f"--end={END + 1:.0f}", f"--url={server.address}"]
    given += ["--eval-interval=1m", f"--output-dir={path.parent / 'data'}"]
    command = [find_program("promtool"), "tsdb", "create-blocks-from", "rules", *given, path]
    subprocess.run(command, check=True, capture_output=True)


STATS = [
    (board["uid"], panel)
    for board in BOARDS
    for panel in panels_with_queries(board)
    if panel["type"] == "stat" and panel["title"] not in LEFT_OUT
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("uid", "panel"), STATS, ids=lambda x: x if isinstance(x, str) else x["title"]
)
def test_a_stat_is_true(server_and_truth, uid, panel):
    server, truth = server_and_truth
    names = ("agent", "model", "project", "session")
    values = {**LABELS, **dict.fromkeys(names, ".*")}
    # One second more than between two samples: Prometheus 3 excludes the start of a range.
    seconds = round(RANGES.get(panel.get("timeFrom"), END - BEGIN)) + 1
    expression = substituted(
        panel["targets"][0]["expr"], values, seconds=seconds, rate_seconds=SCRAPE_SECONDS + 1
    )
    ((_, found),) = server.now(expression, END)
    expected = truth[panel["title"]]
    if isinstance(expected, int | float):
        expected = pytest.approx(expected, rel=0.005)
    assert found == expected, uid


def test_no_stat_is_forgotten():
    titles = {p["title"] for b in BOARDS for p in panels_with_queries(b) if p["type"] == "stat"}
    assert set(LEFT_OUT) <= titles
