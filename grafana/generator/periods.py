"""The cost of calendar days and of the present month, beside its projection and the budgets.

The days and the month are those of the time zone of the dashboard. A range such as "this month so
far" belongs to one panel: `timeFrom` replaces the range of the dashboard, and so `$__range`.
"""

from generator.panels import BLUE, ORANGE, row, stat, timeseries
from generator.variables import Selectors

of = Selectors("agent", "model")
whole = Selectors()  # a budget of all agents and projects has neither label
SPENT = "agtop_cost_usd_total"
NOTHING = "No cost"
NO_BUDGET = "No budget"
NAMED = {"Budget": ORANGE, "Projected": BLUE}
"""Lines beside the cost, with their colors."""


def by_day(title, description, expression, *others, legend, width=12, **settings):
    """Return bars of one day each, of the days of the user's time zone."""
    panel = timeseries(
        title,
        description,
        (expression, legend),
        *others,
        unit="currencyUSD",
        width=width,
        overrides=dashed(),
        **settings,
    )
    custom = panel["fieldConfig"]["defaults"]["custom"]
    custom |= {"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 70}
    custom["stacking"] = {"mode": "normal", "group": "A"}
    return {**panel, "interval": "1d", "timeFrom": "30d"}


def dashed():
    """Return overrides that draw budget and projection as dashed lines, outside of the stack."""
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [
                {"id": "color", "value": {"mode": "fixed", "fixedColor": color}},
                {"id": "custom.drawStyle", "value": "line"},
                {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
                {"id": "custom.lineWidth", "value": 2},
                {"id": "custom.fillOpacity", "value": 0},
                {"id": "custom.stacking", "value": {"mode": "none", "group": name}},
            ],
        }
        for name, color in NAMED.items()
    ]


def budget(period, when=""):
    """Return the sum of the budgets of a period that are of all agents and projects."""
    selected = whole("agtop_budget_usd", period=period, agent="", project="")
    return f"sum(last_over_time({selected}[1d]{when}))"


def month(at=""):
    """Return the cost of the month; its range is that of the panel."""
    return f"sum(increase({of(SPENT)}[$__range]{at}))"


def projected(at=""):
    """Return the cost of the whole month, if the mean rate since its first sample continues.

    The first sample is that of the month, of the first scrape or of a backfill.
    """
    # the sum of each step is cheap; `timestamp()` in a subquery takes a minute for a month
    times = f"(time() + 0 * sum({of(SPENT)}))[$__range:5m]{at}"
    covered = f"(max_over_time({times}) - min_over_time({times}))"
    return f"{month(at)} * (1 + (86400 * days_in_month() - $__range_s) / {covered})"


def since_its_start():
    """Return the cost from the start of the month to each point.

    The value of a machine that is off is its last one. The subquery costs less than a range vector
    of a month at each point.
    """
    before = f"min_over_time({of(SPENT)}[$__range] @ end())"
    return f"sum(last_over_time({of(SPENT)}[$__range:5m]) - {before})"


def of_month(panel):
    return {**panel, "timeFrom": "now/M"}


CALENDAR = row(
    "By day and month",
    {
        **stat(
            "Today",
            "List price of the present day.",
            f"sum({of.grown(SPENT)})",
            unit="currencyUSD",
            empty="None yet",
            width=6,
        ),
        "timeFrom": "now/d",
    },
    of_month(
        stat(
            "This month",
            "List price of the present month, without usage from before the first scrape.",
            month(),
            unit="currencyUSD",
            empty="None yet",
            width=6,
        )
    ),
    of_month(
        stat(
            "Projected for this month",
            "List price at the end of the month, if the mean rate since the first sample in the "
            "month continues.",
            projected(),
            unit="currencyUSD",
            empty="None yet",
            width=6,
        )
    ),
    stat(
        "Budget of this month",
        "Sum of the monthly budgets of all machines that are not limited to an agent or project.",
        budget("month"),
        unit="currencyUSD",
        empty=NO_BUDGET,
        width=6,
    ),
    by_day(
        "Cost by day",
        "List price of each day of the last 30 days. The last bar is the present day so far. The "
        "line is the present daily budget of all agents and projects.",
        # a point at the end of a day has the increase of that day
        f"sum by (agent) (increase({of(SPENT)}[1d] offset -1d))",
        (budget("day", " @ end() offset -1d"), "Budget"),
        legend="{{agent}}",
        empty=NOTHING,
    ),
    of_month(
        timeseries(
            "Cost of this month",
            "List price from the start of the month to each point, beside the projected cost of "
            "the month and the monthly budget of all agents and projects.",
            (since_its_start(), "Cost"),
            (projected(" @ end()"), "Projected"),
            (budget("month", " @ end() offset -1h"), "Budget"),
            unit="currencyUSD",
            empty="No cost up to the last full hour",
            overrides=dashed(),
        )
    ),
)
