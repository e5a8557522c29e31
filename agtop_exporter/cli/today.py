"""Implements `agtop today`, which prints the usage of today and of the last days."""

from argparse import Namespace
from pathlib import Path

from agtop_exporter.cli.history import calendar_of, history, limits_in, usage_in
from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.terminal import terminal
from agtop_exporter.cli.wiring import now, settings_of
from agtop_exporter.pipeline.budgets import Budgets
from agtop_exporter.render.json import today as json
from agtop_exporter.render.table import today as table
from agtop_exporter.render.table.columns import View
from agtop_exporter.reports import DAYS, Calendar, Today, sums_of_days

AGE_SECONDS_MAX = 60.0  # a status bar runs the command every few seconds


def run(options: Namespace) -> None:
    """Print the usage as a table, as one line or as JSON."""
    if options.schema:
        write(json.schema())
        leave()
    calendar, at = calendar_of(options), now()
    today = _today(options, calendar, at)
    if options.json:
        write(json.render(today))
    elif options.line:
        write(table.line(today))
    else:
        view = View(str(Path.home()), at, calendar.timezone)
        write(table.render(today, terminal=terminal(), view=view))
    leave()


def _today(options: Namespace, calendar: Calendar, at: float) -> Today:
    settings = settings_of(options)
    span = calendar.last_days(at, max(DAYS.values()))
    with history(settings, age_seconds_max=AGE_SECONDS_MAX) as found:
        return Today(
            spans=sums_of_days(usage_in(found, span, settings), calendar, at),
            rate_limits=tuple(limits_in(found, settings)),
            budgets=Budgets(found, settings.budgets, timezone=calendar.timezone).uses(at),
            generated_at=at,
        )
