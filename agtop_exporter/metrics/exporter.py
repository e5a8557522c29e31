"""Defines metrics of the exporter itself: refreshes, prices, ledger, pushes and configuration."""

from collections.abc import Iterator

from agtop_exporter.labels import PRICE_SOURCES, SERIES_LIMITS
from agtop_exporter.metrics.limits import DROPPED, SOURCES, STAGES
from agtop_exporter.metrics.metric import Metric, Sample, gauges, totals
from agtop_exporter.metrics.scans import SCANS
from agtop_exporter.model import REFRESH_STAGES, Snapshot

_DROPPED, _STAGES, _SOURCES = map(", ".join, (SERIES_LIMITS, REFRESH_STAGES, PRICE_SOURCES))
"""The possible values of labels as text, separated by commas, for the help texts."""


def _snapshot_timestamp(snapshot: Snapshot) -> Iterator[Sample]:
    yield (), snapshot.generated_at if snapshot.result_of is None else snapshot.result_of


def _refresh_errors(snapshot: Snapshot) -> Iterator[Sample]:
    for stage in REFRESH_STAGES:
        yield (stage,), snapshot.totals.get(("refresh_errors", stage), 0)


def _pricing_info(snapshot: Snapshot) -> Iterator[Sample]:
    for price_source in snapshot.price_sources:
        yield (price_source.source, price_source.version), 1


def _pricing_updates(snapshot: Snapshot) -> Iterator[Sample]:
    for price_source in snapshot.price_sources:
        if price_source.updated_at is not None:
            yield (price_source.source,), price_source.updated_at


EXPORTER = (
    Metric(
        name="agtop_build_info",
        kind="info",
        labels=("version", "revision", "python_version"),
        help="Version of the running exporter, and the commit of its source; revision is empty if "
        "the commit is unknown. The value is always 1.",
        otel_name="agtop.build.info",
        collect=gauges("build_info"),
    ),
    *SCANS,
    Metric(
        name="agtop_series_dropped",
        kind="gauge",
        labels=("limit",),
        help="Sessions, models, tools, projects and accounts that have no series of their own, by "
        f"limit: {_DROPPED}.",
        otel_name="agtop.series.dropped",
        otel_unit="{series}",
        limits=(DROPPED,),
        collect=gauges("series_dropped"),
    ),
    Metric(
        name="agtop_snapshot_timestamp_seconds",
        kind="gauge",
        help="Time when the background scan that this page shows ended, in unix seconds.",
        otel_name="agtop.snapshot.timestamp",
        otel_unit="s",
        collect=_snapshot_timestamp,
    ),
    Metric(
        name="agtop_refresh_duration_seconds",
        kind="gauge",
        help="Duration in seconds of the last background refresh, including all stages.",
        otel_name="agtop.refresh.duration",
        otel_unit="s",
        collect=gauges("refresh_duration_seconds"),
    ),
    Metric(
        name="agtop_refresh_errors_total",
        kind="counter",
        labels=("stage",),
        help=f"Unexpected errors that ended a part of a background refresh, by stage: {_STAGES}.",
        otel_name="agtop.refresh.errors",
        otel_unit="{error}",
        limits=(STAGES,),
        collect=_refresh_errors,
    ),
    Metric(
        name="agtop_ledger_bytes",
        kind="gauge",
        help="Size of the ledger in bytes, as of the last background scan.",
        otel_name="agtop.ledger",
        otel_unit="By",
        collect=gauges("ledger_bytes"),
    ),
    Metric(
        name="agtop_ledger_durable",
        kind="gauge",
        help="1 if the last refresh is stored on disk, 0 if it is in memory only and a restart "
        "would lose it. Absent with --no-state.",
        otel_name="agtop.ledger.durable",
        collect=gauges("ledger_durable"),
    ),
    Metric(
        name="agtop_pricing_info",
        kind="info",
        labels=("source", "version"),
        help=f"Price tables in use: {_SOURCES}. The value is always 1.",
        otel_name="agtop.pricing.info",
        limits=(SOURCES,),
        collect=_pricing_info,
    ),
    Metric(
        name="agtop_pricing_last_update_timestamp_seconds",
        kind="gauge",
        labels=("source",),
        help="Date of a price table's data in unix seconds: of its download, or of the release of "
        "a bundled table. Absent if the table has no date.",
        otel_name="agtop.pricing.last_update.timestamp",
        otel_unit="s",
        limits=(SOURCES,),
        collect=_pricing_updates,
    ),
    Metric(
        name="agtop_pricing_refresh_errors_total",
        kind="counter",
        help="Failed downloads of price tables.",
        otel_name="agtop.pricing.refresh.errors",
        otel_unit="{error}",
        collect=totals("pricing_refresh_errors"),
    ),
    Metric(
        name="agtop_otlp_exports_total",
        kind="counter",
        help="Attempted OTLP pushes. Retries of a push are not counted.",
        otel_name="agtop.otlp.exports",
        otel_unit="{export}",
        collect=totals("otlp_exports"),
    ),
    Metric(
        name="agtop_otlp_export_errors_total",
        kind="counter",
        help="OTLP pushes that were not delivered after all retries.",
        otel_name="agtop.otlp.export.errors",
        otel_unit="{error}",
        collect=totals("otlp_export_errors"),
    ),
    Metric(
        name="agtop_listening_unprotected",
        kind="gauge",
        help="1 if other machines can connect without TLS or without authentication, 0 otherwise.",
        otel_name="agtop.listening.unprotected",
        collect=gauges("listening_unprotected"),
    ),
    Metric(
        name="agtop_config_last_reload_successful",
        kind="gauge",
        help="1 if the last reload of the configuration succeeded, 0 if it failed.",
        otel_name="agtop.config.last_reload.successful",
        collect=gauges("config_last_reload_successful"),
    ),
)
