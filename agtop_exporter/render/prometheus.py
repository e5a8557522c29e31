r"""Renders an exposition as a page in the two text formats of Prometheus.

    # HELP agtop_turns_total Prompts typed by the user, as of the last background scan.
    # TYPE agtop_turns_total counter
    agtop_turns_total{agent="claude-code"} 12

Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> (text 0.0.4) and
<https://prometheus.io/docs/specs/om/open_metrics_spec/> (OpenMetrics 1.0.0). The formats differ in
their header lines. OpenMetrics also has the time at which a counter was 0, if it is known.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import groupby
from math import inf, isinf, isnan
from operator import attrgetter

from agtop_exporter.caches import drop_if_outdated
from agtop_exporter.metrics import (
    Exposition,
    Family,
    HistogramValue,
    Labels,
    Metric,
    Number,
    Samples,
)

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OPENMETRICS_END = b"# EOF\n"


def text(exposition: Exposition) -> bytes:
    """Return the page in the text format 0.0.4."""
    return both(exposition)[0]


def openmetrics(exposition: Exposition) -> bytes:
    """Return the page in OpenMetrics 1.0.0."""
    return both(exposition)[1] + OPENMETRICS_END


def both(exposition: Exposition) -> tuple[bytes, bytes]:
    """Return two pages: text 0.0.4, and OpenMetrics 1.0.0 without the last line `# EOF`."""
    text_parts: list[str] = []
    openmetrics_parts: list[str] = []
    for family in exposition:
        points = list(_points(family))
        samples = "".join(points)
        text_parts += _text_header(family.metric), samples
        if family.created:
            samples = "".join(_with_creation_times(family, points))
        openmetrics_parts += _openmetrics_header(family.metric), samples
    openmetrics_page = "".join(openmetrics_parts)
    drop_if_outdated(_series_of_page, used=openmetrics_page.count("\n"))
    return "".join(text_parts).encode(), openmetrics_page.encode()


def openmetrics_of(samples: Iterable[Samples], labels: Mapping[str, str]) -> bytes:
    """Return a page in OpenMetrics 1.0.0 of samples with timestamps, for a backfill.

    The samples of a metric must be adjacent. `labels` are added to every series.
    """
    parts: list[str] = []
    for metric, group in groupby(samples, key=attrgetter("metric")):
        parts.append(_openmetrics_header(metric))
        names = (*metric.labels, *labels)
        for one in group:
            series = _series(metric.name, names, (*one.labels, *labels.values()))
            ends = _line_ends(one.times)
            if one.values[0] == one.values[-1]:  # in most hours, most counters do not change
                line = f"{series}{one.values[0]!r}"
                parts.append(line + line.join(ends))
            else:
                parts += [
                    f"{series}{value!r}{end}" for value, end in zip(one.values, ends, strict=True)
                ]
    return "".join(parts).encode() + OPENMETRICS_END


@lru_cache(maxsize=64)
def _line_ends(times: range) -> tuple[str, ...]:
    return tuple(f" {time}\n" for time in times)


def _text_header(metric: Metric) -> str:
    documentation = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = "gauge" if metric.kind == "info" else metric.kind
    return f"# HELP {metric.name} {documentation}\n# TYPE {metric.name} {kind}\n"


def _openmetrics_header(metric: Metric) -> str:
    unit = f"# UNIT {metric.family} {metric.unit}\n" if metric.unit else ""
    return (
        f"# TYPE {metric.family} {metric.kind}\n{unit}"
        f"# HELP {metric.family} {_escaped(metric.help)}\n"
    )


def _points(family: Family) -> Iterator[str]:
    """Yield the lines of each series."""
    name, names = family.metric.name, family.metric.labels
    for labels, value in family.samples:
        if isinstance(value, HistogramValue):
            yield "".join(_histogram(family.metric, labels, value))
            continue
        number = repr(value) if type(value) is int else _number(value)
        yield f"{_series_of_page(name, names, labels)}{number}\n"


def _with_creation_times(family: Family, points: Iterable[str]) -> Iterator[str]:
    """Yield the lines of each series, followed by its creation time if it is known."""
    name = f"{family.metric.family}_created"
    for (labels, _), lines in zip(family.samples, points, strict=True):
        yield lines
        if created := family.created.get(labels):
            yield f"{_series_of_page(name, family.metric.labels, labels)}{_number(created)}\n"


def _histogram(metric: Metric, labels: Labels, value: HistogramValue) -> Iterator[str]:
    """Yield the lines of a histogram: its buckets with cumulative counts, its sum and its count."""
    name, below = metric.name, 0
    for bound, count in zip((*value.bounds, inf), value.counts, strict=True):
        below += count
        bucket = _series_of_page(
            f"{name}_bucket", (*metric.labels, "le"), (*labels, _number(bound))
        )
        yield f"{bucket}{below}\n"
    yield f"{_series_of_page(f'{name}_sum', metric.labels, labels)}{_number(value.sum)}\n"
    yield f"{_series_of_page(f'{name}_count', metric.labels, labels)}{value.count}\n"


def _series(name: str, names: tuple[str, ...], labels: Labels) -> str:
    if not names:
        return f"{name} "
    pairs = (f'{key}="{_escaped(value)}"' for key, value in zip(names, labels, strict=True))
    return f"{name}{{{','.join(pairs)}}} "


_series_of_page = cache(_series)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: Number) -> str:
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
