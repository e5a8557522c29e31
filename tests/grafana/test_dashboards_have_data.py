"""A real Prometheus scrapes a daemon with generated activity: every panel and rule has data.

During the run, the daemon is restarted, files are damaged, emptied and deleted, and new models
appear. `increase()` over the run must equal the written tokens exactly.
"""

import itertools
import math
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
from generator.boards import BOARDS, panels_with_queries
from living_home import LivingHome, begin, live, now
from programs import find_program
from prometheus_server import free_port, prometheus
from promql import substituted
from running import daemon

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="the processes are found by /proc"),
]

TURNS = 6  # of each of three parts, a second each
IN_STEPS = "five minutes a step; test_stats_equal_the_truth has hours of data"
WITHOUT_DATA = {
    ("agtop-processes", "Not readable", "A"): "every process can be read here",
    ("agtop-processes", "Unreadable processes by reason", "A"): "every process can be read here",
    ("agtop-exporter", "Refresh errors by stage", "A"): "no refresh fails here",
    ("agtop-cost", "Price corrections", "A"): "no price changes here",
    ("agtop-limits", "Cost by user", "A"): "all files belong to one user",
    ("agtop-limits", "Tokens by user", "A"): "all files belong to one user",
    ("agtop-limits", "Sessions by user", "A"): "all files belong to one user",
    ("agtop-cost", "Projected for this month", "A"): IN_STEPS,
    ("agtop-cost", "Cost of this month", "A"): IN_STEPS,
    ("agtop-cost", "Cost of this month", "B"): IN_STEPS,
}


def tokens_in(server, at=None):
    """Return the token counters that Prometheus has."""
    found = server.now("agtop_tokens_total", at)
    return {
        (labels["agent"], labels["model"], labels["token_type"]): value
        for labels, value in found
        if value
    }


def seconds_of(writes, wait):
    """Call a function with 0, 1, 2..., once per second."""
    for turn in range(TURNS):
        writes(turn)
        wait()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the activity; return the server, the home, and the times of the first and last sample."""
    find_program("prometheus")
    folder = tmp_path_factory.mktemp("living")
    port = free_port()
    address = f"127.0.0.1:{port}"
    flags = ("--listen-address", address, "--state-dir", folder / "state", "--otlp")
    push = {  # no receiver listens there, so pushes fail
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "AGTOP_BUDGETS": '[{"usd": 1000, "period": "day"}, {"usd": 9000, "period": "month"}]',
    }
    with LivingHome(folder / "home") as home, prometheus(folder / "p", address) as server:
        begin(home)
        push["AGTOP_PROCFS"] = str(home.proc)

        def has_all():
            return tokens_in(server) == dict(home.written)

        def missing():
            return Counter(home.written) - Counter(tokens_in(server))

        def scrape():
            """Wait for two scrapes that start after this call."""
            seen = server.now("count_over_time(up[1h])")[0][1]
            server.until(lambda: server.now("count_over_time(up[1h])")[0][1] >= seen + 2)

        with daemon(home.home, *flags, interval=0.2, **push):
            server.until(has_all, missing)
            before = Counter(home.written)
            (_, first) = server.samples('up{job="agtop"}[1s]')[0]
            start = first[-1][0]
            seconds_of(lambda turn: live(home, turn), scrape)
            home.answer(1, "shop", model="born-while-running")
            home.compact(1, "shop")
            home.register(home.waiting.pid, 2, "busy")
            home.spoil(3, "site")
            server.until(has_all, missing)
        home.delete(3, "site")  # all of it was counted
        live(home, 1)
        home.answer(4, "shop", model="born-while-stopped")
        with daemon(home.home, *flags, interval=0.2, **push):
            seconds_of(lambda turn: live(home, turn + TURNS), scrape)
            home.register(home.waiting.pid, 2, "waiting")
            home.truncate(2, "engine")
            home.answer(5, "shop", model="born-after-a-restart")
            seconds_of(lambda turn: live(home, turn + 2 * TURNS), scrape)
            server.until(has_all, missing)
            end = server.samples("agtop_snapshot_timestamp_seconds[5s]")[0][1][-1][0]
            yield SimpleNamespace(
                server=server,
                address=address,
                written=dict(home.written - before),
                start=start,
                end=end,
                began_at=now(),
            )


@pytest.mark.long
def test_increase_is_what_was_written(run):
    """The range begins 1 ms before a sample and ends at one, so `increase()` hardly extrapolates.

    Prometheus 3 excludes the start of a range.
    """
    milliseconds = round((run.end - run.start) * 1000) + 1
    grown = run.server.now(f"increase(agtop_tokens_total[{milliseconds}ms])", run.end)
    found = {
        (labels["agent"], labels["model"], labels["token_type"]): value
        for labels, value in grown
        if value
    }
    assert found == pytest.approx(run.written, rel=1e-3)


def test_no_counter_ever_fell(run):
    for name in ("agtop_tokens_total", "agtop_cost_usd_total", "agtop_requests_total"):
        for labels, samples in run.server.samples(f"{name}[10m]"):
            values = [value for _, value in samples]
            assert all(a <= b for a, b in itertools.pairwise(values)), (labels, values)


def has_data(found):
    values = [
        v
        for _, value in found
        for v in ([value] if isinstance(value, float) else [number for _, number in value])
    ]
    return any(not math.isnan(value) for value in values)


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_every_panel_has_data(run, board):
    names = ("agent", "model", "project", "session")
    values = {"job": "agtop", "instance": run.address, **dict.fromkeys(names, ".*")}
    end = run.end - 0.1  # Prometheus 3 excludes the start of a range; a sample must follow it
    empty = []
    for panel in panels_with_queries(board):
        for target in panel["targets"]:
            expression = substituted(target["expr"], values, seconds=60)
            found = (
                run.server.now(expression, end)
                if target["instant"]
                else run.server.over(expression, start=run.start, end=end, step="1s")
            )
            if not has_data(found):
                empty.append((board["uid"], panel["title"], target["refId"]))
    assert set(empty) - set(WITHOUT_DATA) == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_every_variable_has_values(run, board):
    for item in board["templating"]["list"]:
        if item["type"] == "query":
            inside = item["query"].removeprefix("label_values(").removesuffix(")")
            selector, label = inside.rsplit(", ", 1)
            values = {"job": "agtop", "instance": run.address, "agent": ".*"}
            given = {"match[]": substituted(selector, values)}
            assert run.server.get(f"label/{label}/values", **given), item["name"]


def test_every_rule_is_evaluated(run):
    groups = run.server.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 20
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


def test_every_record_has_data(run):
    names = [
        rule["name"]
        for group in run.server.get("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "recording"
    ]
    assert names
    assert [name for name in names if not has_data(run.server.now(name))] == []


@pytest.mark.slow
def test_alerts_that_are_due_are_pending_and_no_others(run):
    states = {
        rule["name"]: rule["state"]
        for group in run.server.get("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "alerting"
    }
    due = {name for name, state in states.items() if state != "inactive"}
    assert due == {
        "AgtopDuplicateProcess",
        "AgtopOrphanProcess",
        "AgtopOtlpPushFailing",
        "AgtopParseErrors",
        "AgtopSessionWaitingForInput",
        "AgtopUnpricedModel",
    }
