"""Publishes each new counter series with its baseline first.

The PromQL function `increase()` ignores the first sample of a series. If a new counter is first
published as 500, these 500 are missing from every query. Therefore a counter series that was not on
the previous page has its baseline, usually 0, as its value. After a scrape has received the
baseline, the series has its real value.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.metrics.metric import (
    Exposition,
    Family,
    HistogramValue,
    Labels,
    Sample,
    Value,
    expose,
)
from agtop_exporter.metrics.sessions import SESSION_METRICS
from agtop_exporter.model import Snapshot

SeriesKey = tuple[str, Labels]
"""A series: the name of its metric and its label values."""


DEPARTED_MAX = 20_000
"""Maximum number of stored values of series that are no longer on the page.

This is enough for about 2,000 sessions.
"""


class Publication(msgspec.Struct, frozen=True, gc=False):
    """The published values of one snapshot.

    `pending` has the counter series that are at their baseline in `exposition`, because no scrape
    has received them. `departed` has the last values of counter series that are no longer on the
    page. If such a series returns, its last value is its baseline.
    """

    exposition: Exposition
    pending: frozenset[SeriesKey] = frozenset()
    departed: Mapping[SeriesKey, Value] = {}


def zero_first(
    now: Exposition,
    before: Publication | None,
    *,
    baseline: Exposition = (),
    consumed: bool,
) -> Publication:
    """Replace the values of counter series that no scrape has received by their baselines.

    `before` is the last publication. If it is None, the real values are published, including the
    history. `consumed` is true if a scrape received `before`. The baseline of a new series is its
    last value on an earlier page, or else its value in `baseline` (the previous snapshot), or else
    0. Published counters do not decrease if those in `now` do not decrease.
    """
    if before is None:
        return Publication(now)
    published = _counters(before.exposition)
    starts = {**before.departed, **_counters(baseline)}
    waiting = frozenset() if consumed else before.pending
    held: dict[SeriesKey, Value] = {}
    current = _counters(now)
    for series, value in current.items():
        if series not in published:
            held[series] = starts.get(series, _nothing(value))
        elif series in waiting:
            held[series] = published[series]
    return Publication(
        _with_values(now, held), frozenset(held), _departed(before.departed, published, current)
    )


def starts(previous: Snapshot, now: Snapshot) -> Exposition:
    """Return the baselines of sessions that are published in `now` but not in `previous`.

    A baseline is the value of the session in `previous`, or its value when it was closed. A new
    session has no baseline.
    """
    shown = {(session.agent, session.session_id) for session in previous.published}
    new = {(session.agent, session.session_id) for session in now.published} - shown
    if not new:
        return ()
    known = {**now.returned, **{(s.agent, s.session_id): s for s in previous.sessions}}
    returning = tuple(known[key] for key in new if key in known)
    return expose(SESSION_METRICS, msgspec.structs.replace(previous, published=returning))


def _counters(exposition: Exposition) -> dict[SeriesKey, Value]:
    return {
        (family.metric.name, labels): value
        for family in exposition
        if family.metric.kind in {"counter", "histogram"}
        for labels, value in family.samples
    }


def _nothing(value: Value) -> Value:
    return value.empty if isinstance(value, HistogramValue) else 0


def _departed(
    departed: Mapping[SeriesKey, Value],
    published: Mapping[SeriesKey, Value],
    current: Mapping[SeriesKey, Value],
) -> Mapping[SeriesKey, Value]:
    gone = published.keys() - current.keys()
    if not gone:
        return departed
    latest_last = {series: value for series, value in departed.items() if series not in gone}
    latest_last.update((series, published[series]) for series in gone)
    return dict(list(latest_last.items())[-DEPARTED_MAX:])


def _with_values(exposition: Exposition, held: Mapping[SeriesKey, Value]) -> Exposition:
    if not held:
        return exposition
    names = {name for name, _ in held}
    return tuple(
        Family(family.metric, _held_samples(family, held))
        if family.metric.name in names
        else family
        for family in exposition
    )


def _held_samples(family: Family, held: Mapping[SeriesKey, Value]) -> tuple[Sample, ...]:
    name = family.metric.name
    return tuple((labels, held.get((name, labels), value)) for labels, value in family.samples)
