"""Measure one Prometheus that scrapes many machines: series, memory, CPU and query times.

    PYTHONPATH=tests/support:grafana python tests/bench/fleet.py [--hosts 500] [--seconds 180]
        [--scrape 15] [--open 600]

One process serves the pages of all machines. Each page comes from the exporter's renderer and has
three agents, eight models, twelve projects, thirty tools, three live sessions and growing figures.
With `--open`, Prometheus runs for some more seconds after the measurement, so that the dashboards
can be looked at; it answers pages of any origin.
"""

import argparse
import gzip
import json
import math
import statistics
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import psutil
import yaml
from generator.boards import BOARDS, panels_with_queries
from prometheus_client.parser import text_string_to_metric_families
from prometheus_server import ROOT, Prometheus, free_port, running_prometheus
from promql import substituted
from snapshots import make_agent, make_gauges, make_session, make_snapshot, make_totals

from agtop_exporter.metrics import collect
from agtop_exporter.model import TOKEN_TYPES
from agtop_exporter.render import prometheus

AGENTS = {
    "claude": ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5"),
    "codex": ("gpt-5-codex", "gpt-5.2-codex", "gpt-5.1-codex-mini"),
    "gemini": ("gemini-3-pro", "gemini-3-flash"),
}
PROJECTS, TOOLS, LIVE_SESSIONS = 12, 30, 3


def totals_of(growth, host):
    """Return the totals of one machine after `growth` seconds of activity."""
    totals, busy = {}, 1 + host % 7
    for agent, models in AGENTS.items():
        totals |= {series: value for series, value in make_totals(agent).items() if len(series) < 3}
        for share, model in enumerate(reversed(models), start=1):
            work = share * busy * growth
            for power, kind in enumerate(TOKEN_TYPES):
                often = 20 if kind == "cache_read" else 2
                totals["tokens", agent, model, kind] = 3 * often * work
                totals["cost", agent, model, kind, "estimated"] = (7 + power) * 1_301_000 * work
            totals["requests", agent, model] = growth // 3
            totals["unpriced_tokens", agent, model] = 0
            totals["reasoning_tokens", agent, model] = work
        for number in range(TOOLS // len(AGENTS)):
            totals["tool_calls", agent, f"Tool{number}"] = growth // (number + 2)
        for number in range(PROJECTS // len(AGENTS)):
            part = (7 + number) * busy * growth
            totals["project_tokens", agent, f"project-{number}"] = 10 * part
            totals["project_cost", agent, f"project-{number}"] = 2_003_000 * part
    return totals


def page(host, seconds):
    """Return the page of a machine."""
    sessions = [
        make_session(session_id=f"{host:08x}-0000-4000-8000-{number:012x}")
        for number in range(LIVE_SESSIONS)
    ]
    snapshot = make_snapshot(*sessions, totals=totals_of(int(seconds) + host, host))
    agents = tuple(make_agent(agent=name) for name in AGENTS)
    snapshot = msgspec.structs.replace(
        snapshot, agents=agents, gauges=make_gauges(), generated_at=time.time()
    )
    return prometheus.text(collect(snapshot))


class Handler(BaseHTTPRequestHandler):
    """Answers requests for /HOST."""

    protocol_version = "HTTP/1.1"
    began = time.monotonic()

    def do_GET(self):
        """Send the page of one machine, compressed as the exporter does."""
        body = gzip.compress(page(int(self.path[1:]), time.monotonic() - self.began), 6)
        self.send_response(200)
        self.send_header("Content-Type", prometheus.TEXT_CONTENT_TYPE)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


def configuration(folder, port, *, hosts, scrape):
    """Write the configuration `fleet.yml` with the simulated machines as targets."""
    given = yaml.safe_load((ROOT / "deploy" / "prometheus" / "fleet.yml").read_text())
    given["global"] |= {"scrape_interval": f"{scrape}s", "evaluation_interval": f"{scrape}s"}
    given["rule_files"] = [str(ROOT / "deploy" / "prometheus" / "rules" / "agtop-*.yml")]
    job = given["scrape_configs"][0]
    del job["file_sd_configs"]
    job["static_configs"] = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"__metrics_path__": f"/{host}", "instance": f"host-{host:05d}"},
        }
        for host in range(hosts)
    ]
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(given))  # JSON is YAML
    return path


def own_figures(server):
    """Return the metrics of Prometheus itself, summed over labels."""
    figures = Counter()
    with urllib.request.urlopen(f"{server.address}/metrics") as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                if not math.isnan(sample.value):
                    figures[sample.name] += sample.value
    return figures


def report(server: Prometheus, process, options):
    """Print the figures."""
    used = process.cpu_times()
    seconds = options.seconds
    own = own_figures(server)
    own = {
        "machines up": server.now('sum(up{job="agtop"})')[0][1],
        "samples of a page": server.now("max(scrape_samples_scraped)")[0][1],
        "series kept of a machine": server.now("max(scrape_samples_post_metric_relabeling)")[0][1],
        "series in the head": own["prometheus_tsdb_head_series"],
        "samples per second": own["prometheus_tsdb_head_samples_appended_total"] / seconds,
        "all rules, s": own["prometheus_rule_group_last_duration_seconds"],
    }
    for name, value in own.items():
        print(f"{name:28} {value:12.2f}")
    cores = (used.user + used.system) / seconds
    print(f"{'Prometheus, cores':28} {cores:12.3f}")
    print(f"{'Prometheus, resident MB':28} {process.memory_info().rss / 1e6:12.1f}")
    values = {
        "job": "agtop",
        "instance": ".+",
        **dict.fromkeys(("agent", "model", "project"), ".*"),
    }
    for board in BOARDS:
        times, end = [], time.time()
        for panel in panels_with_queries(board):
            for target in panel["targets"]:
                expression = substituted(
                    target["expr"], values | {"session": ".*"}, seconds=seconds, rate_seconds=60
                )
                began = time.monotonic()
                if target["instant"]:
                    server.now(expression, end)
                else:
                    server.over(expression, start=end - seconds, end=end, step="15s")
                times.append(time.monotonic() - began)
        whole = f"all {sum(times) * 1000:7.0f} ms, median {statistics.median(times) * 1000:5.1f}"
        print(f"{board['uid']:28} {whole}, slowest {max(times) * 1000:6.1f}")


def main():
    """Run the simulated machines, and measure Prometheus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--scrape", type=int, default=15)
    parser.add_argument("--open", type=int, default=0, metavar="SECONDS")
    options = parser.parse_args()
    one = page(0, 100_000)
    lines = [line for line in one.decode().splitlines() if not line.startswith("#")]
    sessions = sum(line.startswith("agtop_session_") for line in lines)
    print(
        f"page: {len(lines)} series, {sessions} of them of sessions, {len(one)} bytes, "
        f"{len(gzip.compress(one, 6))} compressed"
    )
    port = free_port()
    web = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = configuration(folder, port, hosts=options.hosts, scrape=options.scrape)
        with running_prometheus(folder, path, "--web.cors.origin=.*") as (server, process):
            time.sleep(options.seconds)
            report(server, psutil.Process(process.pid), options)
            size = sum(p.stat().st_size for p in (folder / "data").rglob("*") if p.is_file())
            print(f"{'on disk, MB (WAL)':28} {size / 1e6:12.1f}")
            print(f"{'address':28} {server.address}", flush=True)
            time.sleep(options.open)
    web.shutdown()


main()
