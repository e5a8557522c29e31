"""A real receiver gives back the numbers that were pushed: VictoriaMetrics, where it is installed.

`AGTOP_TEST_VICTORIAMETRICS` names its program, else it is looked for on the path.
"""

import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from shutil import which

import pytest
from running import PATIENCE_SECONDS, daemon, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

PROGRAM = os.environ.get("AGTOP_TEST_VICTORIAMETRICS") or which("victoria-metrics")
pytestmark = pytest.mark.skipif(
    not PROGRAM, reason="no victoria-metrics on the path or in AGTOP_TEST_VICTORIAMETRICS"
)
FOREIGN = re.compile(r"host_|os_type|process_|service_|__name__|instance|job")


class VictoriaMetrics:
    """A running server with empty storage."""

    def __init__(self, directory):
        self.process = subprocess.Popen(
            [
                PROGRAM,
                "-httpListenAddr=127.0.0.1:0",
                f"-storageDataPath={directory}",
                "-opentelemetry.usePrometheusNaming",
                "-search.latencyOffset=0s",
                "-search.disableCache",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            if found := re.search(r"started server at http://127\.0\.0\.1:(\d+)/", line):
                self.address = f"http://127.0.0.1:{found[1]}"
                self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
                self.reader.start()  # a full pipe would stop it
                return
        raise AssertionError("it did not start")

    def query(self, expression):
        """Return {labels: value} of an instant query, without the resource's labels."""
        self._get("/internal/force_flush")
        query = urllib.parse.urlencode({"query": expression})
        result = json.loads(self._get(f"/api/v1/query?{query}"))["data"]["result"]
        return {
            (
                each["metric"].get("__name__", ""),
                tuple(sorted(p for p in each["metric"].items() if not FOREIGN.match(p[0]))),
            ): float(each["value"][1])
            for each in result
        }

    def until(self, expression, value):
        """Wait until a query has one result, and it is the value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        found = {}
        while time.monotonic() < deadline:
            found = self.query(expression)
            if list(found.values()) == [value]:
                return
        raise AssertionError(f"{expression} is {found}, not {value}")

    def _get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
            return response.read()


@contextmanager
def victoria_metrics(directory):
    running = VictoriaMetrics(directory)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        running.reader.join()
        running.process.stderr.close()


def test_it_gives_back_every_series_of_the_page_and_what_was_added(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(10)))
    with victoria_metrics(tmp_path / "storage") as backend:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{backend.address}/opentelemetry",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        with daemon(tmp_path, "--no-state", "--otlp", **variables) as running:
            backend.until("sum(agtop_tokens_total)", 10 * TOKENS_OF_A_TURN)
            with claude_file(tmp_path).open("a") as file:
                file.write(claude_turns(1, range(10, 15)))
            claude_file(tmp_path, 2).write_text(claude_answer(2, 0, model="claude-opus-4-5"))
            backend.until("sum(agtop_tokens_total)", 16 * TOKENS_OF_A_TURN)
            samples = running.until(
                lambda samples: total(samples, "agtop_tokens_total") == 16 * TOKENS_OF_A_TURN
            )
        pushed = alike(backend.query('{__name__=~"agtop_.*"}'))
        page = alike({key: value for key, value in samples.items() if "agtop_" in key[0]})
        assert set(pushed) == set(page)
        moving = re.compile(r"otlp|_timestamp|_duration|scan_|ledger|process|cpu|memory|disk")
        still = {key: value for key, value in page.items() if not moving.search(key[0])}
        assert len(still) > 30
        assert {key: pushed[key] for key in still} == pytest.approx(still)
        increase = backend.query("sum(increase_prometheus(agtop_tokens_total[1h]))")
        assert list(increase.values()) == [6 * TOKENS_OF_A_TURN]  # not the history before
        resets = backend.query('sum(resets({__name__=~"agtop_.*_total"}[1h]))')
        assert list(resets.values()) == [0]


def alike(samples):
    """Name series as both sides do: no empty labels, and a bucket's bound is 5 there, 5.0 here."""
    return {
        (
            name,
            tuple(
                (label, str(float(text)) if label == "le" else text)
                for label, text in labels
                if text
            ),
        ): value
        for (name, labels), value in samples.items()
    }
