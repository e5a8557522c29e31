"""Publishes each new counter series with its baseline first.

The baseline of a series is the value that precedes its first increase, usually 0. The PromQL
function `increase()` ignores the first sample of a series. If a new counter is first published as
500, these 500 are missing from every query. Therefore a counter series that was not on the previous
page is published with its baseline. After a scrape has received the baseline, the series is
published with its real value.
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
"""The identity of a series: the name of its metric and its label values."""


DEPARTED_MAX = 20_000
"""Maximum number of stored values of series that are no longer on the page.

This is enough for about 2,000 sessions.
"""


class Publication(msgspec.Struct, frozen=True, gc=False):
    """The published values of one snapshot.

    `exposition` has the published values. `pending` has the counter series that are published with
    their baseline, because no scrape has received the baseline yet. `departed` has the last
    published values of counter series that are no longer on the page. If such a series returns, it
    starts at its last published value or at a newer baseline.
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
    """Return the publication of `now`, in which new counter series have their baselines as values.

    A series is new until a scrape has received its baseline. `before` is the last publication. If
    `before` is None, every series has its real value, including the history. `consumed` is true if
    a scrape received `before`.

    The baseline of a series is its value in `baseline`; see `starts`. A series without such a value
    starts at its last published value, or at 0 if it was never published. Published counters do not
    decrease if the counters in `now` do not decrease.
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
    """Return the baselines of the sessions that are published in `now` but not in `previous`.

    The baselines of a session are its values in `previous`. If the session is not in `previous`,
    its baselines are its values at the time when it was closed (`now.returned`). A new session has
    no baselines.
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
