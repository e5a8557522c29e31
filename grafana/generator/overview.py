"""The overview dashboard: cost, activity and sessions that wait for a human."""
# ruff: noqa: S106 - a token_type is no password

from functools import partial

from generator.annotations import ANNOTATIONS
from generator.panels import (
    ORANGE,
    RED,
    STATE_COLOURS,
    bars,
    board,
    colored,
    row,
    stat,
    steps,
    table,
    timeseries,
)
from generator.variables import Selectors

of = Selectors("agent")
WAITED = (
    f"(time() - {of('agtop_session_last_activity_timestamp_seconds')})"
    " and on (job, instance, agent, session_id)"
    f" ({of('agtop_session_state', state='waiting')} == 1)"
)
SESSION_LINK = {
    "title": "Show this session",
    "url": "/d/agtop-sessions?${__url_time_range}&${datasource:queryparam}"
    "&var-session=${__value.raw}",
}

small_stat = partial(stat, width=3)

NOW = row(
    "Now",
    small_stat(
        "Waiting for you",
        "Sessions that ask a question or for a permission.",
        f"sum({of('agtop_sessions', state='waiting')})",
        unit="short",
        empty="No agent found",
        thresholds=steps((1, ORANGE)),
    ),
    small_stat(
        "Running",
        "Sessions that are working.",
        f"sum({of('agtop_sessions', state='running')})",
        unit="short",
        empty="No agent found",
    ),
    small_stat(
        "Error or stalled",
        "Sessions with an error, and sessions that should be working but write nothing.",
        f"sum({of('agtop_sessions', state='=~error|warning')})",
        unit="short",
        empty="No agent found",
        thresholds=steps((1, RED)),
    ),
    small_stat(
        "Cost",
        "List price in the selected time range.",
        f"sum({of.grown('agtop_cost_usd_total')})",
        unit="currencyUSD",
        empty="None yet",
    ),
    small_stat(
        "Cost, all time",
        "List price of all usage in the ledgers, also from before the selected time range.",
        f"sum({of('agtop_cost_usd_total')})",
        unit="currencyUSD",
        empty="None yet",
    ),
    small_stat(
        "Tokens",
        "Tokens of all types in the selected time range.",
        f"sum({of.grown('agtop_tokens_total')})",
        unit="short",
        empty="None yet",
    ),
    small_stat(
        "Cache hit ratio",
        "Share of the prompt tokens that were read from the cache, in the selected time range.",
        f"sum({of.grown('agtop_tokens_total', token_type='cache_read')})"
        f" / (sum({of.grown('agtop_tokens_total', token_type='!=output')}) > 0)",
        unit="percentunit",
        empty="No prompt",
        thresholds=steps((0.5, ORANGE), (0.8, "green"), base=RED),
    ),
    small_stat(
        "Highest rate limit",
        "Used share of the rate-limit window that is used most, as the agent last recorded it.",
        f"max({of('agtop_rate_limit_used_ratio')})",
        unit="percentunit",
        empty="No record",
        thresholds=steps((0.7, ORANGE), (0.9, RED)),
    ),
    table(
        "Waiting sessions",
        "Sessions that wait for a human, the longest wait first. Click an id to open the session.",
        [
            {
                "expr": of.with_project(f"({WAITED})"),
                "title": "Waiting for",
                "unit": "s",
                "thresholds": steps((120, ORANGE), (900, RED)),
            },
        ],
        labels=[
            ("project", "Project"),
            ("agent", "Agent"),
            ("model", "Model"),
            ("instance", "Machine"),
            ("session_id", "Session"),
        ],
        hidden=("job",),
        label_links={"Session": [SESSION_LINK]},
        sort="Waiting for",
        empty="No session is waiting",
        height=7,
        width=16,
    ),
    timeseries(
        "Sessions",
        "Sessions by state, except closed sessions.",
        (f"sum by (state) ({of('agtop_sessions', state='!=closed')})", "{{state}}"),
        unit="short",
        empty="No agent found",
        stack=True,
        overrides=colored(STATE_COLOURS),
        height=7,
        width=8,
    ),
)

