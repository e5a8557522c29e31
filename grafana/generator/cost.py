"""What was spent, on what, and what the cache saved."""
# ruff: noqa: S106 - a token_type is no password

from generator.panels import GREY, ORANGE, bars, board, row, stat, steps, table, timeseries
from generator.variables import Selectors

of = Selectors("agent", "model", "project")
NOTHING = "Nothing was spent."
CACHE = "=~cache_.+"


def grown_by(labels, metric, **matchers):
    return f"sum by ({labels}) ({of.grown(metric, **matchers)})"


INPUT_PRICE = (
    f"({grown_by('agent, model', 'agtop_cost_usd_total', token_type='input')}"
    f" / ({grown_by('agent, model', 'agtop_tokens_total', token_type='input')} > 0))"
)
SAVED = (
    f"{grown_by('agent, model', 'agtop_tokens_total', token_type=CACHE)} * {INPUT_PRICE}"
    f" - {grown_by('agent, model', 'agtop_cost_usd_total', token_type=CACHE)}"
)

SUMS = row(
    "In the time shown",
    stat(
        "Cost",
        "Retail cost, at the prices of the time of each request.",
        f"sum({of.grown('agtop_cost_usd_total')})",
        unit="currencyUSD",
        empty="Nothing yet",
    ),
    stat(
        "Cost per hour",
        "Retail cost per hour, as a mean over the time shown.",
        f"sum({of.grown('agtop_cost_usd_total')}) / ($__range_s / 3600)",
        unit="currencyUSD",
        empty="Nothing yet",
    ),
    stat(
        "Cost per million tokens",
        "Retail cost of a million tokens, of whatever type.",
        f"1e6 * sum({of.grown('agtop_cost_usd_total')})"
        f" / (sum({of.grown('agtop_tokens_total')}) > 0)",
        unit="currencyUSD",
        empty="Nothing yet",
    ),
    stat(
        "Saved by the cache",
        "What the cached part of the prompts would have cost as plain input, at the mean input "
        "price of each model in the time shown, less what reading and writing the cache cost.",
        f"sum({SAVED})",
        unit="currencyUSD",
        empty="Nothing yet",
        thresholds=steps((0, "green"), base=ORANGE),
    ),
    stat(
        "Unpriced tokens",
        "Tokens that no price was known for: the cost lacks them.",
        f"sum({of.grown('agtop_unpriced_tokens_total')})",
        unit="short",
        empty="None",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Reasoning",
        "Share of the output that was reasoning.",
        f"sum({of.grown('agtop_reasoning_tokens_total')})"
        f" / (sum({of.grown('agtop_tokens_total', token_type='output')}) > 0)",
        unit="percentunit",
        empty="No output",
        thresholds=steps(base=GREY),
    ),
)


def cost_per_hour(label, metric="agtop_cost_usd_total"):
    return f"3600 * sum by ({label}) ({of.rate(metric)})", f"{{{{{label}}}}}"


CACHE_HITS = (
    f"sum by (agent) ({of.rate('agtop_tokens_total', token_type='cache_read')})"
    f" / (sum by (agent) ({of.rate('agtop_tokens_total', token_type='!=output')}) > 0)"
)
COURSE = row(
    "Over time",
    timeseries(
        "Cost per hour by model",
        "Retail cost per hour, at the pace of each moment.",
        cost_per_hour("model"),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Cost per hour by project",
        "Retail cost per hour, at the pace of each moment. Not filtered by model.",
        cost_per_hour("project", "agtop_project_cost_usd_total"),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Cost per hour by token type",
        "Retail cost per hour. unsplit is what an agent reports as one sum.",
        cost_per_hour("token_type"),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Cache hit ratio by agent",
        "Share of the prompts' tokens that came from the cache.",
        (
            CACHE_HITS,
            "{{agent}}",
        ),
        unit="percentunit",
        empty="Nothing was asked.",
        defaults={"max": 1},
    ),
)

BY = "agent, model"


def column(title, expression, unit="short"):
    return {"title": title, "expr": expression, "unit": unit}


def tokens(token_type):
    return grown_by(BY, "agtop_tokens_total", token_type=token_type)


SHARES = row(
    "By model and project",
    table(
        "Models",
        "What each model was used for in the time shown.",
        [
            column("Cost", grown_by(BY, "agtop_cost_usd_total"), "currencyUSD"),
            column("Responses", f"round({grown_by(BY, 'agtop_requests_total')})"),
            column("Input", tokens("input")),
            column("Cache read", tokens("cache_read")),
            column("Cache write 5 m", tokens("cache_write_5m")),
            column("Cache write 1 h", tokens("cache_write_1h")),
            column("Output", tokens("output")),
            column("Reasoning", grown_by(BY, "agtop_reasoning_tokens_total")),
            column("Unpriced", grown_by(BY, "agtop_unpriced_tokens_total")),
            column("Saved by the cache", SAVED, "currencyUSD"),
        ],
        labels=[("agent", "Agent"), ("model", "Model")],
        sort="Cost",
        empty="No model was used.",
    ),
    table(
        "Projects",
        "What each project cost in the time shown. Not filtered by model.",
        [
            column(
                "Cost", grown_by("agent, project", "agtop_project_cost_usd_total"), "currencyUSD"
            ),
            column("Tokens", grown_by("agent, project", "agtop_project_tokens_total")),
        ],
        labels=[("project", "Project"), ("agent", "Agent")],
        sort="Cost",
        empty="No project was worked on.",
        width=12,
    ),
    bars(
        "Agents",
        "Retail cost by agent, and whether we estimated it or the agent reported it.",
        (
            f"sort_desc({grown_by('agent, cost_source', 'agtop_cost_usd_total')} > 0)",
            "{{agent}}, {{cost_source}}",
        ),
        unit="currencyUSD",
        empty=NOTHING,
        width=6,
    ),
    bars(
        "Unpriced tokens",
        "Models without a known price, by their tokens. A price can be set: [prices] in the "
        "settings.",
        (
            f"sort_desc({grown_by('model', 'agtop_unpriced_tokens_total')} > 0)",
            "{{model}}",
        ),
        unit="short",
        empty="All tokens have a price.",
        width=6,
    ),
)

BOARD = board(
    "Cost & models",
    "Retail cost and tokens by model, project and agent, and what the cache saved.",
    SUMS,
    COURSE,
    SHARES,
    since="now-24h",
)
