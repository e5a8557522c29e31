"""Collects the gauges that describe the exporter itself: its build, its ledger and its limits."""

from platform import python_version

from agtop_exporter import __version__
from agtop_exporter.build import revision
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Series


def exporter_gauges(
    ledger: Ledger, *, refresh_seconds: float, dropped_sessions: int
) -> dict[Series, float]:
    """Return the gauges of the exporter after a refresh that took `refresh_seconds`.

    `dropped_sessions` is the number of recent sessions without series of their own.
    """
    return {
        **_ledger_gauges(ledger),
        ("build_info", __version__, revision(), python_version()): 1,
        ("refresh_duration_seconds",): refresh_seconds,
        ("series_dropped", "sessions"): dropped_sessions,
        **{("cost_correction", agent): cost for agent, cost in ledger.corrections.items()},
        **{("series_dropped", name): n for name, n in ledger.dropped_labels().items()},
    }


def _ledger_gauges(ledger: Ledger) -> dict[Series, float]:
    gauges: dict[Series, float] = {}
    size_bytes, durable = ledger.size_bytes(), ledger.durable
    if size_bytes or durable is None:
        gauges["ledger_bytes",] = size_bytes
    if durable is not None:
        gauges["ledger_durable",] = int(durable)
    return gauges