SPENT = row(
    "Cost",
    timeseries(
        "Cost per hour",
        "List price per hour by agent, at the current rate.",
        (f"sum by (agent) ({of.rate('agtop_cost_usd_total')}) * 3600", "{{agent}}"),
        unit="currencyUSD",
        empty="No cost",
        stack=True,
    ),
    timeseries(
        "Tokens per minute",
        "Tokens per minute by type. Each token has one type.",
        (f"sum by (token_type) ({of.rate('agtop_tokens_total')}) * 60", "{{token_type}}"),
        unit="short",
        empty="No tokens",
        stack=True,
    ),
    bars(
        "Projects: top 10 by cost",
        "List price by project in the selected time range.",
        (
            f"topk(10, sum by (project) ({of.grown('agtop_project_cost_usd_total')}) > 0)",
            "{{project}}",
        ),
        unit="currencyUSD",
        empty="No cost",
        width=8,
    ),
    bars(
        "Models: top 10 by cost",
        "List price by model in the selected time range.",
        (f"topk(10, sum by (model) ({of.grown('agtop_cost_usd_total')}) > 0)", "{{model}}"),
        unit="currencyUSD",
        empty="No cost",
        width=8,
    ),
    timeseries(
        "Cost of the last 24 hours",
        "List price of the 24 hours before each point. The alert AgtopSpendHigh uses this value.",
        (f"sum by (instance) (increase({of('agtop_cost_usd_total')}[1d]))", "{{instance}}"),
        unit="currencyUSD",
        empty="No cost",
        width=8,
    ),
)

ACTIVITY = row(
    "Activity",
    stat(
        "Prompts",
        "Prompts typed by users in the selected time range.",
        f"round(sum({of.grown('agtop_turns_total')}))",
        unit="short",
        empty="None yet",
        width=3,
    ),
    stat(
        "Responses",
        "Model responses in the selected time range.",
        f"round(sum({of.grown('agtop_requests_total')}))",
        unit="short",
        empty="None yet",
        width=3,
    ),
    stat(
        "New sessions",
        "Sessions that started in the selected time range.",
        f"round(sum({of.grown('agtop_sessions_started_total')}))",
        unit="short",
        empty="None yet",
        width=3,
    ),
    stat(
        "Compactions",
        "Context compactions in the selected time range.",
        f"round(sum({of.grown('agtop_compactions_total')}))",
        unit="short",
        empty="None",
        width=3,
    ),
    stat(
        "Failed tool calls",
        "Share of the tool calls that returned an error, in the selected time range.",
        f"(sum({of.grown('agtop_tool_call_errors_total')}) or vector(0))"
        f" / (sum({of.grown('agtop_tool_calls_total')}) > 0)",
        unit="percentunit",
        empty="No tool was called",
        thresholds=steps((0.2, ORANGE)),
        width=3,
    ),
    stat(
        "Unpriced tokens",
        "Tokens without a known price in the selected time range. The cost excludes them.",
        f"sum({of.grown('agtop_unpriced_tokens_total')})",
        unit="short",
        empty="None",
        width=3,
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Median wait",
        "Median time that sessions waited for a human, in the selected time range.",
        f"histogram_quantile(0.5, sum by (le) ({of.grown('agtop_waiting_seconds_bucket')})) >= 0",
        unit="s",
        empty="None",
        width=3,
    ),
    stat(
        "Total wait",
        "Sum of the times that sessions waited for a human, for waits that ended in the range.",
        f"sum({of.grown('agtop_waiting_seconds_sum')}) > 0",
        unit="s",
        empty="None",
        width=3,
    ),
    bars(
        "Tools: top 10 by calls",
        "Tool calls by tool in the selected time range.",
        (f"topk(10, round(sum by (tool) ({of.grown('agtop_tool_calls_total')})) > 0)", "{{tool}}"),
        unit="short",
        empty="No tool was called",
    ),
    bars(
        "Tools: top 10 by errors",
        "Tool calls that returned an error, by tool, in the selected time range.",
        (
            f"topk(10, round(sum by (tool) ({of.grown('agtop_tool_call_errors_total')})) > 0)",
            "{{tool}}",
        ),
        unit="short",
        empty="No tool call failed",
    ),
)

BOARD = board(
    "Overview",
    "Cost and activity of AI coding agents, and sessions that wait for a human.",
    NOW,
    SPENT,
    ACTIVITY,
    annotations=ANNOTATIONS,
)
