"""Prometheus accepts all rules. Every alert fires when it should and has a useful text."""

import re
import subprocess

import pytest
import yaml
from generator.boards import BOARDS
from programs import find_program
from rule_files import ROOT, RULE_TESTS, RULES, alerts, metric_names, records

from agtop_exporter.metrics import CATALOGUE

pytestmark = pytest.mark.integration


def promtool(*arguments):
    """Run promtool; return its exit code and its output."""
    done = subprocess.run(
        [find_program("promtool"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_promtool_reports_no_problem():
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert code == 0, said
    remarks = [line for line in said.splitlines() if line and not line.startswith("Checking")]
    assert all(re.fullmatch(r"  SUCCESS: \d+ rules found", line) for line in remarks), said


@pytest.mark.long
def test_alerts_fire_and_records_are_right():
    code, said = promtool("test", "rules", *RULE_TESTS)
    assert code == 0, said


@pytest.mark.slow
def test_every_alert_is_tested_firing_and_silent():
    tests = [case for path in RULE_TESTS for case in yaml.safe_load(path.read_text())["tests"]]
    checks = [check for case in tests for check in case.get("alert_rule_test", ())]
    firing = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert set(alerts()) == firing == silent


@pytest.mark.parametrize("alert", alerts().values(), ids=alerts())
def test_an_alert_has_a_summary_and_a_runbook(alert):
    assert re.fullmatch(r"Agtop[A-Z][A-Za-z]+", alert["alert"])
    assert alert["labels"]["severity"] in {"info", "warning"}
    said = alert["annotations"]
    assert re.fullmatch(r"[A-Z][^{}]+\.", said["summary"])
    assert "{{" in said["description"]
    assert said["description"].endswith(".")
    path, anchor = said["runbook_url"].split("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert anchor == alert["alert"].lower()
    board, _, _ = said["dashboard_url"].partition("?")
    assert board in {f"http://127.0.0.1:3000/d/{each['uid']}" for each in BOARDS}


@pytest.mark.slow
def test_no_runbook_is_about_nothing():
    text = (ROOT / "deploy" / "runbooks.md").read_text()
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == set(alerts())


@pytest.mark.slow
@pytest.mark.parametrize("rule", [*alerts().values(), *records().values()])
def test_a_rule_asks_only_for_what_there_is(rule):
    known = {metric.name for metric in CATALOGUE} | set(records())
    assert metric_names(rule["expr"]) <= known


@pytest.mark.parametrize("name", records())
def test_a_record_is_named_level_metric_operations(name):
    level, metric, operations = name.split(":")
    assert metric.startswith("agtop_")
    assert not metric.endswith("_total")
    assert re.fullmatch(r"[a-z_]+", level)
    assert re.fullmatch(r"sum|count|rate5m|increase1d|ratio_rate1h", operations)
