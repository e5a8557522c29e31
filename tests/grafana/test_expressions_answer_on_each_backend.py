"""Every expression of the dashboards, annotations and rules is answered by each backend.

The backends are the Prometheus of Debian, Prometheus 3 and VictoriaMetrics, with the same samples.
`TEST_AGTOP_PROMETHEUS3` is the path of a Prometheus 3; without it, that comparison is skipped.
"""

import os
import time

import pytest
from generator.boards import BOARDS, panels_with_queries
from programs import find_program
from prometheus_server import Prometheus, running_prometheus
from promql import substituted
from rule_files import rules
from snapshots import make_session, make_snapshot, make_totals
from stored_pages import StoredPages
from victoria_metrics import needs_victoria_metrics, victoria_metrics

from agtop_exporter.metrics import collect
from agtop_exporter.render import prometheus

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROMETHEUS_3 = os.environ.get("TEST_AGTOP_PROMETHEUS3")
LABELS = {"job": "agtop", "instance": "ada:10041"}
PAGES, STEP_SECONDS = 21, 30
NAMES = ("agent", "model", "project", "session")
VALUES = {**LABELS, **dict.fromkeys(NAMES, ".*")}


def expressions():
    """Return every expression once, with the variables of Grafana replaced."""
    asked = [
        target["expr"]
        for board in BOARDS
        for panel in panels_with_queries(board)
        for target in (*panel["targets"], *board["annotations"]["list"])
    ]
    asked += [rule["expr"] for rule in rules()]
    seconds = (PAGES - 1) * STEP_SECONDS
    return sorted({substituted(one, VALUES, seconds=seconds, rate_seconds=240) for one in asked})


@pytest.fixture(scope="module")
def end():
    """Return the time of the last sample."""
    return round(time.time()) - 120


@pytest.fixture(scope="module")
def stored(end):
    pages = StoredPages(**LABELS)
    for number in range(PAGES):
        at = end - (PAGES - 1 - number) * STEP_SECONDS
        totals = {series: value * (20 + number) // 20 for series, value in make_totals().items()}
        snapshot = make_snapshot(make_session(), totals=totals, generated_at=at)
        pages.keep(prometheus.text(collect(snapshot)).decode(), at)
    return pages


def answers(server, end):
    """Return the answer of a server to each expression: {labels: value}.

    The time is not that of a sample, because only the ranges of Prometheus 2 include their start.
    """
    return {
        one: {
            tuple(sorted((k, v) for k, v in labels.items() if k != "__name__")): value
            for labels, value in server.now(one, end + 1)
        }
        for one in expressions()
    }


def of_prometheus(folder, stored, end, program=None):
    stored.into_blocks(folder)
    path = folder / "prometheus.yml"
    path.write_text("{}")
    with running_prometheus(folder, path, program=program) as (server, _):
        server.until(lambda: server.now("up", end))
        return answers(server, end)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, stored, end):
    """Return the answers of the Prometheus on the path."""
    find_program("prometheus")
    found = of_prometheus(tmp_path_factory.mktemp("debian"), stored, end)
    assert sum(map(bool, found.values())) > len(found) / 2  # else the comparison says little
    return found


def differences(found, expected):
    return {
        one: (found[one], expected[one])
        for one in expected
        if found[one] != pytest.approx(expected[one], nan_ok=True)
    }


@pytest.mark.skipif(not PROMETHEUS_3, reason="no Prometheus 3 in TEST_AGTOP_PROMETHEUS3")
def test_prometheus_3_answers_alike(tmp_path, stored, end, expected):
    found = of_prometheus(tmp_path, stored, end, program=PROMETHEUS_3)
    assert differences(found, expected) == {}


@needs_victoria_metrics
def test_victoria_metrics_answers_each(tmp_path, stored, end, expected):
    """Its `increase()` counts a first value as new, so only the presence of answers is compared."""
    with victoria_metrics(tmp_path) as running:
        stored.into_victoria_metrics(running.address)
        running.query("up")  # makes the samples visible
        found = answers(Prometheus(running.address), end)
    unlike = {one for one in expected if bool(found[one]) != bool(expected[one])}
    assert unlike == set()
