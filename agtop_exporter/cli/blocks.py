"""Implements `agtop blocks`, which prints the usage in windows of five hours."""

from argparse import Namespace
from datetime import timedelta

from agtop_exporter.cli.history import calendar_of, day_of, history, limits_in, usage_in
from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.terminal import terminal
from agtop_exporter.cli.wiring import now, settings_of
from agtop_exporter.render.json import blocks as json
from agtop_exporter.render.table import blocks as table
from agtop_exporter.reports import BlocksReport, Calendar, blocks_of

DAYS = 7  # that are printed without --since
EARLIER = timedelta(days=30)  # read before the first day, because windows depend on earlier ones


def run(options: Namespace) -> None:
    """Print the windows as a table or as JSON."""
    if options.schema:
        write(json.schema())
        leave()
    calendar = calendar_of(options)
    report = _report(options, calendar, now())
    if options.json:
        write(json.render(report))
    else:
        write(table.render(report, terminal=terminal(), timezone=calendar.timezone))
    leave()


def _report(options: Namespace, calendar: Calendar, at: float) -> BlocksReport:
    settings = settings_of(options)
    since = day_of(options.since) or calendar.today(at) - timedelta(days=DAYS - 1)
    with history(settings) as found:
        usage = usage_in(found, calendar.span(since - EARLIER), settings)
        blocks = blocks_of(usage, limits_in(found, settings), at)
    midnight = calendar.midnight(since)
    return BlocksReport(
        tuple(
            block
            for block in blocks
            if block.ends_at > midnight and (block.pace or not options.active)
        ),
        generated_at=at,
    )
