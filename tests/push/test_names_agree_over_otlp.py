"""OTLP names are translated to the Prometheus names, so dashboards work with both routes."""

import re

import pytest
from otlp_names import prometheus_name
from snapshots import make_snapshot

from agtop_exporter.metrics import CATALOGUE, collect, markdown
from agtop_exporter.telemetry import COUNTERS

RESERVED_LABELS = {"type", "env", "service", "region", "owner", "job", "instance", "le", "quantile"}


def translate(metric):
    """Return the name of the metric in a Prometheus receiver."""
    return prometheus_name(
        metric.otel_name,
        metric.otel_unit,
        monotonic=metric.kind == "counter",
        gauge=metric.kind in {"gauge", "info"},
    )


@pytest.mark.parametrize("name", COUNTERS)
def test_each_counter_of_the_exporter_is_in_the_catalogue(name):
    (metric,) = (metric for metric in CATALOGUE if metric.name == f"agtop_{name}_total")
    assert (metric.kind, metric.labels) == ("counter", COUNTERS[name][1])


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_otlp_name_is_the_prometheus_name(metric):
    assert translate(metric) == metric.name


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_metric_keeps_the_conventions(metric):
    assert re.fullmatch(r"agtop(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith("_info") == (metric.kind == "info")
    assert not set(metric.labels) & RESERVED_LABELS
    assert len(set(metric.labels)) == len(metric.labels)
    assert not set(metric.name.split("_")) & {"percent", "milliseconds", "kilobytes", "cents"}
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("_usd", "US dollars"),
        ("_timestamp_seconds", "unix seconds"),
        ("_seconds", "seconds"),
        ("_bytes", "ytes"),
        ("_tokens", "okens"),
        ("_ratio", "share"),
    ],
)
def test_help_states_the_unit(ending, said):
    metrics = [metric for metric in CATALOGUE if metric.family.endswith(ending)]
    assert metrics
    assert [metric.name for metric in metrics if said not in metric.help] == []


def test_names_are_unique():
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    assert len({metric.family for metric in CATALOGUE}) == len(CATALOGUE)
    assert len({metric.otel_name for metric in CATALOGUE}) == len(CATALOGUE)


def test_every_metric_has_samples_of_a_full_snapshot():
    families = collect(make_snapshot())
    assert [family.metric.name for family in families] == [metric.name for metric in CATALOGUE]
    for family in families:
        for labels, _ in family.samples:
            assert len(labels) == len(family.metric.labels), family.metric.name


def test_markdown_has_a_row_for_every_metric():
    rows = markdown().splitlines()
    assert len(rows) == len(CATALOGUE) + 2
    assert len({row.count("|") for row in rows}) == 1
    assert all(f"`{metric.name}`" in row for metric, row in zip(CATALOGUE, rows[2:], strict=True))
