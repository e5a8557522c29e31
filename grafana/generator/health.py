"""The dashboard of the exporter itself: scans, errors and resource usage."""

from functools import partial

from generator.panels import GREEN, ORANGE, RED, bars, board, row, stat, steps, table, timeseries
from generator.variables import Selectors

of = Selectors("agent")
OURS = '{job=~"$job", instance=~"$instance"}'
NO_EXPORTER = "No exporter is scraped"
AGENT = "job, instance, agent"


SCANS_OF_FOUND = (
    f"{of('agtop_scan_duration_seconds')}"
    f" and on (job, instance, agent) {of('agtop_agent_enabled')} == 1"
)


def of_agent(expression):
    return f"sum by ({AGENT}) ({expression})"


small_stat = partial(stat, width=3)

NOW = row(
    "Now",
    small_stat(
        "Exporters up",
        "Exporters that answered the last scrape.",
        f"sum(up{OURS})",
        unit="short",
        empty=NO_EXPORTER,
        thresholds=steps((1, GREEN), base=RED),
    ),
    small_stat(
        "Age of the data",
        "Time since the last scan, for the exporter with the oldest data.",
        f"max(time() - {of('agtop_snapshot_timestamp_seconds')})",
        unit="s",
        empty=NO_EXPORTER,
        thresholds=steps((60, ORANGE), (300, RED)),
    ),
    small_stat(
        "Unusable records",
        "Share of the records that could not be used, in the selected time range.",
        f"(sum({of.grown('agtop_parse_errors_total')}) or vector(0))"
        f" / (sum({of.grown('agtop_scan_records_total')}) > 0)",
        unit="percentunit",
        empty="No record was read",
        thresholds=steps((0.001, ORANGE), (0.01, RED)),
    ),
    small_stat(
        "Series dropped",
        "Sessions, models, tools, projects and accounts without series of their own, because a "
        "limit was reached.",
        f"sum({of('agtop_series_dropped')})",
        unit="short",
        empty=NO_EXPORTER,
        thresholds=steps((1, ORANGE)),
    ),
    small_stat(
        "Series",
        "Samples in the last scrape of all exporters.",
        f"sum(scrape_samples_scraped{OURS})",
        unit="short",
        empty=NO_EXPORTER,
    ),
    small_stat(
        "Failed refreshes",
        "Parts of refreshes that ended with an unexpected error, in the selected time range.",
        f"round(sum({of.grown('agtop_refresh_errors_total')}))",
        unit="short",
        empty=NO_EXPORTER,
        thresholds=steps((1, RED)),
    ),
    small_stat(
        "Ledger on disk",
        "Yes if all exporters have their last refresh on disk. If not, a restart loses data.",
        f"min({of('agtop_ledger_durable')})",
        unit="bool_yes_no",
        empty="No ledger is kept",
        thresholds=steps((1, GREEN), base=RED),
    ),
    small_stat(
        "Settings",
        "Yes if the last reload of the settings succeeded on all exporters.",
        f"min({of('agtop_config_last_reload_successful')})",
        unit="bool_yes_no",
        empty=NO_EXPORTER,
        thresholds=steps((1, GREEN), base=RED),
    ),
)

SCANS = row(
    "Scans",
    table(
        "Agents",
        "For each agent: whether it was found, whether its files can be read, and the last scan.",
        [
            {
                "expr": of_agent(of("agtop_agent_enabled")),
                "title": "Found",
                "unit": "bool_yes_no",
            },
            {
                "expr": of_agent(of("agtop_agent_up")),
                "title": "Readable",
                "unit": "bool_yes_no",
                "thresholds": steps((1, GREEN), base=RED),
            },
            {"expr": of_agent(of("agtop_files_tracked")), "title": "Files", "unit": "short"},
            {
                "expr": of_agent(of("agtop_scan_duration_seconds")),
                "title": "Scan duration",
                "unit": "s",
            },
            {
                "expr": of_agent(f"time() - {of('agtop_scan_last_success_timestamp_seconds')}"),
                "title": "Since the last scan",
                "unit": "s",
            },
            {
                "expr": f"round({of_agent(of.grown('agtop_scan_errors_total'))})",
                "title": "Failed scans",
                "unit": "short",
                "thresholds": steps((1, ORANGE)),
            },
            {
                "expr": f"round({of_agent(of.grown('agtop_unknown_records_total'))})",
                "title": "Unknown records",
                "unit": "short",
                "thresholds": steps((1, ORANGE)),
            },
        ],
        labels=[("agent", "Agent"), ("instance", "Machine")],
        hidden=("job",),
        sort="Found",
        empty=NO_EXPORTER,
        height=10,
    ),
    timeseries(
        "Duration of scans",
        "Duration of the last scan by agent, and of the whole refresh.",
        (
            f"max by (agent) ({SCANS_OF_FOUND})",
            "{{agent}}",
        ),
        (f"max({of('agtop_refresh_duration_seconds')})", "whole refresh"),
        unit="s",
        empty=NO_EXPORTER,
    ),
    timeseries(
        "Bytes read",
        "Bytes per second read from the agents' files.",
        (f"sum by (agent) ({of.rate('agtop_scan_bytes_total')})", "{{agent}}"),
        unit="Bps",
        empty="No bytes read",
    ),
    bars(
        "Unusable records by reason",
        "In the selected time range. schema: changed format. json, encoding: damaged file. "
        "corrupt: damaged database. too_large: line above the limit. negative: exporter bug. "
        "ambiguous: counted, but may be a copy. unknown_usage: not counted.",
        (
            f"round(sum by (agent, reason) ({of.grown('agtop_parse_errors_total')})) > 0",
            "{{agent}} {{reason}}",
        ),
        unit="short",
        empty="No unusable records",
    ),
    bars(
        "File resets",
        "Files that were truncated, rewritten, replaced or deleted in the selected time range. "
        "This does not cause double counting.",
        (
            f"round(sum by (agent, reason) ({of.grown('agtop_source_resets_total')})) > 0",
            "{{agent}} {{reason}}",
        ),
        unit="short",
        empty="No resets",
    ),
)

