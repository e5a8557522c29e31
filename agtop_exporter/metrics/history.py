"""Converts past totals of the ledger to samples of the counters in the catalogue.

Samples are at multiples of a step, because PromQL ignores a series without a sample in the last
five minutes. Within an hour, a counter rises evenly: the ledger has no times within an hour.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from agtop_exporter.ledger import PastTotal
from agtop_exporter.metrics.metric import Labels, Metric, Number, TotalsOf, clean
from agtop_exporter.model import SECONDS_PER_HOUR

SECONDS_PER_DAY = 24 * SECONDS_PER_HOUR


class PastCounter(msgspec.Struct, frozen=True):
    """The past values of one counter series.

    `start` is the value before the first of `hours`. `values` has the value at the end of each of
    `hours`. Hours are counted from 1970 and ascend.
    """

    metric: Metric
    labels: Labels
    start: Number
    hours: tuple[int, ...]
    values: tuple[Number, ...]

    def value_before(self, hour: int) -> Number:
        """Return the value of the counter at the start of an hour, which is counted from 1970."""
        position = bisect_left(self.hours, hour)
        return self.values[position - 1] if position else self.start


class Samples(msgspec.Struct, frozen=True):
    """Samples of one counter series. `times` are unix seconds; they ascend."""

    metric: Metric
    labels: Labels
    times: range
    values: Sequence[Number]


class Span(msgspec.Struct, frozen=True):
    """The times of a backfill in unix seconds. `start` and `end` are full hours.

    `step` is the time between two samples. It is a divisor of an hour.
    """

    start: int
    end: int
    step: int


def past_counters(metrics: Iterable[Metric], totals: Sequence[PastTotal]) -> list[PastCounter]:
    """Return the past values of counters, from the past values of ledger totals.

    Counters for which `totals` has no total are left out. The result has the order of `metrics`, so
    that the series of a metric are together. Label values are cleaned; of two series with the same
    labels, the result has only the first.
    """
    found: dict[tuple[str, Labels], PastCounter] = {}
    for metric in metrics:
        published = metric.collect
        if not isinstance(published, TotalsOf):
            continue
        for past in totals:
            if past.series[0] == published.name:
                labels = clean(past.series[1:])
                values = tuple(map(published.value, past.values))
                start = published.value(past.start)
                counter = PastCounter(metric, labels, start, past.hours, values)
                found.setdefault((metric.name, labels), counter)
    return list(found.values())


def first_hour(counters: Iterable[PastCounter]) -> int | None:
    """Return the first hour with usage, counted from 1970; None without usage."""
    return min((counter.hours[0] for counter in counters if counter.hours), default=None)


def by_day(counters: Sequence[PastCounter], span: Span) -> Iterator[tuple[int, list[Samples]]]:
    """Yield (start of a UTC day in unix seconds, samples of this day) for each day of `span`.

    A series has its first sample at the start of its first hour with usage. A series without usage
    before the end of `span` has one sample, at the end.
    """
    for day in range(
        span.start // SECONDS_PER_DAY * SECONDS_PER_DAY, span.end + 1, SECONDS_PER_DAY
    ):
        last = min(span.end, day + SECONDS_PER_DAY - span.step)
        days = (_samples(counter, max(span.start, day), last, span) for counter in counters)
        yield day, [samples for samples in days if samples.times]


def _samples(counter: PastCounter, start: int, last: int, span: Span) -> Samples:
    """Return the samples from `start` to `last`, inclusive. `start` is a full hour."""
    begin = min(counter.hours[0] * SECONDS_PER_HOUR, span.end) if counter.hours else span.end
    times = range(max(start, begin), last + 1, span.step)
    values: list[Number] = []
    if times:
        per_hour = SECONDS_PER_HOUR // span.step
        before = counter.value_before(times[0] // SECONDS_PER_HOUR)
        for hour in range(times[0] // SECONDS_PER_HOUR, times[-1] // SECONDS_PER_HOUR + 1):
            after = counter.value_before(hour + 1)
            values += _rise(before, after, per_hour)
            before = after
    return Samples(counter.metric, counter.labels, times, values[: len(times)])


def _rise(before: Number, after: Number, count: int) -> list[Number]:
    """Return `count` values that rise evenly from `before` towards `after`, which is excluded."""
    if before == after:
        return [before] * count
    growth = after - before
    if isinstance(growth, int):
        return [before + growth * part // count for part in range(count)]
    return [before + growth * part / count for part in range(count)]
