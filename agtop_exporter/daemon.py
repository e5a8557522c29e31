"""Runs the daemon: refreshes periodically, serves the last result and reacts to signals."""

import gc
import sys
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from agtop_exporter import __version__, platforms
from agtop_exporter.documents import Documents
from agtop_exporter.health import Health
from agtop_exporter.model import AgtopError, Snapshot
from agtop_exporter.notify import Notifier
from agtop_exporter.outlets import Outlet
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pipeline.failing import error_totals, repeated
from agtop_exporter.pricing import PriceRefresher
from agtop_exporter.publisher import Publisher
from agtop_exporter.redaction import Redaction
from agtop_exporter.server import Endpoint, create_app
from agtop_exporter.settings import Settings
from agtop_exporter.wakeups import REQUEST, Wakeups

SWITCH_SECONDS = 0.0002  # short, because a scrape takes the lock of the interpreter several times
RELEASE_SECONDS = 3600.0  # between two releases of freed memory, which take 1 ms
LONG_SCAN_SECONDS = 2.0  # after this time, a scan pings the watchdog

log = structlog.get_logger()


class Daemon:
    """Refreshes in the calling thread, and serves HTTP from another thread."""

    def __init__(  # noqa: PLR0913 - the parts of the daemon
        self,
        settings: Settings,
        *,
        endpoint: Endpoint,
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
        self._endpoint = endpoint
        self._pipeline = pipeline
        self._refresher = refresher
        self._reload = reload
        self._clock = clock
        self._configure_logging = configure_logging
        self._outlets = outlets
        self._notifier = notifier or Notifier("")
        self._health = Health()
        self._status = ""  # text about the last refresh for systemd; "" if the refresh failed
        self._redaction = Redaction(pipeline.ledger, enabled=settings.redact_projects)
        self._publisher = Publisher(
            pipeline.ledger, self._redaction, totals=pipeline.pairing.totals(), now=clock()
        )
        self._reload_succeeded = True
        pipeline.telemetry.declare("pricing_refresh_errors")
        self._wakeups = Wakeups()
        self._released_at = 0.0  # the last release of freed memory in unix seconds
        self._scanned = False  # a refresh has ended with a result
        self._progress = 0, 0  # of the present scan: bytes read, and bytes to read
        self._began = 0.0  # the start of the present scan on a monotonic clock
        self._documents = Documents(
            pipeline,
            self._redaction,
            published=self._published,
            is_local=endpoint.is_local,
            wake=self._wakeups.request,
        )

    def run(self) -> None:
        """Refresh and serve until SIGTERM or SIGINT."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._wakeups.install()
        endpoint = self._endpoint
        app = create_app(
            lambda: self._publisher.pages,
            overview=self._documents.overview,
            snapshot=self._documents.snapshot,
            progress=lambda: self._progress,
            scrapers=self._publisher.scrapers,
            trouble=lambda: self._health.trouble(self._settings.interval),
            hosts=endpoint.hosts,
            protection=endpoint.protection,
            prefix=self._settings.route_prefix,
            version=__version__,
        )
        self._publisher.publish(self._with_gauges(self._empty_snapshot()), ready=False)
        gc.collect()
        gc.disable()  # until the first scan has ended, see `_collect_again`
        with endpoint.serving(app):
            urls = " ".join(endpoint.urls)
            log.info("listening", url=urls, version=__version__)
            endpoint.warn()
            self._notifier.ready(f"listening on {urls}")
            if not self._settings.no_pricing_refresh:
                self._refresher.start()
            try:
                while not self._wakeups.stopping:
                    self._tick()
                    self._rest()
            finally:
                self._notifier.stopping()
                self._refresher.stop()
                self._stop_outlets()
                self._pipeline.close()
        log.info("stopped")

    def _tick(self) -> None:
        if self._wakeups.reload_wanted:
            self._wakeups.reload_wanted = False
            self._notifier.reloading()
            self._take_new_settings()
            self._notifier.ready("settings reloaded" if self._reload_succeeded else "old settings")
        steps = self._pipeline.steps
        self._began = time.monotonic()
        result: Snapshot | None = None
        with steps.step("refresh"):
            result = self._pipeline.refresh(
                self._clock(),
                settle=self._settle,
                progress=self._on_progress,
                stopping=lambda: self._wakeups.stopping,
                waiting=lambda: self._ping("looking for files"),
                sampled_at=self._clock,
            )
        if not self._wakeups.stopping:
            self._show(result)
            if result is not None and not self._scanned:
                self._scanned = True
                self._log_first_scan(result)
        self._health.ended(steps.errors)
        self._documents.expire()
        _collect_again()
        self._release_freed_memory()

    def _release_freed_memory(self) -> None:
        """Return freed memory to the system after the first scan, and then every hour."""
        now = self._clock()
        if abs(now - self._released_at) >= RELEASE_SECONDS:
            self._released_at = now
            platforms.release_freed_memory()

    def _settle(self) -> None:
        """Write the state of the outputs, the scrapers and the first scrape to the ledger."""
        ledger = self._pipeline.ledger
        self._publisher.save_state(ledger)
        for outlet in self._outlets:
            with self._pipeline.steps.step("outputs"):
                outlet.save_state(ledger)

    def _on_progress(self, done: int, total: int) -> None:
        """Report the progress of a scan, in bytes, on the page and to the service manager."""
        self._progress = done, total
        self._ping(f"scanning: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def _ping(self, status: str) -> None:
        """Ping the watchdog, if the present scan takes long: systemd must not end the daemon."""
        if time.monotonic() - self._began >= LONG_SCAN_SECONDS:
            self._notifier.ping(status)

    def _log_first_scan(self, result: Snapshot) -> None:
        log.info(
            "first scan done",
            files=sum(status.files for status in result.agents),
            bytes=self._progress[0],
            sessions=sum(sum(status.states.values()) for status in result.agents),
            seconds=round(result.gauges["refresh_duration_seconds",], 1),
        )

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
                self._publisher.publish(result, ready=True)
                count = len(result.published)
                self._status = f"{count} active or recent session{'' if count == 1 else 's'}"
                published = True
        if not published:
            self._status = ""
            with steps.step("publish"):
                again = self._with_gauges(self._last_again())
                self._publisher.publish(again, ready=self._publisher.previous is not None)
                result = result or again
        if result is not None and self._publisher.previous is not None:
            for outlet in self._outlets:
                with steps.step("outputs"):
                    outlet.publish(self._redaction.snapshot(result))

    def _last_again(self) -> Snapshot:
        """Commit the ledger, and return the previous snapshot with the errors of this refresh.

        If no refresh has had a result yet, the returned snapshot has no sessions.
        """
        pipeline = self._pipeline
        pipeline.checkpoint()
        previous = self._publisher.previous
        if previous is None:
            return self._empty_snapshot()
        return repeated(
            previous, self._clock(), errors=pipeline.steps.errors, ledger=pipeline.ledger
        )

    def _with_gauges(self, snapshot: Snapshot) -> Snapshot:
        gauges = {
            ("config_last_reload_successful",): int(self._reload_succeeded),
            ("listening_unprotected",): int(self._endpoint.is_unprotected),
        }
        return msgspec.structs.replace(snapshot, gauges={**snapshot.gauges, **gauges})

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

    def _published(self) -> Snapshot:
        pages = self._publisher.pages
        return pages.snapshot if pages else self._empty_snapshot()

    def _rest(self) -> None:
        """Wait until the next refresh is due or a signal arrives.

        Meanwhile, render the documents that clients request, and ping the watchdog if the last
        refresh succeeded.
        """
        due = time.monotonic() + self._settings.interval
        while (remaining := due - time.monotonic()) > 0:
            if self._status:
                self._notifier.ping(self._status)
            pause = min(remaining, self._notifier.ping_interval_seconds)
            if self._wakeups.wait(pause).strip(REQUEST):
                return  # for a signal
            self._documents.render_if_wanted()

    def _take_new_settings(self) -> None:
        try:
            new = self._reload()
            self._endpoint.reload(new)
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
        self._endpoint.warn()
        log.info("settings reloaded", **({"needs_restart": ",".join(ignored)} if ignored else {}))


def _collect_again() -> None:
    """Enable garbage collection after the first scan, and exclude all present objects from it.

    Most of them are modules, prices and sessions, which are never released. A collection that
    visits them takes 10 ms, and scrapes wait for its end. A scan creates no reference cycles.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
