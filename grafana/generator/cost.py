"""The dashboard of cost by model, project and agent, and of savings by the prompt cache."""
# ruff: noqa: S106 - a token_type is no password

from functools import partial

from generator.annotations import ANNOTATIONS
from generator.panels import GRAY, ORANGE, bars, board, row, stat, steps, table, timeseries
from generator.periods import CALENDAR
from generator.variables import Selectors

small_stat = partial(stat, width=3)
of = Selectors("agent", "model")
of_project = Selectors("agent", "project")  # only series by project can be filtered by project
whole = Selectors()  # a budget may be of all agents and projects
NOTHING = "No cost"
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
    "Selected time range",
    small_stat(
        "Cost",
        "List price in the selected time range. Each request has the price at its time.",
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
        "Billed",
        "The cost that agents recorded, else the list price. Usage that a plan covers counts as 0.",
        f"sum({of.grown('agtop_billed_usd_total')})",
        unit="currencyUSD",
        empty="None yet",
    ),
    small_stat(
        "Cost per hour",
        "Mean list price per hour, from the first scan in the selected time range to its end.",
        f"sum({of.grown('agtop_cost_usd_total')}) / scalar({of.hours()})",
        unit="currencyUSD",
        empty="None yet",
    ),
    small_stat(
        "Per million tokens",
        "List price per million tokens of any type.",
        f"1e6 * sum({of.grown('agtop_cost_usd_total')})"
        f" / (sum({of.grown('agtop_tokens_total')}) > 0)",
        unit="currencyUSD",
        empty="None yet",
    ),
    small_stat(
        "Saved by the cache",
        "Cost of the cached prompt tokens at the mean input price of each model in the selected "
        "time range, minus the cost of cache reads and cache writes.",
        f"round(sum({SAVED}), 0.0001)",  # costs can cancel each other but for an error of 1e-10
        unit="currencyUSD",
        empty="None yet",
        thresholds=steps((0, "green"), base=ORANGE),
    ),
    small_stat(
        "Unpriced tokens",
        "Tokens without a known price. The cost excludes them.",
        f"sum({of.grown('agtop_unpriced_tokens_total')})",
        unit="short",
        empty="None",
        thresholds=steps((1, ORANGE)),
    ),
    small_stat(
        "Reasoning",
        "Share of the output tokens that are reasoning tokens.",
        f"sum({of.grown('agtop_reasoning_tokens_total')})"
        f" / (sum({of.grown('agtop_tokens_total', token_type='output')}) > 0)",
        unit="percentunit",
        empty="No output",
        thresholds=steps(base=GRAY),
    ),
)


BILLED_PER_HOUR = f"3600 * sum by (agent) ({of.rate('agtop_billed_usd_total')})", "{{agent}}"


def cost_per_hour(label, metric="agtop_cost_usd_total", selected=of):
    return f"3600 * sum by ({label}) ({selected.rate(metric)})", f"{{{{{label}}}}}"


CACHE_HITS = (
    f"sum by (agent) ({of.rate('agtop_tokens_total', token_type='cache_read')})"
    f" / (sum by (agent) ({of.rate('agtop_tokens_total', token_type='!=output')}) > 0)"
)
COURSE = row(
    "Over time",
    timeseries(
        "Cost per hour by model",
        "List price per hour, at the current rate.",
        cost_per_hour("model"),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Cost per hour by token type",
        "List price per hour. unsplit is a cost that the agent reports without token types.",
        cost_per_hour("token_type"),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Billed per hour by agent",
        "The cost that agents recorded, else the list price. Usage that a plan covers counts as 0.",
        BILLED_PER_HOUR,
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
    timeseries(
        "Cache hit ratio by agent",
        "Share of the prompt tokens that were read from the cache.",
        (
            CACHE_HITS,
            "{{agent}}",
        ),
        unit="percentunit",
        empty="No prompts",
        defaults={"max": 1},
    ),
)

BY = "agent, model"


def column(title, expression, unit="short"):
    return {"title": title, "expr": expression, "unit": unit}


def tokens(token_type):
    return grown_by(BY, "agtop_tokens_total", token_type=token_type)


SHARES = row(
    "By model",
    table(
        "Models",
        "Cost and tokens of each model in the selected time range.",
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
            column("Saved", SAVED, "currencyUSD"),
        ],
        labels=[("agent", "Agent"), ("model", "Model")],
        sort="Cost",
        empty="No models",
    ),
    bars(
        "Agents",
        "List price by agent and source: estimated from a price table, or reported by the agent.",
        (
            f"sort_desc({grown_by('agent, cost_source', 'agtop_cost_usd_total')} > 0)",
            "{{agent}}, {{cost_source}}",
        ),
        unit="currencyUSD",
        empty=NOTHING,
        width=12,
    ),
    bars(
        "Unpriced tokens",
        "Tokens by model, for models without a known price. Set a price in the settings, section "
        "[prices].",
        (
            f"sort_desc({grown_by('model', 'agtop_unpriced_tokens_total')} > 0)",
            "{{model}}",
        ),
        unit="short",
        empty="All tokens have a price",
        width=12,
    ),
)

