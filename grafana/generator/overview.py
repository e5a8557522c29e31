"""The first look: what was spent, what goes on now, who waits."""
# ruff: noqa: S106 - a token_type is no password

from generator.panels import (
    ORANGE,
    RED,
    STATE_COLOURS,
    bars,
    board,
    coloured,
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

NOW = row(
    "Now",
    stat(
        "Waiting for you",
        "Sessions that asked a question or for a permission.",
        f"sum({of('agtop_sessions', state='waiting')})",
        unit="short",
        empty="No agent found",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Running",
        "Sessions at work.",
        f"sum({of('agtop_sessions', state='running')})",
        unit="short",
        empty="No agent found",
    ),
    stat(
        "In trouble",
        "Sessions that failed, or should be at work and are silent.",
        f"sum({of('agtop_sessions', state='=~error|warning')})",
        unit="short",
        empty="No agent found",
        thresholds=steps((1, RED)),
    ),
    stat(
        "Cost",
        "Retail cost in the time shown.",
        f"sum({of.grown('agtop_cost_usd_total')})",
        unit="currencyUSD",
        empty="Nothing yet",
    ),
    stat(
        "Tokens",
        "Tokens of all types in the time shown.",
        f"sum({of.grown('agtop_tokens_total')})",
        unit="short",
        empty="Nothing yet",
    ),
    stat(
        "Cache hit ratio",
        "Share of the prompts' tokens that came from the cache, in the time shown.",
        f"sum({of.grown('agtop_tokens_total', token_type='cache_read')})"
        f" / (sum({of.grown('agtop_tokens_total', token_type='!=output')}) > 0)",
        unit="percentunit",
        empty="No prompt",
        thresholds=steps((0.5, ORANGE), (0.8, "green"), base=RED),
    ),
    table(
        "Who is waiting",
        "Sessions that wait for a human, the longest first. The id leads to the session.",
        [
            {
                "expr": of.with_project(f"({WAITED})"),
                "title": "For",
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
        sort="For",
        empty="Nobody waits for you.",
        height=7,
        width=16,
    ),
    timeseries(
        "Sessions",
        "Sessions by state, without the closed ones.",
        (f"sum by (state) ({of('agtop_sessions', state='!=closed')})", "{{state}}"),
        unit="short",
        empty="No agent found",
        stack=True,
        overrides=coloured(STATE_COLOURS),
        height=7,
        width=8,
    ),
)

SPENT = row(
    "Spent",
    timeseries(
        "Cost per hour",
        "Retail cost per hour by agent, at the pace of each moment.",
        (f"sum by (agent) ({of.rate('agtop_cost_usd_total')}) * 3600", "{{agent}}"),
        unit="currencyUSD",
        empty="Nothing was spent.",
        stack=True,
    ),
    timeseries(
        "Tokens per minute",
        "Tokens per minute by type; each token is of one type only.",
        (f"sum by (token_type) ({of.rate('agtop_tokens_total')}) * 60", "{{token_type}}"),
        unit="short",
        empty="Nothing was used.",
        stack=True,
    ),
    bars(
        "Projects",
        "Retail cost by project in the time shown, the ten dearest.",
        (
            f"topk(10, sum by (project) ({of.grown('agtop_project_cost_usd_total')}) > 0)",
            "{{project}}",
        ),
        unit="currencyUSD",
        empty="Nothing was spent.",
        width=8,
    ),
    bars(
        "Models",
        "Retail cost by model in the time shown, the ten dearest.",
        (f"topk(10, sum by (model) ({of.grown('agtop_cost_usd_total')}) > 0)", "{{model}}"),
        unit="currencyUSD",
        empty="Nothing was spent.",
        width=8,
    ),
    timeseries(
        "Cost of a day",
        "Retail cost of the 24 hours before each moment: what AgtopSpendHigh looks at.",
        (f"sum by (instance) (increase({of('agtop_cost_usd_total')}[1d]))", "{{instance}}"),
        unit="currencyUSD",
        empty="Nothing was spent.",
        width=8,
    ),
)

ACTIVITY = row(
    "Activity",
    stat(
        "Prompts",
        "Prompts typed in the time shown.",
        f"round(sum({of.grown('agtop_turns_total')}))",
        unit="short",
        empty="Nothing yet",
        width=3,
    ),
    stat(
        "Responses",
        "Responses of models in the time shown.",
        f"round(sum({of.grown('agtop_requests_total')}))",
        unit="short",
        empty="Nothing yet",
        width=3,
    ),
    stat(
        "New sessions",
        "Sessions that began in the time shown.",
        f"round(sum({of.grown('agtop_sessions_started_total')}))",
        unit="short",
        empty="Nothing yet",
        width=3,
    ),
    stat(
        "Compactions",
        "Contexts that were compacted in the time shown, because they were full.",
        f"round(sum({of.grown('agtop_compactions_total')}))",
        unit="short",
        empty="None",
        width=3,
    ),
    stat(
        "Failed tool calls",
        "Share of the tool calls whose result was an error, in the time shown.",
        f"(sum({of.grown('agtop_tool_call_errors_total')}) or vector(0))"
        f" / (sum({of.grown('agtop_tool_calls_total')}) > 0)",
        unit="percentunit",
        empty="No tool was called",
        thresholds=steps((0.2, ORANGE)),
        width=3,
    ),
    stat(
        "Unpriced tokens",
        "Tokens in the time shown that no price was known for: the cost lacks them.",
        f"sum({of.grown('agtop_unpriced_tokens_total')})",
        unit="short",
        empty="None",
        width=3,
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Median wait",
        "Half of the times that sessions waited for a human in the time shown were shorter.",
        f"histogram_quantile(0.5, sum by (le) ({of.grown('agtop_waiting_seconds_bucket')})) >= 0",
        unit="s",
        empty="Nobody waited",
        width=3,
    ),
    stat(
        "Waited in all",
        "Time that sessions waited for a human, until they went on in the time shown.",
        f"sum({of.grown('agtop_waiting_seconds_sum')}) > 0",
        unit="s",
        empty="Nobody waited",
        width=3,
    ),
    bars(
        "Tools",
        "Calls by tool in the time shown, the ten most used.",
        (f"topk(10, round(sum by (tool) ({of.grown('agtop_tool_calls_total')})) > 0)", "{{tool}}"),
        unit="short",
        empty="No tool was called.",
    ),
    bars(
        "Failures by tool",
        "Tool calls whose result was an error in the time shown, the ten tools with most.",
        (
            f"topk(10, round(sum by (tool) ({of.grown('agtop_tool_call_errors_total')})) > 0)",
            "{{tool}}",
        ),
        unit="short",
        empty="No tool call failed.",
    ),
)

BOARD = board(
    "Overview",
    "What AI coding agents cost, what they are doing, and who waits for a human.",
    NOW,
    SPENT,
    ACTIVITY,
)
