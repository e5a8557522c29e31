"""Implements `agtop-exporter doctor`, which reads all files from the start and reports problems."""

import contextlib
import sys
from argparse import Namespace

from agtop_exporter import doctor
from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.service_check import check_service
from agtop_exporter.cli.snapshot import refresh
from agtop_exporter.cli.wiring import (
    environment,
    homes,
    make_pipeline,
    make_refresher,
    now,
    settings_of,
    state_directory,
)
from agtop_exporter.doctor import text
from agtop_exporter.doctor.not_read import InstalledAgent, installed_unread
from agtop_exporter.doctor.records import RecordCounts
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_for_people, log_nothing
from agtop_exporter.pipeline.failing import remembered_errors
from agtop_exporter.settings import Settings


def run(options: Namespace) -> None:
    """Check everything and print the report. The exit status is 1 if there are problems."""
    if options.schema:
        write(doctor.schema())
        leave()
    settings = settings_of(options)
    log_for_people(settings)
    problems, corrections = [], {}
    if not settings.no_state:
        with contextlib.closing(Ledger(state_directory(settings), read_only=True)) as ledger:
            problem = ledger.problem()
            problems += [problem] if problem else []
            problems += doctor.daemon_problems(remembered_errors(ledger))
            corrections = ledger.corrections
    with (
        contextlib.closing(Ledger()) as ledger,
        contextlib.closing(make_pipeline(settings, ledger)) as pipeline,
    ):
        make_refresher(settings, pipeline)
        log_nothing()  # the report contains all messages
        records = RecordCounts()
        pipeline.findings.on_batch = records.add
        snapshot = refresh(pipeline, now())
        report = doctor.examine(
            pipeline,
            snapshot,
            problems=problems,
            records=records,
            corrections=corrections,
            service=check_service(),
            not_read=_not_read(settings, pipeline.folders),
        )
    write(doctor.as_json(report) if options.json else text.render(report))
    if report.needs_attention:
        sys.exit(1)


def _not_read(settings: Settings, folders: Folders) -> tuple[InstalledAgent, ...]:
    """Return the installed agents that are not read; none if the user selected agents."""
    if settings.agent:
        return ()
    return installed_unread(homes(settings), environment().get("PATH", ""), folders)
