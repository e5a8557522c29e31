"""Implements `agtop list`, which prints the sessions as a table, once or repeatedly."""

import contextlib
import shutil
import time
from argparse import Namespace
from pathlib import Path

from agtop_exporter.cli.output import leave, on_terminal, write
from agtop_exporter.cli.snapshot import one_snapshot, refresh, refresh_with_rates, scan
from agtop_exporter.cli.wiring import environment, now, one_shot, settings_of
from agtop_exporter.model import Snapshot
from agtop_exporter.render.table import render
from agtop_exporter.settings import Settings

VIEW_BYTES = 8_000_000  # growth of the ledger after which it is opened again


def run(options: Namespace) -> None:
    """Print the table once, or repeatedly with `--watch`."""
    settings = settings_of(options)
    if options.watch:
        with contextlib.suppress(KeyboardInterrupt):  # ends --watch
            _watch(settings, options.delay)
    else:
        write(_table(one_snapshot(settings)))
        leave()


def _watch(settings: Settings, delay_seconds: float) -> None:
    """Print the table every `delay_seconds` until the user interrupts the program.

    The ledger is closed and opened again when it has grown by VIEW_BYTES. An open ledger prevents
    SQLite from reusing the space of the daemon's write-ahead log.
    """
    clear = "\x1b[H\x1b[2J" if on_terminal() else ""
    scan(settings)  # then only reads: a daemon that starts meanwhile must not wait
    while True:
        with one_shot(settings, read_only=True) as pipeline:
            size_bytes = pipeline.ledger.size_bytes()
            snapshot = refresh_with_rates(pipeline)
            while pipeline.ledger.size_bytes() < size_bytes + VIEW_BYTES:
                write(clear + _table(snapshot))
                time.sleep(delay_seconds)
                snapshot = refresh(pipeline, now())


def _table(snapshot: Snapshot) -> str:
    plain = environment().get("NO_COLOR") or environment().get("TERM") == "dumb"
    return render(
        snapshot,
        width=shutil.get_terminal_size().columns if on_terminal() else None,
        color=on_terminal() and not plain,
        home=str(Path.home()),
        now=snapshot.generated_at,
    )
