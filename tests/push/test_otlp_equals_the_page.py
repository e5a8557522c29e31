"""An OTLP request has the same series and values as the Prometheus page of the same snapshot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.sdk.resources import Resource
from otlp_names import as_page
from otlp_receiver import attributes, metrics, points
from running import samples_of
from snapshots import NOW, make_agent, make_session, make_snapshot, make_totals

from agtop_exporter.metrics import CATALOGUE, collect
from agtop_exporter.metrics.metric import expose
from agtop_exporter.render import otlp, prometheus

pytestmark = pytest.mark.integration

START = NOW - 86_400
RESOURCE = Resource({"service.name": "agtop-exporter"})


def request_of(exposition, **over):
    fields = {"time": NOW, "start_of": lambda _metric, _labels: START, **over}
    data = otlp.render(exposition, RESOURCE, **fields)
    return ExportMetricsServiceRequest.FromString(encode_metrics(data).SerializeToString())


def page_samples(exposition):
    """Return {(name, labels): value} of the text page."""
    return samples_of(prometheus.text(exposition).decode())


def many():
    """Return a snapshot with two agents, two sessions, and an absent value of each kind."""
    bare = make_session(session_id="bare", agent="codex", model=None, process=None, spent=None)
    return make_snapshot(
        make_session(user="ada"),
        bare,
        totals=make_totals() | make_totals("codex", "gpt-5"),
        agents=(make_agent(), make_agent(agent="codex", up=False, last_success=None)),
    )


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_family_is_equal(metric):
    """Each family is tested. A family without samples in the snapshot fails."""
    exposition = expose([metric], many())
    page = page_samples(exposition)
    assert page
    assert as_page(request_of(exposition)) == page


def test_a_page_is_equal():
    exposition = collect(many())
    page = page_samples(exposition)
    assert as_page(request_of(exposition)) == page
    assert {family.metric.name for family in exposition} == {m.name for m in CATALOGUE}


TEXT = st.text(max_size=40)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5),
    tokens=st.integers(0, 2**53),
    cost=st.integers(0, 10**18),
    used=st.none() | st.floats(0, 2),
)
def test_whatever_it_holds(labels, tokens, cost, used):
    sessions = [
        make_session(session_id=one, agent=two, model=three, project=one)
        for one, two, three in labels
    ]
    totals = make_totals()
    for one, two, three in labels:
        totals |= {
            ("tokens", one, two, "input"): tokens,
            ("cost", one, two, three, "estimated"): cost,
            ("turns", one): used or 0,
        }
    exposition = collect(make_snapshot(*sessions, totals=totals))
    assert as_page(request_of(exposition)) == page_samples(exposition)


def test_kinds_units_and_help_are_the_catalogue_s():
    request = request_of(collect(make_snapshot()))
    kinds = {"counter": "sum", "gauge": "gauge", "info": "gauge", "histogram": "histogram"}
    found = metrics(request)
    for metric in CATALOGUE:
        other = found[metric.otel_name]
        assert other.WhichOneof("data") == kinds[metric.kind]
        assert (other.unit, other.description) == (metric.otel_unit, metric.help)


def test_times_are_those_of_the_snapshot_and_of_each_series():
    request = request_of(
        collect(make_snapshot()), start_of=lambda metric, _: START - len(metric.labels)
    )
    for metric in CATALOGUE:
        for point in points(metrics(request)[metric.otel_name]):
            counts = metric.kind in {"counter", "histogram"}
            start = (START - len(metric.labels)) * 1e9 if counts else 0
            assert (point.start_time_unix_nano, point.time_unix_nano) == (start, NOW * 1e9)


def test_no_start_is_later_than_its_point():
    request = request_of(collect(make_snapshot()), start_of=lambda _metric, _labels: NOW + 60)
    (point,) = points(metrics(request)["agtop.turns"])
    assert point.start_time_unix_nano == point.time_unix_nano


@pytest.mark.parametrize(
    ("delta", "temporality"),
    [
        (False, metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE),
        (True, metrics_pb2.AGGREGATION_TEMPORALITY_DELTA),
    ],
)
def test_the_temporality_is_on_the_wire(delta, temporality):
    found = metrics(request_of(collect(make_snapshot()), delta=delta, genai=True))
    assert found["agtop.tokens"].sum.aggregation_temporality == temporality
    assert found["agtop.tokens"].sum.is_monotonic
    assert found["agtop.waiting"].histogram.aggregation_temporality == temporality
    usage = found["gen_ai.client.token.usage"]
    assert usage.histogram.aggregation_temporality == temporality


def test_a_series_keeps_its_type_where_a_value_is_whole():
    totals = make_totals() | {("agent_cpu_seconds", "claude-code"): 0}
    found = metrics(request_of(collect(make_snapshot(totals=totals))))
    (seconds,) = points(found["agtop.agent.cpu"])
    assert seconds.WhichOneof("value") == "as_double"
    assert {point.WhichOneof("value") for point in points(found["agtop.tokens"])} == {"as_int"}


def test_genai_repeats_the_tokens_only_if_enabled():
    totals = {
        ("tokens", "codex", "gpt-5", "input"): 10,
        ("tokens", "codex", "gpt-5", "cache_read"): 5,
        ("tokens", "codex", "gpt-5", "output"): 7,
        ("requests", "codex", "gpt-5"): 3,
        ("tokens", "pi", "own-model", "output"): 1,
        ("requests", "pi", "own-model"): 1,
    }
    exposition = collect(make_snapshot(totals=totals))
    assert "gen_ai.client.token.usage" not in metrics(request_of(exposition))
    usage = metrics(request_of(exposition, genai=True))["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    found = {
        (a["gen_ai.response.model"], a["gen_ai.token.type"], a.get("gen_ai.provider.name")): (
            point.sum,
            point.count,
        )
        for point in points(usage)
        for a in [attributes(point)]
    }
    assert found == {
        ("gpt-5", "input", "openai"): (15, 3),
        ("gpt-5", "output", "openai"): (7, 3),
        ("own-model", "output", None): (1, 1),
    }
