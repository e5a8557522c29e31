"""The long-running process: refreshes one after the other, serves the latest, obeys signals."""

import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType

import msgspec
import structlog

from agtop_exporter import __version__
from agtop_exporter.catalogue import Publication, publish, resume
from agtop_exporter.model import AgtopError, Notice, Snapshot
from agtop_exporter.notify import Notifier
from agtop_exporter.outlets import Outlet
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceRefresher
from agtop_exporter.server import OwnProcess, Pages, allowed_hosts, create_app, render_pages, serve
from agtop_exporter.settings import Settings

SWITCH_SECONDS = 0.001  # so that a scrape does not wait for a busy refresh
LONG_SCAN_BYTES = 10_000_000
FIXED = (
    "listen_address",
    "state_dir",
    "no_state",
    "cache_dir",
    "no_pricing_refresh",
    "home",
    "procfs",
    "otlp",
    "otlp_genai",
    "textfile",
    "textfile_interval",
)  # until a restart

log = structlog.get_logger()


class Daemon:
    """One worker refreshes in this thread; HTTP is served from another."""

    def __init__(  # noqa: PLR0913 - the parts that are put together here
        self,
        settings: Settings,
        *,
        pipeline: Callable[[Notice], Pipeline],
        refresher: PriceRefresher,
        reload: Callable[[], Settings],
        clock: Callable[[], float],
        outlets: Callable[[Notice], Sequence[Outlet]] = lambda _notice: (),
        notifier: Notifier | None = None,
    ) -> None:
        """Put the parts together. `reload` reads the settings anew; the clock is unix seconds."""
        self._settings = settings
        self._pipeline = pipeline(notify)
        self._refresher = refresher
        self._reload = reload
        self._clock = clock
        self._make_outlets = outlets
        self._outlets: Sequence[Outlet] = ()
        self._notifier = notifier or Notifier("")
        self._status = ""  # of the last refresh, empty where it failed
        self._own = OwnProcess()
        self._pages: Pages | None = None
        self._scraped: Pages | None = None  # those that a scrape has been sent last
        self._publication: Publication | None = None
        self._resume = self._from_ledger()
        self._previous: Snapshot | None = None
        self._reload_succeeded = True
        self._price_errors = 0
        # A signal handler may interrupt anything, so it may take no lock: a socket wakes the loop.
        self._wake, self._woken = socket.socketpair()
        self._stopping = False
        self._reload_wanted = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises AgtopError where the address is taken."""
        configure_logging(self._settings)
        self._outlets = self._make_outlets(notify)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._wake.setblocking(False)  # noqa: FBT003 - its only argument
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        host, port = self._settings.listen
        app = create_app(
            lambda: self._pages,
            on_scrape=self._on_scrape,
            hosts=allowed_hosts(host),
            version=__version__,
        )
        self._publish(self._empty_snapshot(), ready=False)
        with serve(app, host, port=port) as bound:
            log.info("listening", address=f"{host}:{bound}", version=__version__)
            self._notifier.ready(f"listening on {host}:{bound}")
            if not self._settings.no_pricing_refresh:
                self._refresher.start()
            try:
                while not self._stopping:
                    self._tick()
                    self._rest()
            finally:
                self._notifier.stopping()
                self._refresher.stop()
                self._stop_outlets()
                self._pipeline.close()
        log.info("stopped")

    def _tick(self) -> None:
        if self._reload_wanted:
            self._reload_wanted = False
            self._notifier.reloading()
            self._take_new_settings()
            self._notifier.ready("settings reloaded" if self._reload_succeeded else "old settings")
        errors = self._refresher.refresh_errors
        self._pipeline.ledger.add(("pricing_refresh_errors",), errors - self._price_errors)
        self._price_errors = errors
        for outlet in self._outlets:
            outlet.settle(self._pipeline.ledger)
        try:
            snapshot = self._pipeline.refresh(
                self._clock(),
                progress=self._on_progress,
                stopping=lambda: self._stopping,
                sampled_at=self._clock,
            )
        except Exception:  # whatever it is, the last pages are better than none
            log.exception("refresh failed")
            self._status = ""
            return
        self._refresher.save_memo()
        if not self._stopping:
            self._publish(snapshot, ready=True)

    def _on_progress(self, done: int, total: int) -> None:
        """Tell the service manager that a long scan gets on; a short one is not worth a word."""
        if total >= LONG_SCAN_BYTES:
            self._notifier.alive(f"scanning: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def _publish(self, snapshot: Snapshot, *, ready: bool) -> None:
        reloaded = {("config_last_reload_successful",): int(self._reload_succeeded)}
        snapshot = msgspec.structs.replace(snapshot, gauges={**snapshot.gauges, **reloaded})
        consumed = self._scraped is self._pages
        if self._pages is None or not self._pages.ready:
            self._publication = self._resume(snapshot) if ready else None
            self._previous = None
        self._publication = publish(
            snapshot, self._publication, previous=self._previous, consumed=consumed
        )
        self._previous = snapshot
        count = len(snapshot.published)
        self._status = f"{count} session{'' if count == 1 else 's'} live or of late"
        self._pages = render_pages(
            self._publication.exposition, snapshot, own=self._own, ready=ready
        )
        if ready:
            for outlet in self._outlets:
                outlet.offer(snapshot)

    def _from_ledger(self) -> Callable[[Snapshot], Publication | None]:
        """Return what the first result goes on from; without a ledger it stands as it is."""
        ledger = self._pipeline.ledger
        if ledger.is_new:
            return lambda _snapshot: None
        totals = {**ledger.totals, **self._pipeline.pairing.totals()}
        return partial(resume, totals=totals, sessions=set(ledger.sessions))

    def _stop_outlets(self) -> None:
        for outlet in self._outlets:
            outlet.stop()
            outlet.settle(self._pipeline.ledger)
        if self._outlets:
            self._pipeline.ledger.checkpoint()

    def _empty_snapshot(self) -> Snapshot:
        """Return what is known before the first scan."""
        return Snapshot(
            generated_at=self._clock(),
            plan=self._settings.plan,
            sessions=(),
            published=(),
            totals={},
            gauges={},
            agents=(),
        )

    def _on_scrape(self, pages: Pages) -> None:
        self._scraped = pages

    def _rest(self) -> None:
        """Wait for the next refresh, or for a signal; the last refresh speaks for us meanwhile."""
        remaining = self._settings.interval
        while remaining > 0:
            if self._status:
                self._notifier.alive(self._status)
            pause = min(remaining, self._notifier.patience_seconds)
            remaining -= pause
            if select.select([self._woken], [], [], pause)[0]:
                self._woken.recv(4096)
                return

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload_wanted = True
        else:
            self._stopping = True

    def _take_new_settings(self) -> None:
        try:
            new = self._reload()
        except AgtopError as error:
            self._reload_succeeded = False
            log.error("settings not reloaded", reason=str(error).replace("\n", "; "))  # noqa: TRY400 - a user's mistake needs no traceback
            return
        old = self._settings
        kept = {name: getattr(old, name) for name in FIXED}
        ignored = [name for name, value in kept.items() if getattr(new, name) != value]
        self._settings = msgspec.structs.replace(new, **kept)
        self._pipeline.reconfigure(self._settings)
        if new.prices != old.prices:
            self._pipeline.prices.override(new.prices)
        self._reload_succeeded = True
        configure_logging(self._settings)
        log.info("settings reloaded", **({"needs_restart": ",".join(ignored)} if ignored else {}))


def notify(level: str, event: str, fields: Mapping[str, object]) -> None:
    """Log what the pipeline has to tell."""
    log.log(LEVELS[level], event, **fields)


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Passing(logging.Handler):
    """Passes on what libraries, and what must not know structlog, have to tell."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure_logging(settings: Settings) -> None:
    """Log to stderr as logfmt or JSON; the journal has a clock of its own."""
    own_clock = [] if "JOURNAL_STREAM" in os.environ else [structlog.processors.TimeStamper("iso")]  # noqa: TID251 - systemd's way to say so
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=("timestamp", "level", "msg"), drop_missing=True, bool_as_flag=False
        )
    )
    logging.basicConfig(handlers=[_Passing()])  # which does nothing the second time
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *own_clock,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("msg"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
