"""Downloads the price tables once a day, in a background thread, into a cache directory.

An invalid download never replaces a valid table.
"""

import contextlib
import random
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
import structlog

from agtop_exporter.pricing.book import PriceBook
from agtop_exporter.pricing.cache import PriceCache, State, checksum
from agtop_exporter.pricing.changes import CHANGE_MAX, without_absurd_changes
from agtop_exporter.pricing.downloads import SOURCES, Source, download
from agtop_exporter.pricing.lazy_genai import GENAI
from agtop_exporter.pricing.lazy_litellm import bundled_models
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.rates import PriceTableError
from agtop_exporter.telemetry import Telemetry

log = structlog.get_logger()

Fetch = Callable[[str], bytes]
"""A function that returns the content of a URL, or raises OSError."""

TTL_SECONDS = 24 * 3600.0
FIRST_RETRY_SECONDS = 300.0
LAST_RETRY_SECONDS = 6 * 3600.0
LONGEST_WAIT_SECONDS = 2.0  # upper limit of the timeout of `refresh_once`
LONGEST_SLEEP_SECONDS = 900.0  # the time that a machine is suspended does not count as sleep
NAMED_MAX = 5  # models in a message


class PriceRefresher:
    """Downloads each price table when the last download is a day old, and loads it into the book.

    `last_success` is the unix time of the last valid download, or None. An earlier process may have
    made this download.
    """

    def __init__(  # noqa: PLR0913 - each is one edge, replaceable in a test
        self,
        book: PriceBook,
        cache_dir: Path,
        *,
        clock: Callable[[], float],
        telemetry: Telemetry | None = None,
        fetch: Fetch | None = None,
        wait: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create a refresher that stores downloads in `cache_dir`. Nothing is downloaded yet.

        `clock` returns unix seconds. `fetch` downloads a URL. `wait` sleeps for a number of
        seconds. `jitter` returns a random number from 0 to 1.
        """
        self._telemetry = telemetry or Telemetry()
        self.last_success: float | None = None
        self._book = book
        self._cache = PriceCache(cache_dir)
        self._clock = clock
        self._fetch = fetch or download
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._jitter = jitter
        self._thread: threading.Thread | None = None
        self._working = threading.Lock()
        self._states: dict[str, State] = {}

    @property
    def refresh_errors(self) -> int:
        """The number of failed downloads, invalid tables, and unusable cache files."""
        return self._telemetry.value("pricing_refresh_errors")

    def load_cache(self) -> None:
        """Load earlier downloads into the book. Call this once, before the first price lookup."""
        self._states = self._cache.states()
        for source in SOURCES:
            state = self._state(source)
            if state.fetched_at is None:
                continue
            try:
                data = self._cache.table(source.file, sha256=state.sha256)
                if state.genai_version == _package_version(source):
                    self._book.load(
                        source.name,
                        data,
                        updated_at=state.fetched_at,
                        on_error=partial(self._failed_at_first_use, source),
                    )
                    continue
            except (OSError, PriceTableError) as error:
                self._failed({source.name: error})
            del self._states[source.name]  # download it again
        self.last_success = max(
            (state.fetched_at for state in self._states.values() if state.fetched_at), default=None
        )

    def start(self) -> None:
        """Start the background thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="price-refresh", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the background thread. A download in progress is abandoned."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def refresh_once(self, timeout: float = LONGEST_WAIT_SECONDS, *, force: bool = False) -> bool:
        """Download the tables that are due, or all tables if `force`.

        Return False if the downloads take longer than `timeout` seconds, or longer than
        LONGEST_WAIT_SECONDS. The downloads then continue in the background. Otherwise, return True.
        """
        done = threading.Event()

        def work() -> None:
            self.refresh_due(force=force)
            done.set()

        threading.Thread(target=work, name="price-refresh-once", daemon=True).start()
        return done.wait(min(timeout, LONGEST_WAIT_SECONDS))

    def refresh_due(self, *, force: bool = False) -> float:
        """Download the tables that are due, or all tables if `force`.

        Return the number of seconds until the next table is due.
        """
        with self._working:
            due = [source for source in SOURCES if force or self._is_due(source)]
            errors = {source.name: self._refresh(source) for source in due}
            if failed := {name: error for name, error in errors.items() if error is not None}:
                self._failed(failed)
            if due:
                self._write_states()
            next_attempts = [self._state(source).next_attempt_at for source in SOURCES]
            return max(1.0, min(next_attempts) - self._clock())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait(min(self.refresh_due(), LONGEST_SLEEP_SECONDS))

    def _state(self, source: Source) -> State:
        return self._states.get(source.name, State())

    def _is_due(self, source: Source) -> bool:
        wait = self._state(source).next_attempt_at - self._clock()
        return wait <= 0 or wait > 2 * TTL_SECONDS  # the latter after the clock was set back

    def _refresh(self, source: Source) -> Exception | None:
        """Download a table, load it into the book and store it. Return the error, if any."""
        now = self._clock()
        try:
            data, refused = without_absurd_changes(self._fetch(source.url), self._earlier(source))
            self._book.load(source.name, data, updated_at=now)
        except Exception as error:  # noqa: BLE001 - no download may end the thread
            self._states[source.name] = self._after_failure(source, now)
            return error
        if refused:
            self._telemetry.count("pricing_refresh_errors")
            log.warning(
                "price changes refused",
                source=source.name,
                reason=f"more than {CHANGE_MAX} times higher or lower",
                models=", ".join(refused[:NAMED_MAX]),
                count=len(refused),
                help="the earlier prices stay; [prices] in the settings overrides them",
            )
        self.last_success = now
        self._states[source.name] = State(
            fetched_at=now,
            next_attempt_at=now + TTL_SECONDS * (1 + self._jitter() / 20),
            sha256=checksum(data),
            genai_version=_package_version(source),
        )
        try:
            self._cache.store_table(source.file, data)
        except OSError as error:
            return error
        return None

    def _earlier(self, source: Source) -> bytes:
        """Return the last table of a source; b"" if there is none that can be compared."""
        with contextlib.suppress(OSError, PriceTableError):
            return self._cache.table(source.file, sha256=self._state(source).sha256)
        return bundled_models() if source.name == LITELLM else b""

    def _after_failure(self, source: Source, now: float) -> State:
        state = self._state(source)
        failures = state.failures + 1
        delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LAST_RETRY_SECONDS)
        return msgspec.structs.replace(
            state,
            failures=failures,
            next_attempt_at=now + delay * (1 + self._jitter() / 2),
        )

    def _failed_at_first_use(self, source: Source, error: Exception) -> None:
        self._failed({source.name: error})

    def _failed(self, errors: Mapping[str, Exception]) -> None:
        """Count the failed downloads, and log them as one message.

        `errors` maps the name of a price table to its error.
        """
        for _ in errors:
            self._telemetry.count("pricing_refresh_errors")
        reasons = dict.fromkeys(map(str, errors.values()))  # often the same one: no network
        log.warning("price refresh failed", sources=", ".join(errors), error="; ".join(reasons))

    def _write_states(self) -> None:
        try:
            self._cache.store_states(self._states)
        except OSError as error:
            self._telemetry.count("pricing_refresh_errors")
            log.warning("price refresh state not written", error=str(error))


def _package_version(source: Source) -> str:
    return version(GENAI) if source.name == GENAI else ""