PROJECT = "agent, project"
PROJECTS = row(
    "Projects: $project",
    table(
        "Projects",
        "Cost and tokens of the selected projects, in the selected time range and of all time. "
        "Not filtered by model.",
        [
            column(
                "Cost",
                f"sum by ({PROJECT}) ({of_project.grown('agtop_project_cost_usd_total')})",
                "currencyUSD",
            ),
            column(
                "Tokens", f"sum by ({PROJECT}) ({of_project.grown('agtop_project_tokens_total')})"
            ),
            column(
                "Cost, all time",
                f"sum by ({PROJECT}) ({of_project('agtop_project_cost_usd_total')})",
                "currencyUSD",
            ),
        ],
        labels=[("project", "Project"), ("agent", "Agent")],
        sort="Cost",
        empty="No projects",
        width=12,
    ),
    timeseries(
        "Cost per hour by project",
        "List price per hour of the selected projects, at the current rate. Not filtered by model.",
        cost_per_hour("project", "agtop_project_cost_usd_total", of_project),
        unit="currencyUSD",
        empty=NOTHING,
        stack=True,
    ),
)


def of_budget(metric):
    """Return a series of each budget without the name of the metric, so that columns join."""
    return f"max by (job, instance, budget, period, agent, project) ({whole(metric)})"


NO_BUDGETS = "No budgets in the settings"
BUDGETS = row(
    "Budgets and plans",
    table(
        "Budgets",
        "Each budget in the present day, week or month, at list prices. Projected is the used "
        "share at the end of the period if the mean rate since its start stays the same.",
        [
            column("Limit", of_budget("agtop_budget_usd"), "currencyUSD"),
            column("Used", of_budget("agtop_budget_used_ratio"), "percentunit")
            | {"bar": 1, "thresholds": steps((0.9, ORANGE))},
            column("Projected", of_budget("agtop_budget_projected_ratio"), "percentunit"),
        ],
        labels=[
            ("budget", "Budget"),
            ("period", "Period"),
            ("agent", "Agent"),
            ("project", "Project"),
            ("instance", "Machine"),
        ],
        hidden=("job",),
        empty=NO_BUDGETS,
        width=15,
    ),
    timeseries(
        "Projected share of the budgets",
        "Used share at the end of the period if the mean rate since its start stays the same. "
        "Above 100 %, the budget will be exceeded.",
        (whole("agtop_budget_projected_ratio"), "{{budget}}, {{instance}}"),
        unit="percentunit",
        empty=NO_BUDGETS,
        thresholds=steps((1, ORANGE)),
        width=9,
    ),
    table(
        "Plans",
        "The plan of each agent: what its files show, the setting plan, and whether its usage is "
        "billed.",
        [{"expr": whole("agtop_plan_info"), "unit": ""}],
        labels=[
            ("agent", "Agent"),
            ("subscription", "Subscription"),
            ("plan", "Setting"),
            ("billed", "Billed"),
            ("instance", "Machine"),
        ],
        hidden=("job", "__name__"),
        empty="No agents",
        width=15,
    ),
    bars(
        "Price corrections",
        "List price of the sessions, at the prices that are known today, minus the counters of "
        "the cost, which never decrease.",
        (f"sum by (agent) ({of('agtop_cost_correction_usd')})", "{{agent}}"),
        unit="currencyUSD",
        empty="No corrections",
        width=9,
    ),
)

BOARD = board(
    "Cost & models",
    "List price and tokens by model, project and agent, and savings by the cache.",
    SUMS,
    CALENDAR,
    COURSE,
    SHARES,
    PROJECTS,
    BUDGETS,
    since="now-24h",
    annotations=ANNOTATIONS,
)
