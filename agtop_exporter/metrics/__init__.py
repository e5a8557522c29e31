"""Defines the catalogue: one table of all metrics.

Every page and every OTLP push is generated from the catalogue. The modules `aggregates`,
`activity`, `rate_limits`, `budgets`, `sessions` and `exporter` (with `scans`) define its metrics,
in the order of the pages. The names, labels and meanings of metrics are a public interface: a
change breaks dashboards.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from agtop_exporter.caches import drop_if_outdated
from agtop_exporter.metrics.activity import ACTIVITY
from agtop_exporter.metrics.aggregates import AGGREGATES
from agtop_exporter.metrics.budgets import BUDGET_METRICS
from agtop_exporter.metrics.exporter import EXPORTER
from agtop_exporter.metrics.history import (
    PastCounter,
    Samples,
    Span,
    by_day,
    first_hour,
    past_counters,
)
from agtop_exporter.metrics.metric import (
    Exposition,
    Family,
    HistogramValue,
    Labels,
    Metric,
    Number,
    Value,
    clean_of_page,
    expose,
)
from agtop_exporter.metrics.publication import Publication, starts, zero_first
from agtop_exporter.metrics.rate_limits import RATE_LIMITS
from agtop_exporter.metrics.sessions import SESSION_METRICS
from agtop_exporter.model import Series, Snapshot

__all__ = [
    "CATALOGUE",
    "Exposition",
    "Family",
    "HistogramValue",
    "Labels",
    "Metric",
    "Number",
    "PastCounter",
    "Publication",
    "Samples",
    "Span",
    "Value",
    "by_day",
    "collect",
    "first_hour",
    "markdown",
    "past_counters",
    "publish",
    "resume",
    "starts",
    "zero_first",
]

CATALOGUE: tuple[Metric, ...] = (
    *AGGREGATES,
    *ACTIVITY,
    *RATE_LIMITS,
    *BUDGET_METRICS,
    *SESSION_METRICS,
    *EXPORTER,
)


def collect(snapshot: Snapshot) -> Exposition:
    """Return the metrics of the catalogue that have samples in `snapshot`, with these samples."""
    page = expose(CATALOGUE, snapshot)
    drop_if_outdated(clean_of_page, used=sum(len(family.samples) for family in page))
    return page


def publish(
    snapshot: Snapshot,
    before: Publication | None = None,
    *,
    previous: Snapshot | None = None,
) -> Publication:
    """Return the values to publish for `snapshot`, after the publication `before`.

    `previous` is the snapshot of `before`. Receivers get new counter series with their baselines
    first; see `zero_first`.
    """
    baseline = starts(previous, snapshot) if previous else ()
    return zero_first(collect(snapshot), before, at=snapshot.generated_at, baseline=baseline)


def resume(
    now: Snapshot, *, totals: Mapping[Series, int | float], sessions: AbstractSet[tuple[str, str]]
) -> Publication:
    """Return the last publication of an earlier process, reconstructed from the ledger.

    `now` is the snapshot of the first refresh in this process. `totals` are the totals in the
    ledger before the first refresh. `sessions` has the agent and the session id of each session
    that was in the ledger before the first refresh. Series that are not in the result are new to
    receivers and start at 0.
    """
    known = tuple(s for s in now.published if (s.agent, s.session_id) in sessions)
    earlier = msgspec.structs.replace(now, totals=totals, published=known, agents=())
    return Publication(collect(earlier))


def markdown() -> str:
    """Return the catalogue as a Markdown table.

    | Metric | Type | Labels | Meaning | OTLP name | OTLP unit | Maximum of series |
    |---|---|---|---|---|---|---|
    | `agtop_turns_total` | counter | `agent` | ... | `agtop.turns` | `{turn}` | 9 agents |
    """
    header = "| Metric | Type | Labels | Meaning | OTLP name | OTLP unit | Maximum of series |\n"
    rule = "|---|---|---|---|---|---|---|\n"
    return header + rule + "".join(map(_row, CATALOGUE))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    unit = f"`{metric.otel_unit}`" if metric.otel_unit else "none"
    return (
        f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} "
        f"| `{metric.otel_name}` | {unit} | {_series_max(metric)} |\n"
    )


def _series_max(metric: Metric) -> str:
    factors = " x ".join(f"{limit.number} {limit.noun}" for limit in metric.limits)
    if len(metric.limits) > 1:
        return f"{metric.series_max:,} = {factors}"
    return factors or "1"
