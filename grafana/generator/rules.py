"""Writes the alert and recording rules for Prometheus, Kubernetes, Grafana and jsonnet.

The sources are `grafana/rules/alerts.yml`, with named values, and the recording rules in
`deploy/prometheus/rules/`.
"""

import json
import re
from pathlib import Path
from string import Template

import yaml

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "grafana" / "rules" / "alerts.yml"
PROMETHEUS = Path("deploy/prometheus/rules/agtop-alerts.yml")
RECORDS = Path("deploy/prometheus/rules/agtop-recording.yml")
KUBERNETES = Path("deploy/kubernetes/prometheusrule.yml")
GRAFANA = Path("grafana/provisioning/alerting/agtop.yml")
MIXIN = Path("deploy/mixin/mixin.libsonnet")
GENERATED = "# Written by `python grafana/generate.py` from grafana/rules/alerts.yml.\n"
LOOK_BACK_SECONDS = 600  # range of the queries of Grafana's rules


class UnknownValueError(KeyError):
    """A value that the source of the alerts does not have."""


def values_of(changes=None):
    """Return the values of the alerts, with `changes`. Raises UnknownValueError."""
    values = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["values"]
    for name in changes or {}:
        if name not in values:
            raise UnknownValueError(name)
    return values | (changes or {})


def files(changes=None):
    """Return the text of each file of rules, by its path below the root."""
    values = values_of(changes)
    source = SOURCE.read_text(encoding="utf-8")
    text = GENERATED + "# They need the recording rules in agtop-recording.yml.\n"
    text += _filled(source[source.index("groups:") :], values)
    alerts = yaml.safe_load(text)["groups"]
    records = yaml.safe_load((ROOT / RECORDS).read_text(encoding="utf-8"))["groups"]
    return {
        PROMETHEUS: text,
        KUBERNETES: GENERATED + _yaml(_prometheus_rule(records + alerts)),
        GRAFANA: GENERATED + _yaml(_grafana_rules(alerts)),
        MIXIN: _mixin(source[source.index("groups:") :], values, records),
    }


def _filled(text, values):
    """Replace `${name}`. Other dollar signs belong to the templates of Prometheus."""

    class Braces(Template):
        pattern = r"\$\{(?P<braced>[a-z_]+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!))"

    return Braces(text).substitute(values)


def _yaml(data):
    return yaml.safe_dump(data, sort_keys=False, width=1000, allow_unicode=True)


def _prometheus_rule(groups):
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "agtop", "labels": {"app.kubernetes.io/name": "agtop-exporter"}},
        "spec": {"groups": groups},
    }


def _grafana_rules(groups):
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group["name"],
                "folder": "agtop",
                "interval": "1m",
                "rules": [_grafana_rule(rule) for rule in group["rules"]],
            }
            for group in groups
        ],
    }


def _grafana_rule(rule):
    """Return a rule of Grafana: a query, and a condition that it has a result."""
    query = {
        "refId": "A",
        "relativeTimeRange": {"from": LOOK_BACK_SECONDS, "to": 0},
        "datasourceUid": "agtop-prometheus",
        "model": {"refId": "A", "expr": rule["expr"], "instant": True, "range": False},
    }
    condition = {
        "refId": "B",
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "math",
            "expression": "is_number($A) || is_inf($A)",
        },
    }
    annotations = {
        name: text.replace("$value", "$values.A.Value")
        for name, text in rule["annotations"].items()
    }
    found = {
        "uid": re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()[:40],
        "title": rule["alert"],
        "condition": "B",
        "data": [query, condition],
        "for": rule.get("for", "0s"),
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": rule["labels"],
        "annotations": annotations,
    }
    if "keep_firing_for" in rule:
        found["keepFiringFor"] = rule["keep_firing_for"]
    return found


def _mixin(source, values, records):
    """Return a jsonnet mixin. Its `_config` has the values; the texts insert them."""
    groups = yaml.safe_load(source)["groups"]
    return (
        f"{GENERATED.replace('#', '//')}"
        "// Use: (import 'mixin.libsonnet') + { _config+:: { spend_usd_per_day: 100 } }\n"
        "{\n"
        f"  _config:: {json.dumps({name: str(value) for name, value in values.items()})},\n"
        "  local value(name) = std.toString($._config[name]),\n"
        "  local filled(text) = std.foldl(\n"
        "    function(known, name) std.strReplace(known, '${' + name + '}', value(name)),\n"
        "    std.objectFieldsAll($._config),\n"
        "    text\n"
        "  ),\n"
        "  prometheusAlerts:: std.parseJson(filled(std.manifestJsonMinified("
        f"{json.dumps({'groups': groups})}))),\n"
        f"  prometheusRules:: {json.dumps({'groups': records})},\n"
        "}\n"
    )
