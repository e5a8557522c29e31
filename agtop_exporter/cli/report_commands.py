"""Declares the commands that print reports, and their options."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from agtop_exporter.cli.command import Command, Option
from agtop_exporter.reports import DIMENSIONS, WEEKDAYS
from agtop_exporter.settings import suggestion

FIRST_YEAR, LAST_YEAR = 1971, 9998


def _one_of(names: Sequence[str], text: str) -> str:
    if text in names:
        return text
    meant = suggestion(text, names)
    hint = f"; did you mean {meant}?" if meant else f" (one of: {', '.join(names)})"
    raise argparse.ArgumentTypeError(f"no such value: {text!r}{hint}")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-03-01, got {text!r}")
    return day


BY = Option(
    ("--by",),
    "How to divide the usage of a period into rows (default: model).",
    default="model",
    arguments={"metavar": "|".join(DIMENSIONS), "type": partial(_one_of, DIMENSIONS)},
)
SINCE_DAY = Option(
    ("--since",),
    "The first day of the report: 2026-03-01 (default: all usage).",
    default=None,
    arguments={"metavar": "DATE", "type": _day},
)
SINCE_WEEK = replace(
    SINCE_DAY, help="The first day of the report: 2026-03-01 (default: six days ago)."
)
ACTIVE = Option(("--active",), "Print only the present windows.")
LINE = Option(("--line",), "Print one line: for tmux, waybar and prompts.")
UNTIL_DAY = Option(
    ("--until",),
    "The last day of the report: 2026-03-31 (default: all usage).",
    default=None,
    arguments={"metavar": "DATE", "type": _day},
)
TIMEZONE = Option(
    ("--timezone",),
    "The time zone of days: Europe/Berlin (default: the time zone of the machine).",
    default="",
    arguments={"metavar": "NAME"},
)
WEEK_START = Option(
    ("--week-start",),
    "The first day of a week: monday (default: from LC_ALL, LC_TIME or LANG).",
    default="",
    arguments={"metavar": "DAY", "type": partial(_one_of, WEEKDAYS)},
)


def report_commands(
    *, settings: tuple[str, ...], json: Option, schema: Option
) -> tuple[Command, ...]:
    """Return the commands that print reports.

    `settings`, `json` and `schema` are the settings and options that other commands have, too.
    """

    def by_period(name: str, summary: str, *options: Option) -> Command:
        return Command(
            name=name,
            summary=summary,
            module="report",
            options=(BY, SINCE_DAY, UNTIL_DAY, TIMEZONE, *options, json, schema),
            settings=settings,
        )

    return (
        by_period("daily", "Print tokens and cost by day, and the budgets."),
        by_period("weekly", "Print tokens and cost by week.", WEEK_START),
        by_period("monthly", "Print tokens and cost by month."),
        Command(
            name="blocks",
            summary="Print tokens, cost and pace in windows of five hours.",
            module="blocks",
            options=(SINCE_WEEK, ACTIVE, TIMEZONE, json, schema),
            settings=settings,
        ),
        Command(
            name="today",
            summary="Print tokens and cost of today and of the last days, as a table or one line.",
            module="today",
            options=(LINE, TIMEZONE, json, schema),
            settings=settings,
            excludes={"json": ("line",)},
        ),
    )
