"""Keeps the price tables fresh: a daily download in the background, kept in a cache directory.

Never blocks a caller for longer than it says, and never replaces a good table with a bad one.
"""

import contextlib
import hashlib
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from agtop_exporter import platforms
from agtop_exporter.pricing.book import GENAI, PriceBook, genai_version
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.rates import PriceTableError

log = structlog.get_logger()

Fetch = Callable[[str], bytes]
"""Download a URL; raises OSError."""

TTL_SECONDS = 24 * 3600.0
FIRST_RETRY_SECONDS = 300.0
LAST_RETRY_SECONDS = 6 * 3600.0
LONGEST_WAIT_SECONDS = 2.0  # that `refresh_once` may hold up its caller

_MAX_BYTES = 32 * 1024 * 1024  # LiteLLM's table is 3 MB, genai-prices' 1.5 MB (November 2026)
_DOWNLOAD_SECONDS = 60.0
_STATE_FILE = "price-refresh.json"
_MEMO_FILE = "price-memo.msgpack"


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
    """What is remembered of one source across restarts."""

    fetched_at: float | None = None
    next_attempt_at: float = 0.0
    failures: int = 0
    sha256: str = ""  # of the table that was good enough to use
    genai_version: str = ""  # of the package; a newer package is newer than an older download


class PriceRefresher:
    """Downloads the tables when they are a day old and hands them to the book.

    `refresh_errors` counts what failed: downloads, tables that were none, files not written or
    not readable. `last_success` is the unix time of the last good download, also of an earlier
    process.
    """

    def __init__(  # noqa: PLR0913 - each is one edge, replaceable in a test
        self,
        book: PriceBook,
        cache_dir: Path,
        *,
        clock: Callable[[], float],
        fetch: Fetch | None = None,
        wait: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the clock (unix seconds); `wait` sleeps between refreshes, `jitter` is 0 to 1."""
        self.refresh_errors = 0
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

    def load_cache(self) -> None:
        """Give the book the tables of earlier downloads; call it once, before the first price."""
        self._states = self._read_states()
        for source in _SOURCES:
            state = self._state(source)
            if state.fetched_at is None:
                continue
            try:
                data = _read_table(self._cache_dir / source.file, sha256=state.sha256)
                if state.genai_version == _package_version(source):
                    self._book.load(source.name, data, updated_at=state.fetched_at, lazy=True)
                    continue
            except (OSError, PriceTableError) as error:
                self._failed(source, error)
            del self._states[source.name]  # fetch it anew
        with contextlib.suppress(OSError):  # there is none yet
            self._book.recall(_read_file(self._cache_dir / _MEMO_FILE))
        self.last_success = max(
            (state.fetched_at for state in self._states.values() if state.fetched_at), default=None
        )

    def save_memo(self) -> None:
        """Keep what the book found, so that the next process finds it sooner."""
        memo = self._book.memo()
        if memo is not None:
            with contextlib.suppress(OSError):  # then it will look for itself
                _write_file(self._cache_dir / _MEMO_FILE, memo)

    def start(self) -> None:
        """Refresh in a thread of its own until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="price-refresh", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a download under way is abandoned."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def refresh_once(self, timeout: float = LONGEST_WAIT_SECONDS, *, force: bool = False) -> bool:
        """Refresh what is due (all with `force`) and tell whether it was done within `timeout`.

        The caller is held up for 2 s at most; a slower download goes on in the background.
        """
        done = threading.Event()

        def work() -> None:
            self.refresh_due(force=force)
            done.set()

        threading.Thread(target=work, name="price-refresh-once", daemon=True).start()
        return done.wait(min(timeout, LONGEST_WAIT_SECONDS))

    def refresh_due(self, *, force: bool = False) -> float:
        """Download what is due (all with `force`); return the seconds until more is."""
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
        return wait <= 0 or wait > 2 * TTL_SECONDS  # the latter: the clock went back

    def _refresh(self, source: _Source) -> None:
        now = self._clock()
        try:
            data = self._fetch(source.url)
            self._book.load(source.name, data, updated_at=now)
        except Exception as error:  # noqa: BLE001 - whatever a download holds, the thread goes on
            self._failed(source, error)
            self._states[source.name] = self._after_failure(source, now)
            return
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
        self.refresh_errors += 1
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
            self.refresh_errors += 1
            log.warning("price refresh state not written", error=str(error))


def _package_version(source: _Source) -> str:
    return genai_version() if source.name == GENAI else ""


def download(url: str) -> bytes:
    """Return what `url` holds; raises OSError, also for what is too large or takes too long."""
    import httpx  # noqa: PLC0415 - takes 0.1 s, and most processes never download

    deadline = time.monotonic() + _DOWNLOAD_SECONDS
    data = bytearray()
    try:
        with httpx.stream("GET", url, timeout=10, follow_redirects=True) as response:
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
    """Read a regular file of a sane size; raises OSError."""
    descriptor = platforms.open_for_reading(path)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - opened without blocking on a FIFO
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(f"too large for a price table: {path}")
    return data


def _write_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner only; raises OSError."""
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
