"""The dashboard of active and recent sessions."""

from generator.annotations import ANNOTATIONS
from generator.overview import SESSION_LINK
from generator.panels import (
    BLUE,
    ORANGE,
    RED,
    bars,
    board,
    query,
    row,
    steps,
    table,
    timeseries,
)
from generator.variables import SESSION, Selectors

of = Selectors("agent", "project", "session")
CONTEXT = f"{of('agtop_session_context_tokens')} / {of('agtop_session_context_limit_tokens')}"
FULLNESS = steps((0.7, ORANGE), (0.9, RED), base=BLUE)
LEGEND = "{{project}} · {{session}}"
NONE = "No active or recent sessions"
UNKNOWN_CONTEXT = "No session with a known context size"


def of_session(expression):
    """Sum the series of the selected sessions by the labels that all columns share."""
    return of.in_project(f"sum by ({SESSION}) ({expression})")


def state_of(selector):
    return of.in_project(f"group by ({SESSION}, state) ({selector} == 1)")


LIVE = row(
    "Sessions",
    table(
        "Sessions",
        "Sessions that are active or were active in the last 15 minutes, including subagents. "
        "Tokens and cost are totals of the session. Click an id to show only that session.",
        [
            {"expr": state_of(of("agtop_session_state")), "unit": ""},
            {"expr": of.info(), "unit": ""},
            {
                "expr": of_session(CONTEXT),
                "title": "Context",
                "unit": "percentunit",
                "bar": 1,
                "thresholds": FULLNESS,
            },
            {
                "expr": of_session(of("agtop_session_tokens_total")),
                "title": "Tokens",
                "unit": "short",
            },
            {
                "expr": of_session(of("agtop_session_cost_usd_total")),
                "title": "Cost",
                "unit": "currencyUSD",
            },
            {
                "expr": of_session(of("agtop_session_billed_usd")),
                "title": "Billed",
                "unit": "currencyUSD",
            },
            {
                "expr": of_session(of("agtop_session_turns_total")),
                "title": "Prompts",
                "unit": "short",
            },
            {
                "expr": of_session(of("agtop_session_tool_calls_total")),
                "title": "Tool calls",
                "unit": "short",
            },
            {
                "expr": of_session(
                    f"time() - {of('agtop_session_last_activity_timestamp_seconds')}"
                ),
                "title": "Last activity",
                "unit": "s",
            },
            {
                "expr": of_session(f"time() - {of('agtop_session_start_timestamp_seconds')}"),
                "title": "Age",
                "unit": "s",
            },
        ],
        labels=[
            ("project", "Project"),
            ("agent", "Agent"),
            ("state", "State"),
            ("model", "Model"),
            ("instance", "Machine"),
            ("session_id", "Session"),
        ],
        hidden=("job", "__name__", "agent_version"),
        label_links={"Session": [SESSION_LINK]},
        sort="Cost",
        empty=NONE,
        height=10,
    ),
    {
        **bars(
            "Context",
            "Share of the context window that the last response used.",
            unit="percentunit",
            empty=UNKNOWN_CONTEXT,
            thresholds=FULLNESS,
            color="thresholds",
            defaults={"min": 0, "max": 1},
        ),
        "targets": [query(f"sort_desc({of.named(f'({CONTEXT})')})", LEGEND, now=True)],
    },
    timeseries(
        "Context over time",
        "Used share of the context window. It falls after a compaction or a new start.",
        (of.named(f"({CONTEXT})"), LEGEND),
        unit="percentunit",
        empty=UNKNOWN_CONTEXT,
        thresholds=steps((0.9, RED)),
        defaults={"max": 1},
    ),
)


def of_each(title, description, expression, *, unit, empty=NONE, **settings):
    """Return a panel with a line for each session."""
    return timeseries(title, description, (expression, LEGEND), unit=unit, empty=empty, **settings)


def summed(metric):
    return f"sum by ({SESSION}) ({of.rate(metric)})"


USE = row(
    "Usage",
    of_each(
        "Tokens per minute",
        "Tokens per minute of each session, including subagents.",
        f"60 * {of.named(summed('agtop_session_tokens_total'))}",
        unit="short",
        stack=True,
    ),
    of_each(
        "Cost per hour",
        "List price per hour of each session, including subagents, at the current rate.",
        f"3600 * {of.named(summed('agtop_session_cost_usd_total'))}",
        unit="currencyUSD",
        empty="No session has a known cost",
        stack=True,
    ),
    of_each(
        "CPU",
        "CPU cores used by each session's process tree.",
        of.named(of.rate("agtop_session_cpu_seconds_total")),
        unit="percentunit",
        empty="No session has a process",
    ),
    of_each(
        "Memory",
        "Resident memory of each session's process tree.",
        of.named(of("agtop_session_memory_rss_bytes")),
        unit="bytes",
        empty="No session has a process",
    ),
    of_each(
        "Disk reads",
        "Bytes per second that each session's process tree reads from storage.",
        of.named(of.rate("agtop_session_disk_read_bytes_total")),
        unit="Bps",
        empty="No session has a process",
    ),
    of_each(
        "Disk writes",
        "Bytes per second that each session's process tree writes to storage.",
        of.named(of.rate("agtop_session_disk_written_bytes_total")),
        unit="Bps",
        empty="No session has a process",
    ),
)

PROCESSES = row(
    "Processes",
    table(
        "Sessions and their processes",
        "Processes and memory of each session, and the confidence of the match.",
        [
            {
                "expr": of.in_project(
                    f"group by ({SESSION}, confidence)"
                    f" ({of('agtop_session_match_confidence')} == 1)"
                ),
                "unit": "",
            },
            {"expr": of.info(), "unit": ""},
            {
                "expr": of_session(of("agtop_session_processes")),
                "title": "Processes",
                "unit": "short",
            },
            {
                "expr": of_session(of.rate("agtop_session_cpu_seconds_total")),
                "title": "CPU",
                "unit": "percentunit",
            },
            {
                "expr": of_session(of("agtop_session_memory_rss_bytes")),
                "title": "Resident memory",
                "unit": "bytes",
            },
            {
                "expr": of_session(of("agtop_session_virtual_memory_bytes")),
                "title": "Virtual memory",
                "unit": "bytes",
            },
        ],
        labels=[
            ("project", "Project"),
            ("agent", "Agent"),
            ("session_id", "Session"),
            ("confidence", "Match"),
            ("instance", "Machine"),
        ],
        hidden=("job", "__name__", "agent_version", "model"),
        label_links={"Session": [SESSION_LINK]},
        empty="No session has a process",
    ),
    collapsed=True,
)

BOARD = board(
    "Sessions",
    "Active and recent sessions: state, context, tokens, cost and processes.",
    LIVE,
    USE,
    PROCESSES,
    since="now-1h",
    annotations=ANNOTATIONS,
)
