"""Provisioning, the compose stack and the scrape configurations name the same things.

A `timeInterval` below the scrape interval leaves every panel with a rate empty.
"""

import re
from pathlib import Path

import pytest
import yaml
from places import ROOT
from prometheus_server import Prometheus, free_port, running_prometheus
from running import daemon
from small_homes import claude_file, claude_turns

STACK = ROOT / "deploy" / "docker" / "stack"
PROVISIONING = ROOT / "grafana" / "provisioning"


def read(path):
    return yaml.safe_load(path.read_text())


def source(path):
    (found,) = read(path)["datasources"]
    return found


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_the_data_source_waits_as_long_as_the_slowest_example():
    files = (ROOT / "deploy" / "prometheus").glob("*.yml")
    given = [read(path).get("global") for path in files]
    scrapes = [seconds(one["scrape_interval"]) for one in given if one]
    pods = read(ROOT / "deploy" / "kubernetes" / "podmonitor.yml")["spec"]["podMetricsEndpoints"]
    scrapes += [seconds(one["interval"]) for one in pods]
    ours = source(PROVISIONING / "datasources" / "agtop.yml")
    assert len(scrapes) > 3
    assert seconds(ours["jsonData"]["timeInterval"]) == max(scrapes)
    assert ours["isDefault"] is False  # Grafana does not start with two


def test_the_data_source_of_the_stack_waits_as_long_as_its_prometheus():
    scrape = read(STACK / "prometheus.yml")["global"]["scrape_interval"]
    assert source(STACK / "datasource.yml")["jsonData"]["timeInterval"] == scrape


@pytest.mark.slow
def test_the_managed_alerts_ask_the_provisioned_data_source():
    groups = read(PROVISIONING / "alerting" / "agtop.yml")["groups"]
    asked = {query["datasourceUid"] for g in groups for r in g["rules"] for query in r["data"]}
    for path in (PROVISIONING / "datasources" / "agtop.yml", STACK / "datasource.yml"):
        assert asked == {source(path)["uid"], "__expr__"}


def test_the_stack_mounts_what_exists_where_it_is_read():
    services = read(STACK / "compose.yml")["services"]
    mounts = {}
    for service in services.values():
        for mount in service["volumes"]:
            origin, target = mount.split(":")[:2]
            if origin.startswith("."):
                assert (STACK / origin).exists(), mount
                mounts[target] = (STACK / origin).resolve()
    (provider,) = read(PROVISIONING / "dashboards" / "agtop.yml")["providers"]
    boards = mounts[provider["options"]["path"]]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (boards / Path(home).name).is_file()
    assert Path(home).parent == Path(provider["options"]["path"])
    exporter = read(STACK / "prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    included = read(STACK / read(STACK / "compose.yml")["include"][0])["services"]
    assert [target.partition(":")[0] for target in exporter] == list(included)
    assert source(STACK / "datasource.yml")["url"] == "http://prometheus:9090"


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.long
def test_the_prometheus_of_the_stack_scrapes_the_exporter_and_has_the_rules(tmp_path):
    """Without containers: the same files, with the addresses of loopback."""
    home, port = tmp_path / "home", free_port()
    claude_file(home, 1).write_text(claude_turns(1, range(3)))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    text = (STACK / "prometheus.yml").read_text()
    assert "agtop-exporter:10041" in text
    text = text.replace("agtop-exporter:10041", f"127.0.0.1:{port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules").symlink_to(ROOT / "deploy" / "prometheus" / "rules")
    with (
        daemon(home, "--listen-address", f"127.0.0.1:{port}", "--no-state"),
        running_prometheus(folder, folder / "prometheus.yml") as (server, _),
    ):
        server.until(lambda: server.now('agtop_agent_up{job="agtop", agent="claude"} == 1'))
        assert healthy_rules(server) > 30


def healthy_rules(server: Prometheus):
    groups = server.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    return len(rules)
