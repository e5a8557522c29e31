"""Downloads the price tables once a day, in a background thread, into a cache directory.

An invalid download never replaces a valid table.
"""

import contextlib
import hashlib
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from agtop_exporter import platforms
from agtop_exporter.pricing.book import PriceBook
from agtop_exporter.pricing.changes import CHANGE_MAX, without_absurd_changes
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

_MAX_BYTES = 32 * 1024 * 1024  # LiteLLM's table is 3 MB, genai-prices' 1.5 MB (November 2026)
_DOWNLOAD_SECONDS = 60.0
NAMED_MAX = 5  # models in a message
_STATE_FILE = "price-refresh.json"


class _Source(NamedTuple):
    name: str
    url: str
    file: str


_SOURCES = (
    _Source(
        GENAI,
        "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json",
        "genai-prices.json",
    ),
    _Source(
        LITELLM,
        "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        "litellm-prices.json",
    ),
)


class _State(msgspec.Struct, frozen=True):
    """The stored download state of one price table. Times are unix seconds."""

    fetched_at: float | None = None
    next_attempt_at: float = 0.0
    failures: int = 0
    sha256: str = ""  # of the last valid table
    genai_version: str = (
        ""  # of the installed package at the download; a newer one has newer prices
    )


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
        self._cache_dir = cache_dir
        self._clock = clock
        self._fetch = fetch or download
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._jitter = jitter
        self._thread: threading.Thread | None = None
        self._working = threading.Lock()
        self._states: dict[str, _State] = {}

    @property
    def refresh_errors(self) -> int:
        """The number of failed downloads, invalid tables, and unusable cache files."""
        return self._telemetry.value("pricing_refresh_errors")

    def load_cache(self) -> None:
        """Load earlier downloads into the book. Call this once, before the first price lookup."""
        self._states = self._read_states()
        for source in _SOURCES:
            state = self._state(source)
            if state.fetched_at is None:
                continue
            try:
                data = _read_table(self._cache_dir / source.file, sha256=state.sha256)
                if state.genai_version == _package_version(source):
                    self._book.load(
                        source.name,
                        data,
                        updated_at=state.fetched_at,
                        on_error=partial(self._failed, source),
                    )
                    continue
            except (OSError, PriceTableError) as error:
                self._failed(source, error)
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

        Return False if the downloads take longer than `timeout` seconds (at most 2). The downloads
        then continue in the background. Otherwise, return True.
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
            due = [source for source in _SOURCES if force or self._is_due(source)]
            for source in due:
                self._refresh(source)
            if due:
                self._write_states()
            next_attempts = [self._state(source).next_attempt_at for source in _SOURCES]
            return max(1.0, min(next_attempts) - self._clock())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait(self.refresh_due())

    def _state(self, source: _Source) -> _State:
        return self._states.get(source.name, _State())

    def _is_due(self, source: _Source) -> bool:
        wait = self._state(source).next_attempt_at - self._clock()
        return wait <= 0 or wait > 2 * TTL_SECONDS  # the latter after the clock was set back

    def _refresh(self, source: _Source) -> None:
        now = self._clock()
        try:
            data, refused = without_absurd_changes(self._fetch(source.url), self._earlier(source))
            self._book.load(source.name, data, updated_at=now)
        except Exception as error:  # noqa: BLE001 - no download may end the thread
            self._failed(source, error)
            self._states[source.name] = self._after_failure(source, now)
            return
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
        self._states[source.name] = _State(
            fetched_at=now,
            next_attempt_at=now + TTL_SECONDS * (1 + self._jitter() / 20),
            sha256=hashlib.sha256(data).hexdigest(),
            genai_version=_package_version(source),
        )
        try:
            _write_file(self._cache_dir / source.file, data)
        except OSError as error:
            self._failed(source, error)

    def _earlier(self, source: _Source) -> bytes:
        """Return the last table of a source; b"" if there is none that can be compared."""
        with contextlib.suppress(OSError, PriceTableError):
            return _read_table(self._cache_dir / source.file, sha256=self._state(source).sha256)
        return bundled_models() if source.name == LITELLM else b""

    def _after_failure(self, source: _Source, now: float) -> _State:
        state = self._state(source)
        failures = state.failures + 1
        delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LAST_RETRY_SECONDS)
        return msgspec.structs.replace(
            state,
            failures=failures,
            next_attempt_at=now + delay * (1 + self._jitter() / 2),
        )

    def _failed(self, source: _Source, error: Exception) -> None:
        self._telemetry.count("pricing_refresh_errors")
        log.warning("price refresh failed", source=source.name, error=str(error))

    def _read_states(self) -> dict[str, _State]:
        try:
            data = _read_file(self._cache_dir / _STATE_FILE)
            return msgspec.json.decode(data, type=dict[str, _State])
        except (OSError, msgspec.DecodeError, RecursionError, ValueError):
            return {}

    def _write_states(self) -> None:
        try:
            _write_file(self._cache_dir / _STATE_FILE, msgspec.json.encode(self._states))
        except OSError as error:
            self._telemetry.count("pricing_refresh_errors")
            log.warning("price refresh state not written", error=str(error))


def _package_version(source: _Source) -> str:
    return version(GENAI) if source.name == GENAI else ""


def download(url: str) -> bytes:
    """Return the content of `url`. Raises OSError if this fails, is too slow or is too large.

    A redirect from https to another scheme is an error too.
    """
    import httpx  # noqa: PLC0415 - the import takes 0.1 s, and few processes download

    def check(request: httpx.Request) -> None:
        if url.startswith("https:") and request.url.scheme != "https":
            raise OSError(f"redirected to {request.url.scheme}: {url}")

    deadline = time.monotonic() + _DOWNLOAD_SECONDS
    data = bytearray()
    try:
        with (
            httpx.Client(follow_redirects=True, event_hooks={"request": [check]}) as client,
            client.stream("GET", url, timeout=10) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > _MAX_BYTES or time.monotonic() > deadline:
                    raise OSError(f"download too large or too slow: {url}")
    except httpx.HTTPError as error:
        raise OSError(f"download failed: {error}") from error
    return bytes(data)


def _read_table(path: Path, *, sha256: str) -> bytes:
    data = _read_file(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PriceTableError(f"not the table that was downloaded: {path.name}")
    return data


def _read_file(path: Path) -> bytes:
    """Return the content of a file. Raises OSError, also if the file exceeds `_MAX_BYTES`."""
    descriptor = platforms.open_for_reading(path)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - opened without blocking on a FIFO
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(f"too large for a price table: {path}")
    return data


def _write_file(path: Path, data: bytes) -> None:
    """Replace a file atomically, with mode 0600. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - both are plain names
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a plain name
        raise
