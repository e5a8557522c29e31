"""The name that a Prometheus-compatible backend gives to an OTLP metric."""

import re

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
