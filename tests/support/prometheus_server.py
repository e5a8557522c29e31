"""Runs Debian's Prometheus with the project's rules, and queries it over HTTP."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http import HTTPStatus

import yaml
from places import ROOT
from programs import find_program

CONFIGURATION = ROOT / "deploy" / "prometheus" / "prometheus.yml"
PATIENCE_SECONDS = 30  # a bound for failures, not a wait


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Prometheus:
    """A running server."""

    def __init__(self, address, log=None):
        self.address = address
        self.log = log

    def get(self, path, **parameters):
        """Return the data of an answer of the HTTP API."""
        text = urllib.parse.urlencode(parameters)
        url = f"{self.address}/api/v1/{path}?{text}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - ours
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                raise  # it still reads its storage; `until` tries again
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def now(self, expression, at=None):
        """Return [(labels, value)] of an instant query."""
        given = {"query": expression} | ({"time": f"{at:.3f}"} if at else {})
        data = self.get("query", **given)
        result = data["result"]
        if data["resultType"] == "scalar":
            return [({}, float(result[1]))]
        return [(item["metric"], float(item["value"][1])) for item in result]

    def samples(self, selector, at=None):
        """Return {labels: [(time, value)]} of a range vector."""
        given = {"query": selector} | ({"time": f"{at:.3f}"} if at else {})
        return [
            (item["metric"], [(t, float(v)) for t, v in item["values"]])
            for item in self.get("query", **given)["result"]
        ]

    def over(self, expression, *, start, end, step):
        """Return [(labels, [(time, value)])] of a range query."""
        found = self.get("query_range", query=expression, start=start, end=end, step=step)
        return [
            (item["metric"], [(t, float(v)) for t, v in item["values"]]) for item in found["result"]
        ]

    def until(self, condition, told=lambda: ""):
        """Query until a condition holds; return the result. `told` describes a failure."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except OSError:
                pass  # it has not begun to listen
            time.sleep(0.1)
        raise AssertionError(f"it never came true: {told()} {self.log.read_text()[-500:]}")


def configuration(folder, target, *, scrape="500ms", evaluate="1s"):
    """Write the deployed configuration with a short scrape interval; return its path."""
    given = yaml.safe_load(CONFIGURATION.read_text())
    given["global"] |= {
        "scrape_interval": scrape,
        "scrape_timeout": scrape,
        "evaluation_interval": evaluate,
    }
    for job in given["scrape_configs"]:
        job.pop("scrape_interval", None)
        job["static_configs"] = [{"targets": [target]}]
    for path in sorted((CONFIGURATION.parent / "rules").glob("*.yml")):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / path.name).write_text(yaml.safe_dump(rules))
    given["rule_files"] = [str(folder / "agtop-*.yml")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(given))
    return path


@contextmanager
def running_prometheus(folder, path, *flags, program=None):
    """Run Prometheus with a configuration; yield a client and the process.

    `program` is the path of another Prometheus than the one on the path.
    """
    port = free_port()
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                program or find_program("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                *flags,
            ],
            stdout=output,
            stderr=output,
        )
        try:
            yield Prometheus(f"http://127.0.0.1:{port}", log), process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def prometheus(folder, target, **pulse):
    """Run Prometheus with one target."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_prometheus(folder, configuration(folder, target, **pulse)) as (server, _):
        yield server
