"""Implements `agtop top`, the interactive view."""

import contextlib
import os
import sys
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from agtop_exporter import platforms
from agtop_exporter.cli.arguments import UsageError
from agtop_exporter.cli.output import can_draw, is_ascii_only, leave
from agtop_exporter.cli.wiring import (
    config_directory,
    environment,
    has_ledger,
    make_refresher,
    now,
    opened,
    settings_of,
    state_directory,
)
from agtop_exporter.logs import log_to
from agtop_exporter.model import AgtopError
from agtop_exporter.pipeline import Pipeline, children
from agtop_exporter.pipeline.scan import CHILDREN_MAX
from agtop_exporter.reports import Calendar
from agtop_exporter.settings import Settings
from agtop_exporter.top.app import TopApp
from agtop_exporter.top.columns import BY_TITLE
from agtop_exporter.top.feed import Feed
from agtop_exporter.top.look import Look
from agtop_exporter.top.notices import Notices
from agtop_exporter.top.view import View

HIDDEN_FILE = "top-hidden-columns.json"
LOG_FILE = "top.log"
LOOK_SECONDS = 1.0  # time between two checks that the terminal exists
END_SECONDS = 2.0  # an orderly end takes less
HUNG_UP = 129  # exit status after SIGHUP, which a vanished terminal may not have sent


def run(options: Namespace) -> None:
    """Show the view until the user quits. The exit status is 0, 1 after a crash, or 128 + signal.

    Raises UsageError if this program cannot draw on a terminal and read its keys. Raises AgtopError
    after a crash.
    """
    if not can_draw(environment()):
        raise UsageError("the view needs a terminal: type `agtop list`")
    settings = settings_of(options)
    notices = Notices(options.log_file)
    log_to(notices.add, settings)
    app = _app(settings, notices, delay_seconds=options.delay)
    platforms.prepare_children()  # for the first scan: Textual replaces stderr
    if not settings.no_state and not has_ledger(state_directory(settings)):
        children.start_ahead(CHILDREN_MAX)  # before Textual starts threads
    threading.Thread(target=_end_with_terminal, args=(app,), daemon=True).start()
    status = app.run(mouse=not options.no_mouse)
    if app.crash is None:
        leave(status or 0)
    log = Notices(options.log_file or state_directory(settings) / LOG_FILE)
    kept = log.write("".join(traceback.format_exception(app.crash)))
    place = f": see {log.path}" if kept else ""
    raise AgtopError(f"the view ended with an unexpected {type(app.crash).__name__}{place}")


def _end_with_terminal(app: TopApp) -> None:
    """End the program when its terminal disappears.

    Textual would read from the missing terminal without a pause, or wait forever to write to it.
    """
    while sys.__stdin__ is not None and sys.__stdin__.isatty():
        time.sleep(LOOK_SECONDS)
    app.hang_up(HUNG_UP)
    time.sleep(END_SECONDS)
    os._exit(HUNG_UP)


def _app(settings: Settings, notices: Notices, *, delay_seconds: float) -> TopApp:
    calendar = Calendar()
    ascii_only = is_ascii_only(environment())
    look = Look(now(), home=str(Path.home()), ascii_only=ascii_only)

    def make_feed(changed: Callable[[], None]) -> Feed:
        return Feed(
            lambda: _pipeline(settings),
            open_writer=None if settings.no_state else lambda: _writer(settings),
            clock=now,
            calendar=calendar,
            delay_seconds=delay_seconds,
            changed=changed,
        )

    return TopApp(
        View(look, calendar=calendar, hidden=_hidden_columns()),
        make_feed,
        clock=now,
        notices=notices,
        keep_hidden=_keep_hidden,
        colored=not environment().get("NO_COLOR"),
        ascii_only=ascii_only,
    )


@contextlib.contextmanager
def _pipeline(settings: Settings) -> Iterator[Pipeline]:
    """Yield a pipeline that never writes the ledger. It uses the downloaded price lists."""
    with opened(settings, read_only=True) as pipeline:
        make_refresher(settings, pipeline)
        yield pipeline


@contextlib.contextmanager
def _writer(settings: Settings) -> Iterator[Pipeline]:
    """Yield a pipeline for the first scan. It writes the ledger if no daemon does."""
    try:
        with opened(settings) as pipeline:
            refresher = make_refresher(settings, pipeline)
            if settings.refresh_pricing:
                refresher.refresh_once(force=True)
            yield pipeline
    finally:
        children.end_waiting()


def _hidden_columns() -> frozenset[str]:
    """Return the columns that the user has hidden before."""
    try:
        data = (config_directory(environment()) / HIDDEN_FILE).read_bytes()
        titles = msgspec.json.decode(data, type=list[str])
    except (OSError, msgspec.DecodeError):
        return frozenset()
    return frozenset(title for title in titles if title in BY_TITLE and BY_TITLE[title].rank)


def _keep_hidden(titles: Iterable[str]) -> None:
    """Store the titles of the hidden columns.

    If the directory cannot be written, they are not stored, and no error is raised.
    """
    with contextlib.suppress(OSError):
        directory = config_directory(environment())
        platforms.make_directory(directory)
        (directory / HIDDEN_FILE).write_bytes(msgspec.json.encode(sorted(titles)))
