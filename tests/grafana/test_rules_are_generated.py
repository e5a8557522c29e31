"""The files of rules equal the output of `python grafana/generate.py`, in every format."""

import json
import subprocess
import sys

import pytest
import yaml
from generator import rules
from places import ROOT
from rule_files import alerts, records

FILES = rules.files()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_as_generated(path, golden):
    golden(ROOT / path, FILES[path])


@pytest.mark.slow
def test_every_value_is_used():
    text = rules.SOURCE.read_text()
    assert all(f"${{{name}}}" in text for name in rules.values_of())
    assert not any("${" in FILES[path] for path in FILES if path != rules.MIXIN)


@pytest.mark.slow
def test_kubernetes_has_the_rules_of_prometheus():
    groups = yaml.safe_load(FILES[rules.KUBERNETES])["spec"]["groups"]
    found = {rule.get("alert", rule.get("record")): rule for g in groups for rule in g["rules"]}
    assert found == alerts() | records()


@pytest.mark.long
def test_grafana_has_the_alerts_of_prometheus():
    groups = yaml.safe_load(FILES[rules.GRAFANA])["groups"]
    found = {rule["title"]: rule for group in groups for rule in group["rules"]}
    assert found.keys() == alerts().keys()
    assert len({rule["uid"] for rule in found.values()}) == len(found)
    for name, rule in found.items():
        assert rule["data"][0]["model"]["expr"] == alerts()[name]["expr"]
        assert rule["labels"] == alerts()[name]["labels"]
        assert rule["for"] == alerts()[name].get("for", "0s")
        assert "$value " not in str(rule["annotations"])


@pytest.mark.long
def test_the_mixin_has_the_rules_of_prometheus():
    jsonnet = pytest.importorskip("_jsonnet", reason="the package jsonnet is not installed")
    mixin = json.dumps(str(ROOT / rules.MIXIN))
    whole = f"(import {mixin})"
    found = json.loads(jsonnet.evaluate_snippet("mixin", f"{whole}.prometheusAlerts"))
    by_name = {rule["alert"]: rule for group in found["groups"] for rule in group["rules"]}
    assert by_name == alerts()
    recorded = json.loads(jsonnet.evaluate_snippet("mixin", f"{whole}.prometheusRules"))
    names = {rule["record"] for group in recorded["groups"] for rule in group["rules"]}
    assert names == records().keys()
    changed = f"({whole} + {{ _config+:: {{ spend_usd_per_day: 7 }} }}).prometheusAlerts"
    assert "> 7" in jsonnet.evaluate_snippet("mixin", changed)


def generate(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "grafana" / "generate.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.integration
def test_values_can_be_set_without_a_change_of_the_source(tmp_path):
    changes = {
        "runbooks": "https://wiki.example.org/agtop",
        "dashboards": "https://grafana.example.org",
        "spend_usd_per_day": "7",
    }
    options = [text for name, value in changes.items() for text in ("--set", f"{name}={value}")]
    done = generate(*options, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    for path in rules.files():
        text = (tmp_path / path).read_text()
        assert "https://wiki.example.org/agtop" in text
        assert "https://grafana.example.org" in text
        assert "127.0.0.1:3000" not in text
        assert "deploy/runbooks.md" not in text
    text = (tmp_path / rules.PROMETHEUS).read_text()
    assert "> 7\n" in text
    assert "runbook_url: https://wiki.example.org/agtop#agtopspendhigh" in text
    assert "dashboard_url: https://grafana.example.org/d/agtop-cost?var-instance=" in text


@pytest.mark.long
@pytest.mark.integration
def test_an_unknown_value_is_a_mistake(tmp_path):
    done = generate("--set", "spending=7", "--output", tmp_path)
    assert done.returncode == 2
    assert "no value 'spending' (values: runbooks, dashboards, spend_usd_per_day" in done.stderr
    assert not list(tmp_path.iterdir())
