"""The names that a Prometheus-compatible backend derives from OTLP names."""

import math
import re

from otlp_receiver import attributes, metrics, number, points

UNITS = {"s": "seconds", "By": "bytes", "1": "", "%": "percent"}


def prometheus_name(name, unit, *, monotonic=False, gauge=False):
    """Translate as prometheus/otlptranslator does: `metric_namer.go`, 2025.

    The strategy is UnderscoreEscapingWithSuffixes, its default.
    """
    words = [word for word in re.split(r"[^a-zA-Z0-9]+", name) if word]
    plain = re.sub(r"\{.*\}", "", unit)
    plain = UNITS.get(plain, plain)
    if plain and plain not in words:
        words.append(plain)
    if monotonic:
        words = [word for word in words if word != "total"] + ["total"]
    elif unit == "1" and gauge:
        words = [word for word in words if word != "ratio"] + ["ratio"]
    return "_".join(words)


def as_page(request):
    """Return the samples that a Prometheus receiver derives from a request."""
    samples = {}
    for metric in metrics(request).values():
        kind = metric.WhichOneof("data")
        name = prometheus_name(
            metric.name, metric.unit, monotonic=kind == "sum", gauge=kind == "gauge"
        )
        for point in points(metric):
            labels = {key.replace(".", "_"): value for key, value in attributes(point).items()}
            add = _histogram_samples if kind == "histogram" else _number_samples
            for suffix, more, value in add(point):
                key = (name + suffix, tuple(sorted((labels | more).items())))
                assert key not in samples
                samples[key] = value
    return samples


def _number_samples(point):
    yield "", {}, number(point)


def _histogram_samples(point):
    below = 0
    for bound, count in zip((*point.explicit_bounds, math.inf), point.bucket_counts, strict=True):
        below += count
        yield "_bucket", {"le": "+Inf" if bound == math.inf else repr(bound)}, below
    yield "_count", {}, point.count
    yield "_sum", {}, point.sum
