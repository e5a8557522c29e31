"""Both formats of the page can be parsed, whatever text a transcript contains."""

import itertools
import math
import subprocess
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from programs import find_program
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from snapshots import make_session, make_snapshot

from agtop_exporter.metrics import CATALOGUE, Family, HistogramValue, Metric, collect
from agtop_exporter.render import prometheus

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=("Cs", "Cc", "Cf")),
        st.sampled_from('\\"\n\r\t\x00\x85\u2028{},= \ud800'),
    ),
    max_size=200,
)


def read_text(page):
    return list(text_parser.text_string_to_metric_families(page.decode()))


def read_openmetrics(page):
    return list(openmetrics_parser.text_string_to_metric_families(page.decode()))


def samples(families):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def expected(exposition):
    return {
        (
            f"{family.metric.name}{suffix}",
            *sorted({**dict(zip(names, labels, strict=True)), **le}.items()),
        ): value
        for family in exposition
        for names in [family.metric.labels]
        for labels, of_family in family.samples
        for suffix, le, value in parts(of_family)
    }


def parts(value):
    """Return the samples of one value: (suffix, additional labels, number)."""
    if not isinstance(value, HistogramValue):
        return [("", {}, value)]
    bounds = [*map(str, value.bounds), "+Inf"]
    buckets = zip(bounds, itertools.accumulate(value.counts), strict=True)
    return [
        *(("_bucket", {"le": bound}, below) for bound, below in buckets),
        ("_sum", {}, value.sum),
        ("_count", {}, sum(value.counts)),
    ]


@pytest.mark.slow
@given(HOSTILE, HOSTILE, HOSTILE)
@example("\\", "a\\n", '\\"\n')
def test_hostile_labels_come_through_both_parsers(session_id, model, project):
    session = make_session(session_id=session_id, model=model, project=project)
    exposition = collect(
        make_snapshot(session, totals={("tokens", "claude-code", model, "input"): 12})
    )
    assert samples(read_text(prometheus.text(exposition))) == expected(exposition)
    assert samples(read_openmetrics(prometheus.openmetrics(exposition))) == expected(exposition)


@given(HOSTILE)
@example("é" * 200)
def test_labels_are_short_and_visible(model):
    exposition = collect(make_snapshot(totals={("requests", "claude-code", model): 12}))
    family = next(f for f in exposition if f.metric.name == "agtop_requests_total")
    ((_, label),) = (labels for labels, _ in family.samples)
    visible = "".join(c for c in model if unicodedata.category(c) not in {"Cc", "Cs"})
    assert visible.startswith(label)
    assert len(label.encode()) <= 128
    assert len(label.encode()) >= 125 or label == visible


def test_equal_label_sets_are_published_once():
    """Prometheus rejects duplicates. Of labels that are equal after cleaning, the first counts."""
    totals = {("turns", "claude-code"): 1, ("turns", "claude\x00-code"): 2}
    exposition = collect(make_snapshot(totals=totals))
    family = next(f for f in exposition if f.metric.name == "agtop_turns_total")
    assert family.samples == ((("claude-code",), 1),)


@given(st.one_of(st.integers(), st.floats()))
def test_numbers_keep_their_value(number):
    metric = Metric(
        name="agtop_level",
        kind="gauge",
        help="A level.",
        otel_name="agtop.level",
        collect=lambda _: (),
    )
    exposition = (Family(metric, (((), number),)),)
    for families in (
        read_text(prometheus.text(exposition)),
        read_openmetrics(prometheus.openmetrics(exposition)),
    ):
        value = families[0].samples[0].value
        assert value == number or (math.isnan(value) and math.isnan(number)) or abs(number) > 2**53


def test_whole_numbers_have_no_fraction():
    page = prometheus.text(collect(make_snapshot())).decode()
    assert 'agtop_turns_total{agent="claude-code"} 3\n' in page
    assert (
        'agtop_rate_limit_used_ratio{agent="codex",window="5h",source="rollout",account=""} 0.25\n'
        in page
    )


def test_buckets_hold_those_below_them():
    page = prometheus.text(collect(make_snapshot())).decode()
    for le, count in (("1.0", 0), ("5.0", 2), ("3600.0", 2), ("+Inf", 3)):
        assert f'agtop_waiting_seconds_bucket{{agent="claude-code",le="{le}"}} {count}\n' in page
    assert 'agtop_waiting_seconds_sum{agent="claude-code"} 4007.5\n' in page
    assert 'agtop_waiting_seconds_count{agent="claude-code"} 3\n' in page


def test_openmetrics_has_types_units_and_an_end():
    page = prometheus.openmetrics(collect(make_snapshot()))
    families = {family.name: family for family in read_openmetrics(page)}
    assert set(families) == {metric.family for metric in CATALOGUE}
    assert {m.family: families[m.family].type for m in CATALOGUE} == {
        m.family: m.kind for m in CATALOGUE
    }
    assert families["agtop_cost_usd"].unit == "usd"
    assert families["agtop_agent_memory_rss_bytes"].unit == "bytes"
    assert families["agtop_sessions"].unit == ""
    assert page.endswith(b"\n# EOF\n")
    assert b"_created" not in page


def test_help_and_type_precede_the_samples_of_each_family():
    families = read_text(prometheus.text(collect(make_snapshot())))
    assert [family.documentation for family in families] == [metric.help for metric in CATALOGUE]


@pytest.mark.slow
@pytest.mark.integration
def test_promtool_reports_no_problem():
    promtool = find_program("promtool")
    page = prometheus.text(collect(make_snapshot()))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=30
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
