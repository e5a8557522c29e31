"""Counters born at zero: what is shown of a new series until somebody has seen its start.

`increase()` ignores the first sample of a series: a counter that is born with 500 tokens never
counts them. So a counter series that was not on the page before is published with its baseline
until a scrape took the page, and with its real value from then on.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.metrics.metric import (
    Distribution,
    Exposition,
    Family,
    Labels,
    Sample,
    Value,
    expose,
)
from agtop_exporter.metrics.sessions import SESSIONS
from agtop_exporter.model import Snapshot

SeriesKey = tuple[str, Labels]
"""One series: the name of its metric, its label values."""


DEPARTED_MAX = 20_000
"""How many series that left the page are remembered, the latest: some 2,000 sessions."""


class Publication(msgspec.Struct, frozen=True, gc=False):
    """What is published of one snapshot.

    `pending` names the counter series that stand at their baseline because no scrape is known to
    have seen them; their values in `exposition` are those baselines. `departed` has the last
    values of the counter series that are no longer on the page: they go on from there.
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
    """Hold back the real value of every counter series that nobody saw the start of.

    `before` is what was published last, None for the first time: then all is published as it is,
    history included. `consumed` says that a scrape took `before`. `baseline` has the start of
    series that are new on the page only: what they were in the last snapshot. One that was on a
    page already starts where it left, all others at 0. Nothing published falls as long as nothing
    in `now` does.
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
    """Return where the series begin of sessions that were known but had none before `now`."""
    shown = {(session.agent, session.session_id) for session in previous.published}
    new = {(session.agent, session.session_id) for session in now.published} - shown
    if not new:
        return ()
    returning = (s for s in previous.sessions if (s.agent, s.session_id) in new)
    return expose(SESSIONS, msgspec.structs.replace(previous, published=tuple(returning)))


def _counters(exposition: Exposition) -> dict[SeriesKey, Value]:
    return {
        (family.metric.name, labels): value
        for family in exposition
        if family.metric.kind in {"counter", "histogram"}
        for labels, value in family.samples
    }


def _nothing(value: Value) -> Value:
    return value.empty if isinstance(value, Distribution) else 0


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