ITSELF = row(
    "Exporter",
    timeseries(
        "CPU",
        "CPU cores used by the exporter.",
        (
            f"sum by (instance) (rate(process_cpu_seconds_total{OURS}[$__rate_interval]))",
            "{{instance}}",
        ),
        unit="percentunit",
        empty=NO_EXPORTER,
        width=8,
    ),
    timeseries(
        "Memory",
        "Resident memory of the exporter.",
        (f"max by (instance) (process_resident_memory_bytes{OURS})", "{{instance}}"),
        unit="bytes",
        empty=NO_EXPORTER,
        width=8,
    ),
    timeseries(
        "Duration of scrapes",
        "Duration of the scrapes by Prometheus.",
        (f"max by (instance) (scrape_duration_seconds{OURS})", "{{instance}}"),
        unit="s",
        empty=NO_EXPORTER,
        width=8,
    ),
    timeseries(
        "Ledger",
        "Size of the ledger on disk.",
        (f"max by (instance) ({of('agtop_ledger_bytes')}) > 0", "{{instance}}"),
        unit="bytes",
        empty="No ledger is kept (--no-state)",
        width=8,
    ),
    bars(
        "Refresh errors by stage",
        "Unexpected errors that ended a part of a refresh, in the selected time range. The log has "
        "their location.",
        (
            f"round(sum by (instance, stage) ({of.grown('agtop_refresh_errors_total')})) > 0",
            "{{instance}} {{stage}}",
        ),
        unit="short",
        empty="No refresh failed",
        width=8,
    ),
    timeseries(
        "OTLP pushes",
        "Pushes per minute, and pushes that failed after all retries.",
        (f"60 * sum({of.rate('agtop_otlp_exports_total')})", "pushes"),
        (f"60 * sum({of.rate('agtop_otlp_export_errors_total')})", "failed"),
        unit="short",
        empty="No OTLP pushes",
        width=8,
    ),
    table(
        "Builds",
        "Versions in use.",
        [{"expr": of("agtop_build_info"), "unit": ""}],
        labels=[
            ("instance", "Machine"),
            ("version", "Version"),
            ("revision", "Revision"),
            ("python_version", "Python"),
        ],
        hidden=("job", "__name__"),
        empty=NO_EXPORTER,
        width=8,
        height=7,
    ),
    table(
        "Price tables",
        "Tables in use, and how old their data is.",
        [
            {"expr": of("agtop_pricing_info"), "unit": ""},
            {
                "expr": "time() - max by (job, instance, source)"
                f" ({of('agtop_pricing_last_update_timestamp_seconds')})",
                "title": "Age of the data",
                "unit": "s",
                "thresholds": steps((30 * 86_400, ORANGE)),
            },
        ],
        labels=[("source", "Source"), ("version", "Version"), ("instance", "Machine")],
        hidden=("job", "__name__"),
        empty="No price table is in use",
        width=10,
        height=7,
    ),
    stat(
        "Failed downloads",
        "Failed downloads of price tables in the selected time range.",
        f"sum({of.grown('agtop_pricing_refresh_errors_total')})",
        unit="short",
        empty="None",
        thresholds=steps((1, ORANGE)),
        width=3,
        height=7,
    ),
    stat(
        "Open to others",
        "Exporters to which other machines can connect without TLS or without authentication.",
        f"sum({of('agtop_listening_unprotected')})",
        unit="short",
        empty=NO_EXPORTER,
        thresholds=steps((1, ORANGE)),
        width=3,
        height=7,
    ),
)

BOARD = board(
    "Exporter health",
    "Scans, parse errors and resource usage of the exporter.",
    NOW,
    SCANS,
    ITSELF,
    since="now-1h",
)
