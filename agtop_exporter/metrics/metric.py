"""What a metric is, and the samples that it gives of one snapshot.

Nothing here knows a metric by name, or how a page is written.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, AgentStatus, Session, Snapshot

Number = int | float
Labels = tuple[str, ...]


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """The value of a histogram: how many observations each bucket holds, and their sum.

    `counts` has one more than `bounds`: an observation is in the first bucket whose bound it does
    not exceed, and in the last one above all bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """All observations."""
        return sum(self.counts)

    @property
    def empty(self) -> "Distribution":
        """The same buckets before the first observation."""
        return Distribution(self.bounds, (0,) * len(self.counts), 0.0)


Value = Number | Distribution
Sample = tuple[Labels, Value]
Collect = Callable[[Snapshot], Iterable[Sample]]

UNITS = ("seconds", "bytes", "ratio", "usd", "tokens")
"""Words that are a unit where they end a metric's name (OpenMetrics 1.0, "Unit")."""

LABEL_BYTES = 128
"""Longest label value that is published, in bytes of UTF-8."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One family of series: what its name, labels and values mean, here and over OTLP."""

    name: str
    kind: Literal["counter", "gauge", "info", "histogram"]
    labels: tuple[str, ...] = ()
    help: str
    otel_name: str
    otel_unit: str = ""
    cap: str  # how many series there can be, in words
    collect: Collect

    @property
    def family(self) -> str:
        """The name without the suffix that OpenMetrics adds to the samples of its type."""
        suffixes = {"counter": "_total", "info": "_info"}
        return self.name.removesuffix(suffixes.get(self.kind, ""))

    @property
    def unit(self) -> str:
        """The unit that ends the name, or "" where a count is of things."""
        last_word = self.family.rpartition("_")[2]
        return last_word if last_word in UNITS else ""


class Family(msgspec.Struct, frozen=True, gc=False):
    """A metric and its samples; no two have the same labels."""

    metric: Metric
    samples: tuple[Sample, ...]


Exposition = tuple[Family, ...]
"""One page, whatever its format: the families that have samples, in the catalogue's order."""


def expose(metrics: Iterable[Metric], snapshot: Snapshot) -> Exposition:
    """Collect every metric: label values cleaned, of equal label sets the first, none empty."""
    families = (Family(metric, _samples(metric, snapshot)) for metric in metrics)
    return tuple(family for family in families if family.samples)


def _samples(metric: Metric, snapshot: Snapshot) -> tuple[Sample, ...]:
    samples: dict[Labels, Value] = {}
    for labels, value in metric.collect(snapshot):
        samples.setdefault(clean(labels), value)
    return tuple(samples.items())


@lru_cache(maxsize=16_384)  # above the most series of a page: a cycle through fewer never hits
def clean(labels: Labels) -> Labels:
    """Drop lone surrogates and control characters, and what is beyond `LABEL_BYTES`."""
    return tuple(map(_clean_value, labels))


def _clean_value(value: str) -> str:
    if value.isascii() and value.isprintable() and len(value) <= LABEL_BYTES:
        return value
    visible = "".join(char for char in value if char >= " " and not "\x7f" <= char <= "\x9f")
    return visible.encode("utf-8", "ignore")[:LABEL_BYTES].decode("utf-8", "ignore")


def totals(name: str) -> Collect:
    """Publish the running totals called `name`."""

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for series, value in snapshot.totals.items():
            if series[0] == name:
                yield series[1:], value

    return collect


def usd_totals(name: str) -> Collect:
    """Publish the running totals called `name`, which are picodollars, in US dollars."""

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for series, value in snapshot.totals.items():
            if series[0] == name:
                yield series[1:], value / PICODOLLARS_PER_USD

    return collect


def agent_totals(name: str) -> Collect:
    """Publish the running totals called `name`, and 0 for a scanned agent that has none yet."""
    collect_totals = totals(name)

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        yield from collect_totals(snapshot)
        for status in snapshot.agents:
            if (
                status.enabled
                and status.up is not None
                and (name, status.agent) not in (snapshot.totals)
            ):
                yield (status.agent,), 0

    return collect


def agent_distributions(name: str, bounds: tuple[float, ...]) -> Collect:
    """Publish the observations called `name`, for a scanned agent also where it has none yet.

    The totals are `(name, agent, bucket)`, the bucket named after its bound, and
    `(name + "_sum", agent)`.
    """
    buckets = (*map(str, bounds), "inf")

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        observed = [series[1] for series in snapshot.totals if series[0] == f"{name}_sum"]
        scanned = [s.agent for s in snapshot.agents if s.enabled and s.up is not None]
        for agent in dict.fromkeys((*observed, *scanned)):
            counts = (int(snapshot.totals.get((name, agent, bucket), 0)) for bucket in buckets)
            total = snapshot.totals.get((f"{name}_sum", agent), 0.0)
            yield (agent,), Distribution(bounds, tuple(counts), total)

    return collect


def gauges(name: str) -> Collect:
    """Publish the exporter's own gauges called `name`."""

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for series, value in snapshot.gauges.items():
            if series[0] == name:
                yield series[1:], value

    return collect


def each_agent(value_of: Callable[[AgentStatus], Number | None]) -> Collect:
    """Publish one value an agent, where it is known."""

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for status in snapshot.agents:
            value = value_of(status)
            if value is not None:
                yield (status.agent,), value

    return collect


def each_session(value_of: Callable[[Session], Number | None]) -> Collect:
    """Publish one value a published session, where it is known."""

    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for session in snapshot.published:
            value = value_of(session)
            if value is not None:
                yield (session.session_id, session.agent), value

    return collect
