"""Runs the daemon: refreshes periodically, serves the last result and reacts to signals."""

import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType

import msgspec
import structlog

from agtop_exporter import __version__, platforms
from agtop_exporter.health import Health
from agtop_exporter.metrics import Publication, publish, resume
from agtop_exporter.model import AgtopError, Snapshot
from agtop_exporter.notify import Notifier
from agtop_exporter.outlets import Outlet
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pipeline.failing import error_totals, repeated
from agtop_exporter.pricing import PriceRefresher
from agtop_exporter.server import (
    OwnProcess,
    Pages,
    Scrapers,
    allowed_hosts,
    create_app,
    render_pages,
    serve,
)
from agtop_exporter.settings import Settings

SWITCH_SECONDS = 0.001  # short, so that a scrape does not wait for a refresh
LONG_SCAN_BYTES = 10_000_000
SCRAPERS = "scrapers"  # metadata of the ledger: the scrapers of an earlier process

log = structlog.get_logger()


class Daemon:
    """Refreshes in the calling thread, and serves HTTP from another thread."""

    def __init__(  # noqa: PLR0913 - the parts of the daemon
        self,
        settings: Settings,
        *,
        pipeline: Pipeline,
        refresher: PriceRefresher,
        reload: Callable[[], Settings],
        clock: Callable[[], float],
        configure_logging: Callable[[Settings], None],
        outlets: Sequence[Outlet] = (),
        notifier: Notifier | None = None,
    ) -> None:
        """Assemble the daemon. `reload` reads the settings again; `clock` returns unix seconds."""
        self._settings = settings
        self._pipeline = pipeline
        self._refresher = refresher
        self._reload = reload
        self._clock = clock
        self._configure_logging = configure_logging
        self._outlets = outlets
        self._notifier = notifier or Notifier("")
        self._health = Health()
        self._status = ""  # text about the last refresh for systemd; "" if the refresh failed
        self._own = OwnProcess()
        self._pages: Pages | None = None
        ledger = pipeline.ledger
        self._scrapers = Scrapers(ledger.metadata.get(SCRAPERS, b""), now=clock())
        self._publication: Publication | None = None
        self._resume = self._from_ledger()
        self._previous: Snapshot | None = None
        self._reload_succeeded = True
        pipeline.telemetry.declare("pricing_refresh_errors")
        # A signal handler must not take a lock, because it may interrupt any code. It writes to a
        # socket, which ends the wait.
        self._wake, self._woken = socket.socketpair()
        self._stopping = False
        self._reload_wanted = False

    def run(self) -> None:
        """Refresh and serve until SIGTERM or SIGINT.

        Raises:
            AgtopError: The address cannot be bound.

        """
        sys.setswitchinterval(SWITCH_SECONDS)
        self._wake.setblocking(False)  # noqa: FBT003 - its only argument
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (*platforms.STOP_SIGNALS, *platforms.RELOAD_SIGNALS):
            signal.signal(number, self._on_signal)
        host, port = self._settings.listen
        app = create_app(
            lambda: self._pages,
            scrapers=self._scrapers,
            trouble=lambda: self._health.trouble(self._settings.interval),
            hosts=allowed_hosts(host),
            version=__version__,
        )
        self._publish(self._with_gauges(self._empty_snapshot()), ready=False)
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
        steps = self._pipeline.steps
        result: Snapshot | None = None
        with steps.step("refresh"):
            result = self._pipeline.refresh(
                self._clock(),
                settle=self._settle,
                progress=self._on_progress,
                stopping=lambda: self._stopping,
                sampled_at=self._clock,
            )
        if not self._stopping:
            self._show(result)
        self._health.ended(steps.errors)

    def _settle(self) -> None:
        """Write the state of the outputs and the names of the scrapers to the ledger."""
        ledger = self._pipeline.ledger
        scrapers = self._scrapers.encode()
        if ledger.metadata.get(SCRAPERS, b"") != scrapers:
            ledger.remember(SCRAPERS, scrapers)
        for outlet in self._outlets:
            with self._pipeline.steps.step("outputs"):
                outlet.save_state(ledger)

    def _on_progress(self, done: int, total: int) -> None:
        """Report the progress of a long scan, in bytes, to the service manager."""
        if total >= LONG_SCAN_BYTES:
            self._notifier.alive(f"scanning: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def _show(self, result: Snapshot | None) -> None:
        """Publish `result`, the snapshot of a refresh, and pass it to the outlets.

        If `result` is None or cannot be published, the previous snapshot is published again with
        `agtop_agent_up` 0 for every agent. Otherwise an outdated page would look correct.
        """
        steps = self._pipeline.steps
        published = False
        if result is not None:
            result = self._with_gauges(result)
            with steps.step("publish"):
                self._publish(result, ready=True)
                count = len(result.published)
                self._status = f"{count} active or recent session{'' if count == 1 else 's'}"
                published = True
        if not published:
            self._status = ""
            with steps.step("publish"):
                again = self._with_gauges(self._last_again())
                self._publish(again, ready=self._previous is not None)
                result = result or again
        if result is not None and self._previous is not None:
            for outlet in self._outlets:
                with steps.step("outputs"):
                    outlet.publish(result)

    def _last_again(self) -> Snapshot:
        """Commit the ledger, and return the previous snapshot with the errors of this refresh.

        If no refresh has had a result yet, the returned snapshot has no sessions.
        """
        pipeline = self._pipeline
        pipeline.checkpoint()
        if self._previous is None:
            return self._empty_snapshot()
        return repeated(
            self._previous, self._clock(), errors=pipeline.steps.errors, ledger=pipeline.ledger
        )

    def _with_gauges(self, snapshot: Snapshot) -> Snapshot:
        reloaded = {("config_last_reload_successful",): int(self._reload_succeeded)}
        return msgspec.structs.replace(snapshot, gauges={**snapshot.gauges, **reloaded})

    def _publish(self, snapshot: Snapshot, *, ready: bool) -> None:
        """Render and publish the pages of `snapshot`. If this raises, the previous pages remain.

        `ready` is true if `snapshot` is the result of a scan.
        """
        before, previous = self._publication, self._previous
        if self._pages is None or not self._pages.ready:
            before, previous = self._resume(snapshot) if ready else None, None
        publication = publish(snapshot, before, previous=previous)
        received = self._scrapers.generations(snapshot.generated_at)
        self._pages = render_pages(
            publication, snapshot, own=self._own, received=received, ready=ready
        )
        self._publication, self._previous = publication, snapshot if ready else None

    def _from_ledger(self) -> Callable[[Snapshot], Publication | None]:
        """Return a function that reconstructs the last publication of an earlier process.

        The function takes the first snapshot of this process. If the ledger is new, the function
        returns None, and all values of the first snapshot are published.
        """
        ledger = self._pipeline.ledger
        if ledger.is_new:
            return lambda _snapshot: None
        totals = {**ledger.stored_totals, **self._pipeline.pairing.totals()}
        return partial(resume, totals=totals, sessions=set(ledger.sessions))

    def _stop_outlets(self) -> None:
        for outlet in self._outlets:
            with self._pipeline.steps.step("outputs"):
                outlet.stop()
        self._settle()
        self._pipeline.checkpoint()

    def _empty_snapshot(self) -> Snapshot:
        """Return a snapshot without sessions, which is published before the first result."""
        return Snapshot(
            generated_at=self._clock(),
            plan=self._settings.plan,
            sessions=(),
            published=(),
            totals=error_totals(self._pipeline.ledger),
            gauges={},
            agents=(),
        )

    def _rest(self) -> None:
        """Wait until the next refresh is due or a signal arrives.

        Meanwhile, ping the watchdog if the last refresh succeeded.
        """
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
        if number in platforms.RELOAD_SIGNALS:
            self._reload_wanted = True
        else:
            self._stopping = True

    def _take_new_settings(self) -> None:
        try:
            new = self._reload()
        except AgtopError as error:
            self._reload_succeeded = False
            log.error("settings not reloaded", reason=str(error).replace("\n", "; "))  # noqa: TRY400 - no traceback for a mistake in the settings
            return
        old = self._settings
        self._settings, ignored = old.reloaded(new)
        self._pipeline.reconfigure(self._settings)
        if new.prices != old.prices:
            self._pipeline.prices.override(new.prices)
        self._reload_succeeded = True
        self._configure_logging(self._settings)
        log.info("settings reloaded", **({"needs_restart": ",".join(ignored)} if ignored else {}))
