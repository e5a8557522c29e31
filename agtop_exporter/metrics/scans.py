"""Defines metrics of the scans of the agents' files and of the processes."""

from agtop_exporter.labels import PARSE_ERROR_REASONS, PROCESS_SCAN_ERROR_REASONS, RESET_REASONS
from agtop_exporter.metrics.limits import AGENTS, PARSE_ERRORS, PROCESS_ERRORS, RESETS
from agtop_exporter.metrics.metric import Metric, agent_totals, each_agent, totals

_PARSE_ERRORS, _RESETS, _PROCESS_ERRORS = map(
    ", ".join, (PARSE_ERROR_REASONS, RESET_REASONS, PROCESS_SCAN_ERROR_REASONS)
)
"""The possible values of labels as text, separated by commas, for the help texts."""

SCANS = (
    Metric(
        name="agtop_agent_up",
        kind="gauge",
        labels=("agent",),
        help="1 if the last background refresh read and processed all files of the agent, 0 if a "
        "part of it failed. Absent if the agent is not installed.",
        otel_name="agtop.agent.up",
        limits=(AGENTS,),
        collect=each_agent(lambda status: None if status.up is None else int(status.up)),
    ),
    Metric(
        name="agtop_agent_enabled",
        kind="gauge",
        labels=("agent",),
        help="1 if the agent is selected and its data directory exists, 0 otherwise.",
        otel_name="agtop.agent.enabled",
        limits=(AGENTS,),
        collect=each_agent(lambda status: int(status.enabled)),
    ),
    Metric(
        name="agtop_scan_duration_seconds",
        kind="gauge",
        labels=("agent",),
        help="Duration in seconds of the last background scan of the agent's files.",
        otel_name="agtop.scan.duration",
        otel_unit="s",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.scan_duration_seconds),
    ),
    Metric(
        name="agtop_scan_last_success_timestamp_seconds",
        kind="gauge",
        labels=("agent",),
        help="Time of the last successful background scan of the agent's files, in unix seconds.",
        otel_name="agtop.scan.last_success.timestamp",
        otel_unit="s",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.last_success),
    ),
    Metric(
        name="agtop_scan_errors_total",
        kind="counter",
        labels=("agent",),
        help="Background scans in which a part of the agent's files could not be read, or a "
        "project folder did not respond. Each scan counts once.",
        otel_name="agtop.scan.errors",
        otel_unit="{error}",
        limits=(AGENTS,),
        collect=agent_totals("scan_errors"),
    ),
    Metric(
        name="agtop_scan_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes of the agent's files that background scans read.",
        otel_name="agtop.scan",
        otel_unit="By",
        limits=(AGENTS,),
        collect=agent_totals("scan_bytes"),
    ),
    Metric(
        name="agtop_scan_records_total",
        kind="counter",
        labels=("agent",),
        help="Records of the agent's files that background scans read, including records with "
        "errors.",
        otel_name="agtop.scan.records",
        otel_unit="{record}",
        limits=(AGENTS,),
        collect=agent_totals("scan_records"),
    ),
    Metric(
        name="agtop_parse_errors_total",
        kind="counter",
        labels=("agent", "reason"),
        help="Records that background scans could not use, or only in part, by reason: "
        f"{_PARSE_ERRORS}.",
        otel_name="agtop.parse.errors",
        otel_unit="{record}",
        limits=(AGENTS, PARSE_ERRORS),
        collect=totals("parse_errors"),
    ),
    Metric(
        name="agtop_unknown_records_total",
        kind="counter",
        labels=("agent",),
        help="Records of a type that this version does not know. The agent's format may have "
        "changed.",
        otel_name="agtop.unknown.records",
        otel_unit="{record}",
        limits=(AGENTS,),
        collect=agent_totals("unknown_records"),
    ),
    Metric(
        name="agtop_files_tracked",
        kind="gauge",
        labels=("agent",),
        help="Files of the agent that the last background scan found.",
        otel_name="agtop.files.tracked",
        otel_unit="{file}",
        limits=(AGENTS,),
        collect=each_agent(lambda status: None if status.up is None else status.files),
    ),
    Metric(
        name="agtop_source_resets_total",
        kind="counter",
        labels=("agent", "reason"),
        help=f"Files whose read position was discarded, by reason: {_RESETS}. Files that still "
        "exist are read again from the start. This does not cause double counting.",
        otel_name="agtop.source.resets",
        otel_unit="{event}",
        limits=(AGENTS, RESETS),
        collect=totals("source_resets"),
    ),
    Metric(
        name="agtop_process_scan_errors_total",
        kind="counter",
        labels=("reason",),
        help="Processes that process scans left out or read in part, by reason: "
        f"{_PROCESS_ERRORS}.",
        otel_name="agtop.process.scan.errors",
        otel_unit="{error}",
        limits=(PROCESS_ERRORS,),
        collect=totals("process_scan_errors"),
    ),
)
