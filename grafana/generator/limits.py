"""The dashboard of the providers' rate-limit windows."""

from generator.panels import BLUE, ORANGE, RED, bars, board, row, steps, table, timeseries
from generator.variables import Selectors

of = Selectors("agent")
USED = of("agtop_rate_limit_used_ratio")
LENGTH = of("agtop_rate_limit_window_seconds")
RESET = of("agtop_rate_limit_reset_timestamp_seconds")
ELAPSED = of("agtop_rate_limit_elapsed_ratio")
PACE = of("agtop_rate_limit_projected_ratio")
BY = "job, instance, agent, window, source, account"
FULLNESS = steps((0.7, ORANGE), (0.9, RED), base=BLUE)
LEGEND = "{{agent}} {{account}} {{window}}, {{source}}, {{instance}}"
BY_ACCOUNT = "{{agent}} {{account}}"
ONE_USER = "Each exporter reads one user's homes."
NONE = "No rate limit in the last 24 hours"


def of_window(expression):
    return f"sum by ({BY}) ({expression})"


def sorted_by(labels, counter):
    return f"sort_desc(sum by ({labels}) ({of.grown(counter)}) > 0)"


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
        width=24,
        height=6,
    ),
    table(
        "Windows",
        "Pace is the used share divided by the elapsed share of the window at the time of the "
        "record, and so the projected share at the reset. Above 1, the limit is reached before.",
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
            {"expr": of_window(ELAPSED), "title": "Elapsed", "unit": "percentunit"},
            {"expr": of_window(f"{RESET} - time()"), "title": "Resets in", "unit": "s"},
            {"expr": of_window(LENGTH), "title": "Length", "unit": "s"},
            {
                "expr": of_window(f"time() - {of('agtop_rate_limit_observed_timestamp_seconds')}"),
                "title": "Age",
                "unit": "s",
                "thresholds": steps((900, ORANGE)),
            },
        ],
        labels=[
            ("agent", "Agent"),
            ("account", "Account"),
            ("window", "Window"),
            ("source", "Source"),
            ("instance", "Machine"),
        ],
        hidden=("job",),
        empty=NONE,
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

ACCOUNTS = row(
    "Accounts in the selected time range",
    bars(
        "Cost by account",
        "List price by account. The default directory of an agent has no account name.",
        (sorted_by("agent, account", "agtop_account_cost_usd_total"), BY_ACCOUNT),
        unit="currencyUSD",
        empty="No cost",
    ),
    bars(
        "Tokens by account",
        "Tokens of all types by account.",
        (sorted_by("agent, account", "agtop_account_tokens_total"), BY_ACCOUNT),
        unit="short",
        empty="No tokens",
    ),
)

USERS = row(
    "Users in the selected time range",
    bars(
        "Cost by user",
        "List price by user, if an exporter reads the homes of several users.",
        (sorted_by("user", "agtop_user_cost_usd_total"), "{{user}}"),
        unit="currencyUSD",
        empty=ONE_USER,
    ),
    bars(
        "Tokens by user",
        "Tokens of all types by user, if an exporter reads the homes of several users.",
        (sorted_by("user", "agtop_user_tokens_total"), "{{user}}"),
        unit="short",
        empty=ONE_USER,
    ),
    bars(
        "Sessions by user",
        "Sessions that have series of their own, by user.",
        (f"sort_desc(count by (user) ({of('agtop_session_user_info')}))", "{{user}}"),
        unit="short",
        empty=ONE_USER,
    ),
)

BOARD = board(
    "Limits",
    "Rate-limit windows: used share, pace and reset times. Usage by account and by user.",
    NOW,
    COURSE,
    ACCOUNTS,
    USERS,
    since="now-24h",
)
