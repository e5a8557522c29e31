"""The samples of a backfill are at fixed times, by UTC day, in the form that the receivers read."""

import json

import pytest
from driving import price, project
from events import NOON, batch, response
from hypothesis import given
from hypothesis import strategies as st
from places import TESTS

from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import CATALOGUE, Span, by_day, collect, past_counters
from agtop_exporter.metrics.history import PastCounter
from agtop_exporter.model import Snapshot
from agtop_exporter.render import prometheus, victoriametrics

HOUR = 3600
LABELS = {"job": "agtop", "instance": 'a "b"\\c'}
MIDNIGHT = 1_772_409_600  # 2026-03-02 00:00 UTC


def ledger_of(*events):
    ledger = Ledger()
    ledger.record(batch(*events), price=price, project=project)
    ledger.commit()
    return ledger


def counters_of(ledger):
    return past_counters(CATALOGUE, ledger.past_totals())


def test_the_files_of_two_days(golden):
    ledger = ledger_of(
        response("k1", time=MIDNIGHT - 2 * HOUR, input=7),
        response("k2", time=MIDNIGHT, model="unpriced-1"),
    )
    span = Span(MIDNIGHT - 2 * HOUR, MIDNIGHT + HOUR, 1800)
    days = list(by_day(counters_of(ledger), span))
    assert [start for start, _ in days] == [MIDNIGHT - 24 * HOUR, MIDNIGHT]
    pages = b"".join(prometheus.openmetrics_of(samples, LABELS) for _, samples in days)
    lines = pages.decode().splitlines(keepends=True)
    without_help = [line for line in lines if not line.startswith("# HELP")]
    golden(TESTS / "backfill" / "two-days.om", "".join(without_help))


def test_the_last_samples_are_the_live_values():
    ledger = ledger_of(*(response(f"k{n}", time=NOON + n * 999, input=n) for n in range(40)))
    span = Span(MIDNIGHT, MIDNIGHT + 23 * HOUR, 300)
    (day,) = by_day(counters_of(ledger), span)
    live = Snapshot(NOON, "retail", (), (), ledger.totals, {}, ())
    page = {(f.metric.name, labels): v for f in collect(live) for labels, v in f.samples}
    found = {(one.metric.name, one.labels): one.values[-1] for one in day[1]}
    assert found == {key: page[key] for key in found}
    assert {one.times[-1] for one in day[1]} == {span.end}
    assert {name for name, _ in found} == {
        "agtop_tokens_total",
        "agtop_cost_usd_total",
        "agtop_unpriced_tokens_total",
        "agtop_requests_total",
        "agtop_project_tokens_total",
        "agtop_project_cost_usd_total",
    }


def test_a_series_without_earlier_usage_has_one_sample():
    ledger = ledger_of(response("k1", time=MIDNIGHT), response("k2", time=NOON, model="model-2"))
    (day,) = by_day(counters_of(ledger), Span(MIDNIGHT, MIDNIGHT + HOUR, 300))
    values = {
        one.labels[1]: list(one.values) for one in day[1] if one.metric.name.startswith("agtop_req")
    }
    assert values == {"model-1": [0] * 12 + [1], "model-2": [0]}


def test_a_line_for_victoriametrics_has_milliseconds():
    ledger = ledger_of(response("k1", time=MIDNIGHT))
    (day,) = by_day(counters_of(ledger), Span(MIDNIGHT, MIDNIGHT + HOUR, 1800))
    lines = victoriametrics.import_lines(day[1], LABELS).splitlines()
    assert json.loads(lines[0]) == {
        "metric": {
            "__name__": "agtop_tokens_total",
            "agent": "claude",
            "model": "model-1",
            "token_type": "input",
            **LABELS,
        },
        "values": [0, 5, 10],
        "timestamps": [1000 * (MIDNIGHT + n * 1800) for n in range(3)],
    }
    assert len(lines) == len(day[1])


@pytest.mark.slow
@given(
    growth=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10**15)), max_size=12),
    scale=st.sampled_from([1, 0.1]),
    since=st.integers(0, 30),
    hours=st.integers(0, 40),
    step=st.sampled_from([60, 300, 1800, 3600]),
)
def test_samples_ascend(growth, scale, since, hours, step):
    points = dict(sorted(growth))
    values, total = [], 0
    for amount in points.values():
        total += amount
        values.append(total * scale)
    first = 490_000
    counter = PastCounter(
        CATALOGUE[0], ("a", "b", "c"), 0 * scale, tuple(first + h for h in points), tuple(values)
    )
    span = Span((first + since) * HOUR, (first + since + hours) * HOUR, step)
    found = [
        sample
        for day, samples in by_day([counter], span)
        for one in samples
        for sample in zip(one.times, one.values, strict=True)
        if day <= sample[0] < day + 24 * HOUR
    ]
    times = [time for time, _ in found]
    assert times == list(range(times[0], span.end + 1, step))
    assert [value for _, value in found] == sorted(value for _, value in found)
    known = {(first + h + 1) * HOUR: v for h, v in zip(points, values, strict=True)}
    assert all(value == known[time] for time, value in found if time in known)


@pytest.mark.parametrize("labels", [{}, LABELS])
def test_labels_follow_those_of_the_metric(labels):
    ledger = ledger_of(response("k1", time=MIDNIGHT))
    (day,) = by_day(counters_of(ledger), Span(MIDNIGHT, MIDNIGHT, 300))
    page = prometheus.openmetrics_of(day[1], labels).decode()
    more = ',job="agtop",instance="a \\"b\\"\\\\c"' if labels else ""
    assert f'agtop_requests_total{{agent="claude",model="model-1"{more}}} 0 {MIDNIGHT}\n' in page
