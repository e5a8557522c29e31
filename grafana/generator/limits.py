"""The dashboard of the providers' rate-limit windows."""

from generator.panels import BLUE, ORANGE, RED, bars, board, row, steps, table, timeseries
from generator.variables import Selectors

of = Selectors("agent")
USED = of("agtop_rate_limit_used_ratio")
LENGTH = of("agtop_rate_limit_window_seconds")
RESET = of("agtop_rate_limit_reset_timestamp_seconds")
BY = "job, instance, agent, window, source"
FULLNESS = steps((0.7, ORANGE), (0.9, RED), base=BLUE)
PACE = f"{USED} / ((1 - ({RESET} - time()) / {LENGTH}) > 0.01)"
LEGEND = "{{agent}} {{window}}, {{source}}"
NONE = "No agent has recorded a rate limit in the last 24 hours."


def of_window(expression):
    return f"sum by ({BY}) ({expression})"


NOW = row(
    "Now",
    bars(
        "Used",
        "Used share of each window, as the agent last recorded it.",
        (f"sort_desc({of_window(USED)})", LEGEND),
        unit="percentunit",
        empty=NONE,
        thresholds=FULLNESS,
        color="thresholds",
        defaults={"min": 0, "max": 1},
        width=8,
    ),
    table(
        "Windows",
        "Pace is the used share divided by the elapsed share of the window. Above 1, the limit is "
        "reached before the window resets. Old records may refer to an earlier window.",
        [
            {
                "expr": of_window(USED),
                "title": "Used",
                "unit": "percentunit",
                "bar": 1,
                "thresholds": FULLNESS,
            },
            {
                "expr": of_window(PACE),
                "title": "Pace",
                "unit": "short",
                "thresholds": steps((1, ORANGE), (1.5, RED)),
            },
            {"expr": of_window(f"{RESET} - time()"), "title": "Resets in", "unit": "s"},
            {"expr": of_window(LENGTH), "title": "Length", "unit": "s"},
            {
                "expr": of_window(f"time() - {of('agtop_rate_limit_observed_timestamp_seconds')}"),
                "title": "Age of the record",
                "unit": "s",
                "thresholds": steps((900, ORANGE)),
            },
        ],
        labels=[
            ("agent", "Agent"),
            ("window", "Window"),
            ("source", "Source"),
            ("instance", "Machine"),
        ],
        hidden=("job",),
        empty=NONE,
        width=16,
    ),
)

COURSE = row(
    "Over time",
    timeseries(
        "Used share",
        "Used share of each window. It falls when the window resets.",
        (of_window(USED), LEGEND),
        unit="percentunit",
        empty=NONE,
        thresholds=steps((0.9, RED)),
        defaults={"max": 1},
    ),
    timeseries(
        "Pace",
        "Used share divided by the elapsed share. Above 1, the limit is reached before the reset.",
        (of_window(PACE), LEGEND),
        unit="short",
        empty=NONE,
        thresholds=steps((1, RED)),
    ),
)

BOARD = board(
    "Limits",
    "Rate-limit windows: used share, pace and reset times.",
    NOW,
    COURSE,
    since="now-24h",
)
