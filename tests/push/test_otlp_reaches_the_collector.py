"""An OpenTelemetry Collector accepts every kind of push, and returns the same numbers.

`TEST_AGTOP_COLLECTOR` is the path of its program (`.ci/collector/build` makes it). By default,
`otelcol-contrib` is searched on the path.
"""

import os
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from shutil import which

import pytest
import yaml
from otlp_backends import ADDED, BEFORE, assert_equal_views, page_after_work, pushing, work
from prometheus_server import free_port, running_prometheus
from rule_files import ROOT
from running import PATIENCE_SECONDS, samples_of, total

PROGRAM = os.environ.get("TEST_AGTOP_COLLECTOR") or which("otelcol-contrib")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not PROGRAM, reason="no otelcol-contrib on the path or in TEST_AGTOP_COLLECTOR"
    ),
]
DEPLOYED = ROOT / "deploy" / "collector" / "config.yaml"
SILENT = {"telemetry": {"metrics": {"level": "none"}}}  # it would listen at a port of its own


@contextmanager
def collector(*configurations):
    """Run a Collector. Configurations are dicts or files, and later ones take precedence."""
    flags = [
        f"--config=yaml:{yaml.safe_dump(one, default_flow_style=True)}"
        if isinstance(one, dict)
        else f"--config={one}"
        for one in (*configurations, {"service": SILENT})
    ]
    process = subprocess.Popen([PROGRAM, *flags], stderr=subprocess.PIPE, text=True)
    said = []
    for line in process.stderr:
        said.append(line)
        if "Everything is ready" in line:
            break
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()  # a full pipe would stop it
    try:
        assert process.poll() is None, "".join(said)
        yield
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


class Counting:
    """A Collector that sums deltas and serves the result as a page."""

    def __init__(self):
        self.ports = {name: free_port() for name in ("http", "grpc", "page")}
        protocols = {n: {"endpoint": f"127.0.0.1:{self.ports[n]}"} for n in ("http", "grpc")}
        self.configuration = {
            "receivers": {"otlp": {"protocols": protocols}},
            "processors": {"deltatocumulative": {}},
            "exporters": {"prometheus": {"endpoint": f"127.0.0.1:{self.ports['page']}"}},
            "service": {
                "pipelines": {
                    "metrics": {
                        "receivers": ["otlp"],
                        "processors": ["deltatocumulative"],
                        "exporters": ["prometheus"],
                    }
                }
            },
        }

    def endpoint(self, protocol):
        """Return the endpoint for a protocol."""
        return f"http://127.0.0.1:{self.ports['grpc' if protocol == 'grpc' else 'http']}"

    def samples(self):
        """Return {(name, labels): value} of its page."""
        address = f"http://127.0.0.1:{self.ports['page']}/metrics"
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as response:
            return samples_of(response.read().decode())

    def until_tokens(self, count):
        """Wait for a number of tokens; return the samples."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            samples = self.samples()
            if total(samples, "agtop_tokens_total") == count:
                return samples
            time.sleep(0.05)
        raise AssertionError(f"it has {total(samples, 'agtop_tokens_total')}, not {count}")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_it_gives_back_what_was_pushed(tmp_path, protocol, temporality):
    backend = Counting()
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
    }
    endpoint = backend.endpoint(protocol)
    before = BEFORE if temporality == "cumulative" else 0  # deltas are of what comes
    with collector(backend.configuration), pushing(tmp_path, endpoint, **variables) as running:
        running.until(lambda samples: total(samples, "agtop_otlp_exports_total") > 1)
        backend.until_tokens(before)
        work(tmp_path)
        backend.until_tokens(before + ADDED)
        page = page_after_work(running)
        # The Collector may serve its page while it takes in a push, so a later push must be in it.
        pushes = total(page, "agtop_otlp_exports_total")
        running.until(lambda samples: total(samples, "agtop_otlp_exports_total") > pushes)
        found = backend.samples()
    if temporality == "delta":  # what was counted before is on the page only
        found, page = gauges(found), gauges(page)
    assert_equal_views(found, page)


def gauges(samples):
    counted = ("_total", "_bucket", "_sum", "_count")
    return {key: value for key, value in samples.items() if not key[0].endswith(counted)}


def test_the_deployed_configuration_is_valid():
    done = subprocess.run(
        [PROGRAM, "validate", f"--config={DEPLOYED}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_would_say_what_is_wrong(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(DEPLOYED.read_text().replace("limit_percentage", "limit_percents"))
    done = subprocess.run(
        [PROGRAM, "validate", f"--config={path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "limit_percents" in done.stderr


def test_the_deployed_configuration_hands_over_all_but_sessions(tmp_path):
    """The deployed file is used, with other addresses, to write to a Prometheus."""
    port = free_port()
    (tmp_path / "prometheus").mkdir()
    empty = tmp_path / "prometheus" / "prometheus.yml"
    empty.write_text("{}")
    flag = "--web.enable-remote-write-receiver"
    with running_prometheus(empty.parent, empty, flag) as (server, _):
        here = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {
                "prometheusremotewrite": {
                    "endpoint": f"{server.address}/api/v1/write",
                    "tls": {"insecure": True},
                }
            },
        }
        with (
            collector(DEPLOYED, here),
            pushing(tmp_path, f"http://127.0.0.1:{port}") as running,
        ):
            server.until(lambda: server.now("sum(agtop_tokens_total)") == [({}, BEFORE)])
            work(tmp_path)
            page = page_after_work(running)
            server.until(lambda: server.now("sum(agtop_tokens_total)") == [({}, BEFORE + ADDED)])
            found = {
                (labels["__name__"], tuple(sorted(labels.items()))): value
                for labels, value in server.now('{__name__=~"agtop_.+"}')
            }
            jobs = server.get("label/job/values")
    without = {key: value for key, value in page.items() if "agtop_session_" not in key[0]}
    assert len(without) < len(page)
    assert_equal_views(found, without)
    assert jobs == ["agtop-exporter"]
