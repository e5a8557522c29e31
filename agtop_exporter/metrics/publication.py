"""Publishes each new counter series with its baseline first, to each scraper.

The baseline of a series is the value that precedes its first increase, usually 0. The PromQL
function `increase()` ignores the first sample of a series. If a new counter is first published as
500, these 500 are missing from every query. Therefore every receiver gets the baseline of a new
counter series first, and its real value afterwards.

Receivers (scrapers) get publications at different times. Each publication has a number, its
*generation*. For each new series, a publication also has the generation in which the series was
new. A receiver that has not got this generation yet gets the baseline instead of the value; see
`Publication.after`.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.metrics.metric import (
    Exposition,
    Family,
    HistogramValue,
    Labels,
    Value,
    expose,
)
from agtop_exporter.metrics.sessions import SESSION_METRICS
from agtop_exporter.model import Snapshot

SeriesKey = tuple[str, Labels]
"""The identity of a series: the name of its metric and its label values."""

NEW_SECONDS = 900.0
"""Time during which a series is new. A receiver with a longer scrape interval gets no baseline."""

DEPARTED_MAX = 5_000
"""Maximum number of stored values of series that are no longer published. They take 2 to 3 MB.

This is enough for about 500 sessions. The values of older sessions are in the ledger; see `starts`.
"""


class Start(msgspec.Struct, frozen=True, gc=False):
    """The baseline of a new counter series, and the publication in which the series was new."""

    baseline: Value
    generation: int
    at: float  # time of the publication in unix seconds


class Publication(msgspec.Struct, frozen=True, gc=False):
    """The values of one snapshot, to be published.

    `exposition` has the real values. `at` is the time of the snapshot in unix seconds. `new` has
    the counter series that were first published in the last NEW_SECONDS. `departed` has the last
    values of counter series that are no longer published. If such a series returns, it starts at
    its last value or at a newer baseline.
    """

    exposition: Exposition
    generation: int = 0
    at: float = 0.0
    new: Mapping[SeriesKey, Start] = {}
    departed: Mapping[SeriesKey, Value] = {}

    def after(self, generation: int) -> Exposition:
        """Return the values for a receiver that got the publication `generation` last.

        The value of a counter series that was new in a later publication is its baseline.
        """
        held = {key: new.baseline for key, new in self.new.items() if new.generation > generation}
        return _with_values(self.exposition, held)

    def to_one_receiver(self, before: "Publication | None") -> "Publication":
        """Return a publication with the values for its only receiver.

        `before` is the publication that the receiver got last; None means that it got none.
        """
        if before is None:
            return self
        return msgspec.structs.replace(self, exposition=self.after(before.generation))

    def first_new_after(self, generation: int) -> int | None:
        """Return the first generation after `generation` that has new series, or None."""
        later = (new.generation for new in self.new.values() if new.generation > generation)
        return min(later, default=None)


def zero_first(
    now: Exposition,
    before: Publication | None,
    *,
    at: float,
    baseline: Exposition = (),
) -> Publication:
    """Return the publication of `now`, the values at the time `at` (unix seconds).

    `before` is the last publication. If `before` is None, no series counts as new, and every
    receiver gets the real values at once.

    The baseline of a new series is its value in `baseline`; see `starts`. A series without such a
    value starts at its last published value, or at 0 if it was never published. The values for a
    receiver do not decrease if the counters in `now` do not decrease.
    """
    if before is None:
        return Publication(now, at=at)
    published, current = _counters(before.exposition), _counters(now)
    known = {**before.departed, **_counters(baseline)}
    generation = before.generation + 1
    new = {
        key: start
        for key, start in before.new.items()
        if key in current and 0 <= at - start.at < NEW_SECONDS
    }
    created: dict[SeriesKey, float] = {}
    for key in current.keys() - published.keys():
        nothing = _nothing(current[key])
        new[key] = Start(known.get(key, nothing), generation, at)
        if new[key].baseline == nothing:
            created[key] = before.at or at
    return Publication(
        _with_creation_times(now, before.exposition, created),
        generation,
        at,
        new,
        _departed(before.departed, published, current),
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
        _held(family, held) if family.metric.name in names else family for family in exposition
    )


def _held(family: Family, held: Mapping[SeriesKey, Value]) -> Family:
    name = family.metric.name
    samples = ((labels, held.get((name, labels), value)) for labels, value in family.samples)
    return msgspec.structs.replace(family, samples=tuple(samples))


def _with_creation_times(
    now: Exposition, before: Exposition, created: Mapping[SeriesKey, float]
) -> Exposition:
    """Add creation times to the families of `now`.

    The times are those in `before`, and those in `created` (unix seconds), which have precedence.
    """
    times = {family.metric.name: family.created for family in before if family.created}
    names = {name for name, _ in created}
    if not (times or names):
        return now
    return tuple(
        _created(family, times.get(family.metric.name, {}), created)
        if family.metric.name in times or family.metric.name in names
        else family
        for family in now
    )


def _created(
    family: Family, before: Mapping[Labels, float], created: Mapping[SeriesKey, float]
) -> Family:
    name = family.metric.name
    times = {
        labels: time
        for labels, _ in family.samples
        if (time := created.get((name, labels)) or before.get(labels))
    }
    return msgspec.structs.replace(family, created=times)
