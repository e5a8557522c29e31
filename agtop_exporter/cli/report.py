"""Implements `agtop daily`, `agtop weekly` and `agtop monthly`."""

from argparse import Namespace
from collections.abc import Mapping

from agtop_exporter.cli.arguments import UsageError
from agtop_exporter.cli.history import calendar_of, day_of, history, usage_in
from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.terminal import terminal
from agtop_exporter.cli.wiring import now, settings_of
from agtop_exporter.model import Period
from agtop_exporter.pipeline.budgets import Budgets
from agtop_exporter.render.json import reports as json
from agtop_exporter.render.table import reports as table
from agtop_exporter.reports import Report, by_period

PERIODS: Mapping[str, Period] = {"daily": "day", "weekly": "week", "monthly": "month"}


def run(options: Namespace) -> None:
    """Print the report of the command in `options`, as a table or as JSON."""
    if options.schema:
        write(json.schema(options.by))
        leave()
    options.since = day_of(options.since)
    if options.since and options.until and options.since > options.until:
        raise UsageError(f"--since {options.since} is after --until {options.until}")
    report = _report(options, now())
    write(json.render(report) if options.json else table.render(report, terminal=terminal()))
    leave()


def _report(options: Namespace, at: float) -> Report:
    settings, calendar = settings_of(options), calendar_of(options)
    period = PERIODS[options.command]
    with history(settings) as found:
        usage = usage_in(found, calendar.span(options.since, options.until), settings)
        budgets = Budgets(found, settings.budgets, timezone=calendar.timezone)
        return Report(
            period=period,
            by=options.by,
            periods=by_period(usage, period, options.by, calendar),
            generated_at=at,
            since=options.since,
            until=options.until,
            timezone=options.timezone or None,
            week_start=calendar.week_start,
            budgets=budgets.uses(at) if period == "day" else (),
        )
