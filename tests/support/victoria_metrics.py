"""Runs VictoriaMetrics, and queries it over HTTP.

`TEST_AGTOP_VICTORIAMETRICS` is the path of its program. By default, it is searched on the path.
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
from running import PATIENCE_SECONDS

PROGRAM = os.environ.get("TEST_AGTOP_VICTORIAMETRICS") or which("victoria-metrics")
needs_victoria_metrics = pytest.mark.skipif(
    not PROGRAM, reason="no victoria-metrics on the path or in TEST_AGTOP_VICTORIAMETRICS"
)


class VictoriaMetrics:
    """A running server with empty storage."""

    def __init__(self, directory, flags):
        self.process = subprocess.Popen(
            [
                PROGRAM,
                "-httpListenAddr=127.0.0.1:0",
                f"-storageDataPath={directory}",
                "-opentelemetry.usePrometheusNaming",
                "-search.latencyOffset=0s",
                "-search.disableCache",
                *flags,
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
        """Return {(name, labels): value} of an instant query."""
        self._get("/internal/force_flush")
        query = urllib.parse.urlencode({"query": expression})
        result = json.loads(self._get(f"/api/v1/query?{query}"))["data"]["result"]
        return {
            (
                each["metric"].get("__name__", ""),
                tuple(sorted(each["metric"].items())),
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
def victoria_metrics(directory, *flags):
    running = VictoriaMetrics(directory, flags)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        running.reader.join()
        running.process.stderr.close()
