"""Implements `agtop-exporter backfill`, which exports the usage from before the first scrape."""

import contextlib
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from agtop_exporter import backfill
from agtop_exporter.backfill import Target
from agtop_exporter.cli.arguments import UsageError
from agtop_exporter.cli.output import progress_bar, write
from agtop_exporter.cli.wiring import now, settings_of, state_directory
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_for_people
from agtop_exporter.metrics import CATALOGUE, PastCounter, Span, by_day, past_counters
from agtop_exporter.metrics.history import SECONDS_PER_DAY
from agtop_exporter.model import AgtopError
from agtop_exporter.settings import Settings

BLOCK_DURATION = "162h"  # longer than the day of a file: promtool reads a file once per block

log = structlog.get_logger()


def run(options: Namespace) -> None:
    """Write the samples to files, or send them to VictoriaMetrics.

    If files were written, print a shell script that creates Prometheus blocks from them.
    """
    settings = settings_of(options)
    log_for_people(settings)
    if not options.output and not options.victoriametrics:
        raise UsageError("backfill needs --output DIR or --victoriametrics URL")
    labels = _labels(options.label)
    counters, span = _read(settings, options)
    with contextlib.ExitStack() as stack:
        targets: list[Target] = []
        if options.victoriametrics:
            server = backfill.victoriametrics_at(options.victoriametrics, labels)
            targets.append(stack.enter_context(server))
        if options.output:
            targets.append(backfill.files_in(options.output, labels))
        count = _store(counters, span, targets)
    of_what = f"{count:,} samples of {len(counters)} series"
    times = f"{backfill.text_of(span.start)} to {backfill.text_of(span.end)}"
    write(f"# {of_what}, {times}\n")
    if options.output:
        write(_script(options.output))


def _labels(given: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the labels of the options by name.

    Raises UsageError if a metric already has a label with one of the names.
    """
    taken = {name for metric in CATALOGUE for name in metric.labels}
    for position, (name, _) in enumerate(given):
        if name in taken or name in dict(given[:position]):
            raise UsageError(f"--label {name}: the series have this label already")
    if missing := {"job", "instance"} - dict(given).keys():
        text = "the series do not continue the scraped ones without these labels"
        log.warning(text, labels=",".join(sorted(missing)))
    return dict(given)


def _read(settings: Settings, options: Namespace) -> tuple[list[PastCounter], Span]:
    """Return the past counters of the ledger, and the times for which they are exported."""
    with contextlib.closing(Ledger(state_directory(settings), read_only=True)) as ledger:
        if ledger.warning:
            raise AgtopError(ledger.warning)
        totals = ledger.past_totals()
        scrape = backfill.first_scrape(ledger)
    end = backfill.end_of(
        until=options.until, scrape=scrape, now=now(), retention_days=settings.retention_days
    )
    published = [
        past
        for past in backfill.before_scrape(totals, scrape, end)
        if not settings.agent or past.series[1] in settings.agent
    ]
    counters = past_counters(CATALOGUE, published)
    span = backfill.span_of(counters, since=options.since, end=end, step=options.step)
    return counters, span


def _store(counters: list[PastCounter], span: Span, targets: list[Target]) -> int:
    draw = progress_bar("writing", unit="days", unit_size=SECONDS_PER_DAY, smallest=0)

    def progress(day: int) -> None:
        draw(min(day + SECONDS_PER_DAY, span.end) - span.start, span.end - span.start)

    return backfill.store(by_day(counters, span), targets, progress=progress)


def _script(directory: Path) -> str:
    """Return the commands that create Prometheus blocks from the files in a directory."""
    folder = shlex.quote(str(directory.absolute()))
    return f"""\
for file in {folder}/*{backfill.SUFFIX}; do
  promtool tsdb create-blocks-from openmetrics --max-block-duration={BLOCK_DURATION} \
"$file" {folder}/blocks || break
done
# Then move the directories in blocks/ to the storage of Prometheus (--storage.tsdb.path).
# It deletes blocks that are older than --storage.tsdb.retention.time (default: 15d).
"""
