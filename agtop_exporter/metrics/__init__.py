"""The catalogue: one declarative table of every metric, from which every page is made.

Three parts by what they describe (`aggregates`, `sessions`, `exporter`), in the order of the
pages. A name, label or meaning here is an interface: changing one breaks dashboards.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from agtop_exporter.metrics.aggregates import AGGREGATES
from agtop_exporter.metrics.exporter import EXPORTER
from agtop_exporter.metrics.metric import (
    Distribution,
    Exposition,
    Family,
    Labels,
    Metric,
    Number,
    Value,
    expose,
)
from agtop_exporter.metrics.publication import Publication, starts, zero_first
from agtop_exporter.metrics.sessions import SESSIONS
from agtop_exporter.model import Series, Snapshot

__all__ = [
    "CATALOGUE",
    "Distribution",
    "Exposition",
    "Family",
    "Labels",
    "Metric",
    "Number",
    "Publication",
    "Value",
    "collect",
    "markdown",
    "publish",
    "resume",
    "starts",
    "zero_first",
]

CATALOGUE: tuple[Metric, ...] = (*AGGREGATES, *SESSIONS, *EXPORTER)


def collect(snapshot: Snapshot) -> Exposition:
    """Return every family of the catalogue that has samples in `snapshot`."""
    return expose(CATALOGUE, snapshot)


def publish(
    snapshot: Snapshot,
    before: Publication | None = None,
    *,
    previous: Snapshot | None = None,
    consumed: bool = True,
) -> Publication:
    """Return what to publish of `snapshot`, after `before` was published of `previous`.

    `consumed` says that a scrape took `before`; see `zero_first`.
    """
    baseline = starts(previous, snapshot) if previous else ()
    return zero_first(collect(snapshot), before, baseline=baseline, consumed=consumed)


def resume(
    now: Snapshot, *, totals: Mapping[Series, int | float], sessions: AbstractSet[tuple[str, str]]
) -> Publication:
    """Return what an earlier process published, as far as its ledger tells, to go on from there.

    `totals` and `sessions`, (agent, session id), are what the ledger knew before it read anything
    of `now`: what has come since then begins at 0.
    """
    known = tuple(s for s in now.published if (s.agent, s.session_id) in sessions)
    earlier = msgspec.structs.replace(now, totals=totals, published=known, agents=())
    return Publication(collect(earlier))


def markdown() -> str:
    """Return the catalogue as a table for the documentation.

    | Metric | Type | Labels | Meaning | OTLP name | OTLP unit | Series |
    |---|---|---|---|---|---|---|
    | `agtop_turns_total` | counter | `agent` | Prompts typed ... | `agtop.turns` | `{turn}` | ...
    """
    header = "| Metric | Type | Labels | Meaning | OTLP name | OTLP unit | Series |\n"
    rule = "|---|---|---|---|---|---|---|\n"
    return header + rule + "".join(map(_row, CATALOGUE))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    unit = f"`{metric.otel_unit}`" if metric.otel_unit else "none"
    return (
        f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} "
        f"| `{metric.otel_name}` | {unit} | {metric.cap} |\n"
    )
