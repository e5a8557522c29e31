"""`agtop-exporter doctor`: reads everything again, and reports what is wrong."""

import contextlib
import sys
from argparse import Namespace
from collections.abc import Mapping

from agtop_exporter import doctor
from agtop_exporter.cli.output import progress_bar, write
from agtop_exporter.cli.wiring import (
    environment,
    homes,
    make_pipeline,
    make_prices,
    make_refresher,
    now,
    print_notice,
    settings_of,
    state_directory,
)
from agtop_exporter.doctor import text
from agtop_exporter.ledger import Ledger


def run(options: Namespace) -> None:
    """Print the report; the exit status is 1 if there are problems."""
    settings = settings_of(options)
    problems = []
    if not settings.no_state:
        with contextlib.closing(Ledger(state_directory(settings), read_only=True)) as ledger:
            problems += [ledger.warning] if ledger.warning else []
    with contextlib.closing(Ledger()) as ledger:
        prices = make_prices(settings, _say_nothing)
        pipeline = make_pipeline(settings, ledger, prices, _say_nothing)
        make_refresher(settings, pipeline.prices, print_notice)
        report = doctor.examine(
            pipeline,
            pipeline.refresh(now(), progress=progress_bar()),
            homes=homes(settings),
            environment=dict(environment()),
            problems=problems,
        )
    write(doctor.as_json(report) if options.json else text.render(report))
    if report.needs_attention:
        sys.exit(1)


def _say_nothing(_level: str, _event: str, _fields: Mapping[str, object]) -> None:
    """Leave it to the report."""
