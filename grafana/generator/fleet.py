"""The dashboard of many machines. Its queries use only recorded series.

A query over the series of 500 machines takes seconds; the recording rules in
`deploy/prometheus/rules/` add them up once a minute.
"""

from generator.panels import (
    GREEN,
    ORANGE,
    RED,
    STATE_COLOURS,
    bars,
    board,
    colored,
    row,
    stat,
    steps,
    timeseries,
)

NO_RULES = "No rules"
NO_USAGE = "No usage"
ALL_MACHINES = 'job=~"$job"'
TOP = "topk(10, {}) > 0"


def recorded(name, labels=""):
    """Return the selector of a recorded series; `labels` are further matchers."""
    return f"{name}{{{', '.join(filter(None, (ALL_MACHINES, labels)))}}}"


SPENT = recorded("agent:agtop_cost_usd:increase1d")
BY_MACHINE = recorded("instance_agent:agtop_cost_usd:increase1d", 'instance=~"$instance"')
BY_PROJECT = recorded("project:agtop_project_cost_usd:increase1d")
SESSIONS = recorded("state:agtop_sessions:sum")

NOW = row(
    "Now",
    stat(
        "Machines up",
        "Exporters that answered the last scrape. This dashboard needs the recording rules in "
        "deploy/prometheus/rules/agtop-recording.yml.",
        f"sum({recorded('job:agtop_up:sum')})",
        unit="short",
        empty=NO_RULES,
        thresholds=steps((1, GREEN), base=RED),
    ),
    stat(
        "Machines down",
        "Exporters that did not answer the last scrape.",
        f"sum({recorded('job:agtop_up:count')} - {recorded('job:agtop_up:sum')})",
        unit="short",
        empty=NO_RULES,
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Cost of the last 24 hours",
        "List price of all machines in the last 24 hours.",
        f"sum({SPENT})",
        unit="currencyUSD",
        empty=NO_USAGE,
    ),
    stat(
        "Projected cost of 30 days",
        "The cost of the last 24 hours, times 30.",
        f"30 * sum({SPENT})",
        unit="currencyUSD",
        empty=NO_USAGE,
    ),
    stat(
        "Sessions",
        "Sessions of all machines that are running or waiting.",
        "sum(" + recorded("state:agtop_sessions:sum", 'state=~"running|waiting"') + ")",
        unit="short",
        empty=NO_USAGE,
    ),
    stat(
        "Unpriced tokens",
        "Tokens without a known price in the last 24 hours. The cost excludes them.",
        f"sum({recorded('agent:agtop_unpriced_tokens:increase1d')})",
        unit="short",
        empty=NO_USAGE,
        thresholds=steps((1, ORANGE)),
    ),
)

COURSE = row(
    "Over time",
    timeseries(
        "Cost per hour by model",
        "List price per hour of all machines, at the current rate.",
        (
            f"3600 * sum by (model) ({recorded('agent_model:agtop_cost_usd:rate5m')})",
            "{{model}}",
        ),
        unit="currencyUSD",
        empty=NO_USAGE,
        stack=True,
    ),
    timeseries(
        "Tokens per minute by agent",
        "Tokens of all types per minute, of all machines.",
        (f"60 * sum by (agent) ({recorded('agent_model:agtop_tokens:rate5m')})", "{{agent}}"),
        unit="short",
        empty=NO_USAGE,
        stack=True,
    ),
    timeseries(
        "Cost of the last 24 hours by agent",
        "List price of the 24 hours before each point.",
        (f"sum by (agent) ({SPENT})", "{{agent}}"),
        unit="currencyUSD",
        empty=NO_USAGE,
        stack=True,
    ),
    timeseries(
        "Sessions by state",
        "Sessions of all machines by state, except closed sessions.",
        (
            "sum by (state) (" + recorded("state:agtop_sessions:sum", 'state!="closed"') + ")",
            "{{state}}",
        ),
        unit="short",
        empty=NO_USAGE,
        stack=True,
        overrides=colored(STATE_COLOURS),
    ),
)

TOPS = row(
    "Last 24 hours",
    bars(
        "Machines: top 10 by cost",
        "List price by machine in the last 24 hours.",
        (TOP.format(f"sum by (instance) ({BY_MACHINE})"), "{{instance}}"),
        unit="currencyUSD",
        empty=NO_USAGE,
        width=8,
    ),
    bars(
        "Projects: top 10 by cost",
        "List price by project in the last 24 hours.",
        (TOP.format(f"sum by (project) ({BY_PROJECT})"), "{{project}}"),
        unit="currencyUSD",
        empty=NO_USAGE,
        width=8,
    ),
    bars(
        "Models: top 10 by cost per hour",
        "List price per hour by model, at the current rate.",
        (
            TOP.format(f"3600 * sum by (model) ({recorded('agent_model:agtop_cost_usd:rate5m')})"),
            "{{model}}",
        ),
        unit="currencyUSD",
        empty=NO_USAGE,
        width=8,
    ),
)

BOARD = board(
    "Fleet",
    "Cost and activity of many machines, from recorded series.",
    NOW,
    COURSE,
    TOPS,
    since="now-24h",
)
