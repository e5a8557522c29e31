"""Metrics of the exporter's own work: scans, prices, ledger and configuration."""

from collections.abc import Iterator

from agtop_exporter.catalogue.metric import (
    Metric,
    Sample,
    agent_totals,
    each_agent,
    gauges,
    totals,
)
from agtop_exporter.labels import RESET_REASONS
from agtop_exporter.model import REFRESH_STAGES, Snapshot


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
        help="Build of the running exporter, always 1.",
        otel_name="agtop.build.info",
        cap="1",
        collect=gauges("build_info"),
    ),
    Metric(
        name="agtop_agent_up",
        kind="gauge",
        labels=("agent",),
        help="1 if the last background refresh read and processed all files of the agent, 0 if a "
        "part of it failed. Absent where the agent is not installed.",
        otel_name="agtop.agent.up",
        cap="agents",
        collect=each_agent(lambda status: None if status.up is None else int(status.up)),
    ),
    Metric(
        name="agtop_agent_enabled",
        kind="gauge",
        labels=("agent",),
        help="1 if the agent is selected and its data directory exists, 0 if not.",
        otel_name="agtop.agent.enabled",
        cap="agents",
        collect=each_agent(lambda status: int(status.enabled)),
    ),
    Metric(
        name="agtop_scan_duration_seconds",
        kind="gauge",
        labels=("agent",),
        help="Duration in seconds of the last background scan of the agent's files.",
        otel_name="agtop.scan.duration",
        otel_unit="s",
        cap="agents",
        collect=each_agent(lambda status: status.scan_duration_seconds),
    ),
    Metric(
        name="agtop_scan_last_success_timestamp_seconds",
        kind="gauge",
        labels=("agent",),
        help="Last successful background scan of the agent's files, in unix seconds.",
        otel_name="agtop.scan.last_success.timestamp",
        otel_unit="s",
        cap="agents",
        collect=each_agent(lambda status: status.last_success),
    ),
    Metric(
        name="agtop_scan_errors_total",
        kind="counter",
        labels=("agent",),
        help="Failed background scans of the agent's files, and project folders that do not "
        "respond.",
        otel_name="agtop.scan.errors",
        otel_unit="{error}",
        cap="agents",
        collect=agent_totals("scan_errors"),
    ),
    Metric(
        name="agtop_scan_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes of the agent's files read by background scans.",
        otel_name="agtop.scan",
        otel_unit="By",
        cap="agents",
        collect=agent_totals("scan_bytes"),
    ),
    Metric(
        name="agtop_scan_records_total",
        kind="counter",
        labels=("agent",),
        help="Records of the agent's files read by background scans, those with errors included.",
        otel_name="agtop.scan.records",
        otel_unit="{record}",
        cap="agents",
        collect=agent_totals("scan_records"),
    ),
    Metric(
        name="agtop_parse_errors_total",
        kind="counter",
        labels=("agent", "reason"),
        help="Records of the agent's files that background scans could not use.",
        otel_name="agtop.parse.errors",
        otel_unit="{record}",
        cap="agents x 6 reasons",
        collect=totals("parse_errors"),
    ),
    Metric(
        name="agtop_unknown_records_total",
        kind="counter",
        labels=("agent",),
        help="Records of a type that this version does not know: the agent's format may have "
        "changed.",
        otel_name="agtop.unknown.records",
        otel_unit="{record}",
        cap="agents",
        collect=agent_totals("unknown_records"),
    ),
    Metric(
        name="agtop_files_tracked",
        kind="gauge",
        labels=("agent",),
        help="Files of the agent that the last background scan knew.",
        otel_name="agtop.files.tracked",
        otel_unit="{file}",
        cap="agents",
        collect=each_agent(lambda status: None if status.up is None else status.files),
    ),
    Metric(
        name="agtop_source_resets_total",
        kind="counter",
        labels=("agent", "reason"),
        help="Files that background scans read from the start again: truncated, rewritten or "
        "replaced. Nothing is counted twice for it.",
        otel_name="agtop.source.resets",
        otel_unit="{event}",
        cap=f"agents x {len(RESET_REASONS)} reasons",
        collect=totals("source_resets"),
    ),
    Metric(
        name="agtop_process_scan_errors_total",
        kind="counter",
        labels=("reason",),
        help="Processes that process scans could not look at.",
        otel_name="agtop.process.scan.errors",
        otel_unit="{error}",
        cap="5 reasons",
        collect=totals("process_scan_errors"),
    ),
    Metric(
        name="agtop_series_dropped",
        kind="gauge",
        labels=("limit",),
        help="Label values folded into other, or sessions without series, by the limit that did "
        "it, as of the last background scan.",
        otel_name="agtop.series.dropped",
        otel_unit="{series}",
        cap="4 limits",
        collect=gauges("series_dropped"),
    ),
    Metric(
        name="agtop_snapshot_timestamp_seconds",
        kind="gauge",
        help="When the last background scan ended whose result this page shows, in unix seconds.",
        otel_name="agtop.snapshot.timestamp",
        otel_unit="s",
        cap="1",
        collect=_snapshot_timestamp,
    ),
    Metric(
        name="agtop_refresh_duration_seconds",
        kind="gauge",
        help="Duration in seconds of the last background refresh, all stages together.",
        otel_name="agtop.refresh.duration",
        otel_unit="s",
        cap="1",
        collect=gauges("refresh_duration_seconds"),
    ),
    Metric(
        name="agtop_refresh_errors_total",
        kind="counter",
        labels=("stage",),
        help="Unexpected errors, each of which ended one part of a background refresh, by stage.",
        otel_name="agtop.refresh.errors",
        otel_unit="{error}",
        cap=f"{len(REFRESH_STAGES)} stages",
        collect=_refresh_errors,
    ),
    Metric(
        name="agtop_ledger_bytes",
        kind="gauge",
        help="Size of the ledger in bytes, as of the last background scan.",
        otel_name="agtop.ledger",
        otel_unit="By",
        cap="1",
        collect=gauges("ledger_bytes"),
    ),
    Metric(
        name="agtop_ledger_durable",
        kind="gauge",
        help="1 if the last refresh is stored in the ledger on disk, 0 if it is in memory only and "
        "a restart would lose it. Absent with --no-state.",
        otel_name="agtop.ledger.durable",
        cap="1",
        collect=gauges("ledger_durable"),
    ),
    Metric(
        name="agtop_pricing_info",
        kind="info",
        labels=("source", "version"),
        help="Price tables in use, always 1.",
        otel_name="agtop.pricing.info",
        cap="3 sources",
        collect=_pricing_info,
    ),
    Metric(
        name="agtop_pricing_last_update_timestamp_seconds",
        kind="gauge",
        labels=("source",),
        help="Date of a price table's data in unix seconds, absent where the table does not tell.",
        otel_name="agtop.pricing.last_update.timestamp",
        otel_unit="s",
        cap="3 sources",
        collect=_pricing_updates,
    ),
    Metric(
        name="agtop_pricing_refresh_errors_total",
        kind="counter",
        help="Failed downloads of price tables.",
        otel_name="agtop.pricing.refresh.errors",
        otel_unit="{error}",
        cap="1",
        collect=totals("pricing_refresh_errors"),
    ),
    Metric(
        name="agtop_otlp_exports_total",
        kind="counter",
        help="Pushes over OTLP that were tried, retries within one not counted.",
        otel_name="agtop.otlp.exports",
        otel_unit="{export}",
        cap="1",
        collect=totals("otlp_exports"),
    ),
    Metric(
        name="agtop_otlp_export_errors_total",
        kind="counter",
        help="Pushes over OTLP that were not delivered, after all retries.",
        otel_name="agtop.otlp.export.errors",
        otel_unit="{error}",
        cap="1",
        collect=totals("otlp_export_errors"),
    ),
    Metric(
        name="agtop_config_last_reload_successful",
        kind="gauge",
        help="1 if the last reload of the configuration succeeded, 0 if it failed.",
        otel_name="agtop.config.last_reload.successful",
        cap="1",
        collect=gauges("config_last_reload_successful"),
    ),
)
