"""Implements `agtop list`, which prints the sessions as a table, once or repeatedly."""

import contextlib
import time
from argparse import Namespace
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from os import terminal_size
from pathlib import Path

from agtop_exporter.cli.arguments import UsageError
from agtop_exporter.cli.output import leave, on_terminal, write
from agtop_exporter.cli.screen import Screen
from agtop_exporter.cli.snapshot import one_snapshot, refresh, refresh_with_rates, scan
from agtop_exporter.cli.terminal import is_dumb, terminal
from agtop_exporter.cli.wiring import folders, homes, now, one_shot, settings_of
from agtop_exporter.existence import exists, is_directory
from agtop_exporter.ledger import REOPEN_BYTES
from agtop_exporter.logs import log_nothing, on_one_line
from agtop_exporter.model import Snapshot
from agtop_exporter.render.table import ROWS_MAX, render
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.rows import SORT_NAMES, Selection
from agtop_exporter.settings import Settings, suggestion

NAMES_MAX = 20  # names that a message lists


def run(options: Namespace) -> None:
    """Print the table once, or repeatedly with `--watch`."""
    settings = settings_of(options)
    table = _Table(settings, options)
    if not options.watch:
        write(table.page(one_snapshot(settings)))
    else:
        with contextlib.suppress(KeyboardInterrupt):  # ends --watch
            if on_terminal() and not is_dumb():
                _watch_on_screen(table, settings, options.delay)
            else:
                _watch_in_lines(table, settings, options.delay)
    leave()


class _Table:
    """Renders snapshots according to the options.

    The first call of `page` raises UsageError if no session is in the project of `--project`.
    """

    def __init__(self, settings: Settings, options: Namespace) -> None:
        self._selection = Selection(
            sort=_sort(options.sort),
            live=options.live,
            project=options.project,
            since=options.since,
        )
        self._rows_max = None if options.all else ROWS_MAX
        self._delay_seconds = options.delay
        self._remarks = [
            f"the home directory {on_one_line(home)} {_why_missing(home)}"
            for home in _missing(homes(settings))
        ]
        self._is_checked = not options.project

    def page(self, snapshot: Snapshot, size: terminal_size | None = None) -> str:
        """Return the table for standard output.

        If `size` is given, the table fits into this width and height. Otherwise its height is not
        limited.
        """
        if not self._is_checked:
            _check_project(self._selection.project, snapshot)
            self._is_checked = True
        return render(
            snapshot,
            view=View(str(Path.home()), snapshot.generated_at, None),
            terminal=terminal(size),
            selection=self._selection,
            rows_max=self._rows_max,
            remarks=self._remarks,
            footer=self._footer(snapshot) if size else "",
        )

    def _footer(self, snapshot: Snapshot) -> str:
        updated = datetime.fromtimestamp(snapshot.generated_at, UTC).astimezone()
        return f"updated {updated:%H:%M:%S}, every {self._delay_seconds:g} s, q quits"


def _watch_on_screen(table: _Table, settings: Settings, delay_seconds: float) -> None:
    """Show the table on the whole screen, with new data every `delay_seconds`, until `q`."""
    with contextlib.closing(_snapshots(settings)) as snapshots:
        snapshot = next(snapshots)
        table.page(snapshot)  # reports a mistake before the screen opens
        log_nothing()  # a message would appear in the middle of the table
        with Screen() as screen:
            while screen.show(partial(table.page, snapshot), delay_seconds):
                snapshot = next(snapshots)


def _watch_in_lines(table: _Table, settings: Settings, delay_seconds: float) -> None:
    """Print one table after another."""
    with contextlib.closing(_snapshots(settings)) as snapshots:
        for snapshot in snapshots:
            write(table.page(snapshot))
            time.sleep(delay_seconds)


def _snapshots(settings: Settings) -> Generator[Snapshot]:
    """Refresh and yield a new snapshot each time the caller requests one.

    The ledger is closed and opened again when it has grown by REOPEN_BYTES.
    """
    scan(settings)  # from now on, only read: a daemon that starts must not wait
    while True:
        with one_shot(settings, read_only=True) as pipeline:
            size_bytes = pipeline.ledger.size_bytes()
            yield refresh_with_rates(pipeline)
            while pipeline.ledger.size_bytes() < size_bytes + REOPEN_BYTES:
                yield refresh(pipeline, now())


def _sort(name: str) -> str:
    """Return the name of the column to sort by. Raises UsageError if there is no such column."""
    column = name.lower().removesuffix("$")
    if column not in SORT_NAMES:
        raise UsageError(f"--sort: no such column: {_with_hint(column, SORT_NAMES, 'columns')}")
    return column


def _check_project(name: str, snapshot: Snapshot) -> None:
    """Raise UsageError if sessions are known, but none of them is in the project."""
    latest = sorted(snapshot.sessions, key=lambda session: -(session.last_active or 0))
    known = list(dict.fromkeys(session.project for session in latest if session.project))
    if latest and name not in known:
        hint = _with_hint(name, known, "the latest projects")
        raise UsageError(f"--project: no session is in {hint}")


def _with_hint(name: str, known: Sequence[str], what: str) -> str:
    """Return a wrong name with the name that was probably meant, or with the first known names."""
    meant = suggestion(name, known)
    names = ", ".join(map(on_one_line, known[:NAMES_MAX]))
    hint = f"; did you mean {on_one_line(meant)}?" if meant else f" ({what}: {names})"
    return on_one_line(name) + (hint if known else "")


def _missing(places: Iterable[Path]) -> Iterator[Path]:
    """Yield the home directories that do not exist."""
    for home in places:
        if not folders().trouble_with(str(home)) and not is_directory(home):
            yield home


def _why_missing(home: Path) -> str:
    return "is a file" if exists(home) else "does not exist"
