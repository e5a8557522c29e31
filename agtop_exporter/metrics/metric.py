"""Defines the types of metrics, samples and values, and functions that collect samples.

The other modules of this package define the metrics.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Literal

import msgspec

from agtop_exporter.metrics.limits import Limit
from agtop_exporter.model import PICODOLLARS_PER_USD, AgentStatus, Series, Session, Snapshot

Number = int | float
Labels = tuple[str, ...]


class HistogramValue(msgspec.Struct, frozen=True, gc=False):
    """The value of a histogram: the number of observations in each bucket, and their sum.

    `bounds` has the inclusive upper bounds of the buckets in ascending order. `counts` has the
    number of observations in the bucket of each bound. The last item of `counts` is the number of
    observations above all bounds. The counts are not cumulative.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """The number of observations in all buckets."""
        return sum(self.counts)

    @property
    def empty(self) -> "HistogramValue":
        """A histogram with the same buckets and no observations."""
        return HistogramValue(self.bounds, (0,) * len(self.counts), 0.0)


Value = Number | HistogramValue
Sample = tuple[Labels, Value]
Collect = Callable[[Snapshot], Iterable[Sample]]

UNITS = ("seconds", "bytes", "ratio", "usd", "tokens")
"""Units that may end the name of a metric (OpenMetrics 1.0, section "Unit")."""

LABEL_BYTES = 128
"""Maximum length of a label value in bytes of UTF-8."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of one metric, for Prometheus and for OTLP.

    `collect` is a function that returns the samples of the metric from a snapshot.
    """

    name: str
    kind: Literal["counter", "gauge", "info", "histogram"]
    labels: tuple[str, ...] = ()
    help: str
    otel_name: str
    otel_unit: str = ""
    limits: tuple[Limit, ...] = ()  # their product is the maximum number of series
    collect: Collect

    @property
    def series_max(self) -> int:
        """The maximum number of series with the default settings."""
        return math.prod(limit.number for limit in self.limits)

    @property
    def family(self) -> str:
        """The name without the suffix that OpenMetrics adds to samples: `_total` or `_info`."""
        suffixes = {"counter": "_total", "info": "_info"}
        return self.name.removesuffix(suffixes.get(self.kind, ""))

    @property
    def unit(self) -> str:
        """The unit that ends the name of the metric; "" if the name has no unit."""
        last_word = self.family.rpartition("_")[2]
        return last_word if last_word in UNITS else ""


class Family(msgspec.Struct, frozen=True, gc=False):
    """A metric and its samples. No two samples have the same labels.

    `created` has, by labels, the time (unix seconds) at which a counter was 0. It has only the
    series that began while this process ran.
    """

    metric: Metric
    samples: tuple[Sample, ...]
    created: Mapping[Labels, float] = {}


Exposition = tuple[Family, ...]
"""The content of one page in any format: metrics with samples, in the order of the catalogue."""


def expose(metrics: Iterable[Metric], snapshot: Snapshot) -> Exposition:
    """Return the metrics that have samples in `snapshot`, with these samples.

    Label values are cleaned; see `clean`. If two samples of a metric have the same labels after
    cleaning, the result contains only the first sample.
    """
    families = (Family(metric, _samples(metric, snapshot)) for metric in metrics)
    return tuple(family for family in families if family.samples)


def _samples(metric: Metric, snapshot: Snapshot) -> tuple[Sample, ...]:
    samples: dict[Labels, Value] = {}
    for labels, value in metric.collect(snapshot):
        samples.setdefault(clean_of_page(labels), value)
    return tuple(samples.items())


def clean(labels: Labels) -> Labels:
    """Return the label values without lone surrogates and control characters.

    Each value is cut to LABEL_BYTES.
    """
    return tuple(map(_clean_value, labels))


clean_of_page = cache(clean)
"""The function `clean` with a cache, which `collect` keeps as small as a page."""


def _clean_value(value: str) -> str:
    if value.isascii() and value.isprintable() and len(value) <= LABEL_BYTES:
        return value
    visible = "".join(char for char in value if char >= " " and not "\x7f" <= char <= "\x9f")
    return visible.encode("utf-8", "ignore")[:LABEL_BYTES].decode("utf-8", "ignore")


class TotalsOf(msgspec.Struct, frozen=True):
    """A function that collects the totals of the counter `name` from a snapshot.

    The value of a sample is the total divided by `divisor`.
    """

    name: str
    divisor: int = 1

    def __call__(self, snapshot: Snapshot) -> Iterator[Sample]:
        """Return the samples: label values and value."""
        return (
            (labels, self.value(total)) for labels, total in _family(self.name, snapshot.totals)
        )

    def value(self, total: Number) -> Number:
        """Return the value that is published for a total."""
        return total if self.divisor == 1 else total / self.divisor


def totals(name: str) -> TotalsOf:
    """Return a function that collects the totals of the counter `name` from a snapshot."""
    return TotalsOf(name)


def usd_totals(name: str) -> TotalsOf:
    """Return a function that collects the totals of the counter `name` in US dollars.

    The totals in the snapshot are in picodollars.
    """
    return TotalsOf(name, PICODOLLARS_PER_USD)


def agent_totals(name: str) -> Collect:
    """Return a function that collects the totals of the counter `name`, which has the label agent.

    A scanned agent without a total has the value 0.
    """

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        yield from _family(name, snapshot.totals)
        for agent in _scanned(snapshot):
            if (name, agent) not in snapshot.totals:
                yield (agent,), 0

    return collect


def agent_histograms(name: str, bounds: tuple[float, ...]) -> Collect:
    """Return a function that collects one histogram for each agent.

    Agents that have no observations and were not scanned are left out. The totals of the snapshot
    contain the values: `(name, agent, bucket)` is the number of observations in a bucket, and
    `(name + "_sum", agent)` is the sum of the observations. `bucket` is the text of the upper bound
    of the bucket, or "inf".
    """
    buckets = (*map(str, bounds), "inf")

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        observed = [series[1] for series in snapshot.totals if series[0] == f"{name}_sum"]
        for agent in dict.fromkeys((*observed, *_scanned(snapshot))):
            counts = (int(snapshot.totals.get((name, agent, bucket), 0)) for bucket in buckets)
            total = snapshot.totals.get((f"{name}_sum", agent), 0.0)
            yield (agent,), HistogramValue(bounds, tuple(counts), total)

    return collect


def gauges(name: str) -> Collect:
    """Return a function that collects the values of the gauge `name` from `Snapshot.gauges`."""
    return lambda snapshot: _family(name, snapshot.gauges)


def _family(name: str, values: Mapping[Series, Number]) -> Iterator[tuple[Labels, Number]]:
    return ((series[1:], value) for series, value in values.items() if series[0] == name)


def _scanned(snapshot: Snapshot) -> list[str]:
    return [s.agent for s in snapshot.agents if s.enabled and s.up is not None]


def each_agent(value_of: Callable[[AgentStatus], Number | None]) -> Collect:
    """Return a function that collects one value for each agent.

    Agents for which `value_of` returns None are left out.
    """

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for status in snapshot.agents:
            value = value_of(status)
            if value is not None:
                yield (status.agent,), value

    return collect


def each_session(value_of: Callable[[Session], Number | None]) -> Collect:
    """Return a function that collects one value for each session in `Snapshot.published`.

    Sessions for which `value_of` returns None are left out.
    """

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for session in snapshot.published:
            value = value_of(session)
            if value is not None:
                yield (session.session_id, session.agent), value

    return collect
