"""In a real Prometheus, blocks of a backfill and the scraped samples are one history."""

import re
import shutil
import subprocess
import time
from contextlib import closing

import msgspec
import pytest
from programs import find_program
from prometheus_server import configuration, running_prometheus
from running import daemon, run, samples_of, total
from small_homes import claude_file
from usage_before import DAY, MODELS, append_usage, write_usage

from agtop_exporter.backfill import FIRST_SCRAPE, first_scrape
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import PICODOLLARS_PER_USD

pytestmark = pytest.mark.integration

WINDOW = "30d"
WINDOW_SECONDS = 30 * DAY
NEAR = 0.005
BACKFILLED = (
    '{__name__=~"agtop_(tokens|cost_usd|requests|project_tokens|project_cost_usd|unpriced_tokens)'
    '_total"}'
)


def backfilled(folder, home, *arguments):
    """Run the backfill and its script; return (written samples, stored samples)."""
    out = folder / "out"
    done = run("agtop-exporter", "backfill", "--output", out, *arguments, home=home)
    written = int(re.search(r"([\d,]+) samples", done.stdout)[1].replace(",", ""))
    log = subprocess.run(
        ["sh", "-e"], input=done.stdout, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in log.stdout.splitlines() if not line.startswith("BLOCK")]
    return written, sum(int(row[-4]) for row in rows)


def values(found):
    return {tuple(sorted(labels.items())): value for labels, value in found}


@pytest.mark.long
def test_increase_over_blocks_and_live_samples_is_the_usage(tmp_path):
    find_program("promtool")
    find_program("prometheus")
    home, state = tmp_path / "home", tmp_path / "state"
    used = write_usage(home)
    with daemon(home, "--state-dir", state) as running:
        running.until_ready()
        running.until(lambda samples: total(samples, "agtop_tokens_total") == sum(used.values()))
        target = f"127.0.0.1:{running.port}"
        labels = ("--label", "job=agtop", "--label", f"instance={target}")
        written, stored = backfilled(tmp_path, home, "--state-dir", state, *labels)
        assert written == stored > 100_000
        prometheus = tmp_path / "prometheus"
        prometheus.mkdir()
        shutil.move(tmp_path / "out" / "blocks", prometheus / "data")
        flags = ("--storage.tsdb.retention.time=1y",)
        with running_prometheus(prometheus, configuration(prometheus, target), *flags) as (
            server,
            _,
        ):
            server.until(lambda: server.now("min(count_over_time(agtop_tokens_total[10s])) >= 3"))
            added = append_usage(home)
            everything = sum(used.values()) + added
            server.until(lambda: server.now(f"sum(agtop_tokens_total) == {everything}"))
            at = time.time()
            tokens = values(
                server.now(f"sum by (model) (increase(agtop_tokens_total[{WINDOW}]))", at)
            )
            dollars = server.now(f"sum(increase(agtop_cost_usd_total[{WINDOW}]))", at)[0][1]
            by_project = server.now(f"sum(increase(agtop_project_cost_usd_total[{WINDOW}]))", at)
            history = server.samples(f"{BACKFILLED}[60d]", at)
            all_time = server.now("sum(increase(agtop_tokens_total[60d]))", at)[0][1]
            past = server.now("sum(agtop_tokens_total)", at - 32 * DAY)[0][1]
    recent = {
        model: sum(n for (name, age), n in used.items() if name == model and age < 30)
        for model in MODELS
    }
    recent[MODELS[0]] += added
    assert tokens == pytest.approx(
        {(("model", model),): figure for model, figure in recent.items()}, rel=NEAR
    )
    assert all_time == pytest.approx(everything, rel=NEAR)
    assert past == used[MODELS[0], 33]
    for labels, samples in history:
        figures = [figure for _, figure in samples]
        assert figures == sorted(figures), labels
    with closing(Ledger(state, read_only=True)) as ledger:
        hours = ledger.usage_between(int(at - WINDOW_SECONDS) // 3600)
    cost = sum(one.usage.cost for one in hours) / PICODOLLARS_PER_USD
    assert dollars == pytest.approx(cost, rel=NEAR)
    assert by_project[0][1] == pytest.approx(cost, rel=NEAR)


@pytest.mark.long
def test_samples_end_before_the_first_scrape(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    write_usage(home)
    with daemon(home, "--state-dir", state) as running:
        running.until_ready()
        page = scrape(running)
        running.until(lambda _: scrape_of(state))
    noted = scrape_of(state)
    assert time.time() - 60 < noted.time <= time.time()
    scraped = sum(value for series, value in noted.totals if series[0] == "tokens")
    assert scraped == total(page, "agtop_tokens_total")
    earlier = msgspec.structs.replace(noted, time=noted.time - 2 * DAY)
    store(state, earlier)
    out = tmp_path / "out"
    run("agtop-exporter", "backfill", "--output", out, "--state-dir", state, home=home)
    assert last_time(out) == earlier.time // 3600 * 3600


@pytest.mark.long
def test_usage_that_is_found_after_the_first_scrape_is_no_reset(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    used = write_usage(home)
    with daemon(home, "--state-dir", state) as running:
        running.until_ready()
        before = scrape(running)
        running.until(lambda _: scrape_of(state))
        (tmp_path / "more").mkdir()
        write_usage(tmp_path / "more", time.time() - 3 * 3600)
        for path in (tmp_path / "more").rglob(
            "*.jsonl"
        ):  # as an agent that is copied from elsewhere
            text = path.read_text().replace("req-", "other-req-").replace("msg-", "other-msg-")
            claude_file(home, int(path.stem[-1]) + 5).write_text(text)
        running.until(
            lambda samples: total(samples, "agtop_tokens_total") == 2 * sum(used.values())
        )
    out = tmp_path / "out"
    run("agtop-exporter", "backfill", "--output", out, "--state-dir", state, home=home)
    ends = ends_of(out)
    assert len(ends) > 10
    assert all(value <= before[series] for series, value in ends.items())


def scrape(running):
    """Scrape as Prometheus does, and return {(name, labels): value}."""
    return samples_of(running.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "10"})[1])


def scrape_of(state):
    with closing(Ledger(state, read_only=True)) as ledger:
        return first_scrape(ledger)


def store(state, noted):
    with closing(Ledger(state)) as ledger:
        ledger.remember(FIRST_SCRAPE, msgspec.json.encode(noted))
        ledger.commit()


def ends_of(out):
    """Return {(name, labels): last value} of a directory with files."""
    return samples_of(
        "\n".join(
            line.rpartition(" ")[0]
            for line in max(out.iterdir()).read_text().splitlines()
            if not line.startswith("#")
        )
    )


def last_time(out):
    lines = max(out.iterdir()).read_text().splitlines()
    return max(int(line.rpartition(" ")[2]) for line in lines if not line.startswith("#"))
