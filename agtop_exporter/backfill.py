"""Writes past values of counters to OpenMetrics files, or sends them to VictoriaMetrics.

The samples end before the first scrape of the daemon, so that a series never has two sources at one
time. At the end, each counter has the value that the daemon had at that time.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from agtop_exporter import platforms
from agtop_exporter.ledger import Ledger
from agtop_exporter.loopback import is_loopback
from agtop_exporter.metrics import PastCounter, Samples, Span, first_hour
from agtop_exporter.model import SECONDS_PER_HOUR, AgtopError
from agtop_exporter.render import prometheus, victoriametrics

SECONDS_PER_DAY = 86_400
HEAD_SECONDS = 3 * SECONDS_PER_HOUR
"""Prometheus keeps the last hours outside its blocks. Blocks must not reach into them."""

FIRST_SCRAPE = "first_scrape"  # metadata of the ledger: unix seconds
SUFFIX = ".om"
IMPORT_PATH = "/api/v1/import"
SEND_SECONDS = 60.0  # time limit for one day

Day = tuple[int, list[Samples]]
"""The start of a UTC day in unix seconds, and the samples of this day."""

Target = Callable[[Day], None]
"""A function that stores the samples of a day. Raises AgtopError if this is not possible."""


def note_scrape(ledger: Ledger, time: float) -> None:
    """Store the time (unix seconds) of a scrape in the ledger, if it is the first scrape."""
    if FIRST_SCRAPE not in ledger.metadata:
        ledger.remember(FIRST_SCRAPE, str(int(time)).encode())


def first_scrape(ledger: Ledger) -> float | None:
    """Return the time of the first scrape in unix seconds; None if it is unknown."""
    try:
        return float(ledger.metadata[FIRST_SCRAPE])
    except (KeyError, ValueError):
        return None


def span_of(
    counters: Iterable[PastCounter],
    *,
    since: float | None,
    before: float,
    whole_days_before: float,
    step: int,
) -> Span:
    """Return the times of a backfill that ends at the last full hour until `before`.

    All times are unix seconds. If `since` is None, the backfill begins with the earliest usage.
    Older usage than `whole_days_before` is stored by day, so an earlier end is the start of a day.
    Raises AgtopError if there is nothing to write.
    """
    hour = first_hour(counters)
    if hour is None:
        raise AgtopError("the ledger has no usage: start the daemon first, or name its --state-dir")
    unit = SECONDS_PER_DAY if before < whole_days_before else SECONDS_PER_HOUR
    end = int(before) // unit * unit
    start = hour * SECONDS_PER_HOUR
    if start > end:
        raise AgtopError(
            f"nothing to write: the earliest usage is of {text_of(start)}, and the samples would "
            f"end at {text_of(end)}; set another end with --until"
        )
    start = max(start, int(since or 0) // SECONDS_PER_HOUR * SECONDS_PER_HOUR)
    if start > end:
        raise AgtopError(f"--since is after the end of the samples, {text_of(end)}")
    return Span(start, end, step)


def text_of(time: float) -> str:
    """Return a time (unix seconds) as text: `2026-03-01 14:00 UTC`."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def files_in(directory: Path, labels: Mapping[str, str]) -> Target:
    """Return a function that writes one OpenMetrics file per day to an empty directory.

    `labels` are added to every series. Raises AgtopError if the directory has files already.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise AgtopError(f"{directory} is not empty: name a new directory with --output")
    except OSError as error:
        raise AgtopError(f"cannot use {directory}: {error.strerror}") from error

    def write(day: Day) -> None:
        start, samples = day
        path = directory / f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d}{SUFFIX}"
        try:
            with os.fdopen(platforms.open_private(path), "wb") as file:
                file.write(prometheus.openmetrics_of(samples, labels))
        except OSError as error:
            raise AgtopError(f"cannot write {path}: {error.strerror}") from error

    return write


@contextlib.contextmanager
def victoriametrics_at(url: str, labels: Mapping[str, str]) -> Iterator[Target]:
    """Yield a function that sends the samples of a day to the VictoriaMetrics server at `url`.

    `labels` are added to every series. Raises AgtopError if the URL cannot be used.
    """
    import httpx  # noqa: PLC0415 - the import takes 0.1 s, and files need no network

    host = _host_of(url)
    # No proxy leads to this machine.
    with httpx.Client(timeout=SEND_SECONDS, trust_env=not is_loopback(host)) as client:

        def send(day: Day) -> None:
            body = victoriametrics.import_lines(day[1], labels)
            try:
                response = client.post(url.rstrip("/") + IMPORT_PATH, content=body)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise AgtopError(f"cannot send to {host}: {error}") from error
            if not response.is_success:
                raise AgtopError(f"{host} refused the samples: HTTP {response.status_code}")

        yield send


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AgtopError("--victoriametrics needs a URL such as http://127.0.0.1:8428")
    return parts.hostname


def store(
    days: Iterable[Day],
    targets: Sequence[Target],
    *,
    progress: Callable[[int], None] = lambda _time: None,
) -> int:
    """Pass each day to all targets. Return the number of samples.

    `progress` is called with the start of each stored day (unix seconds).
    """
    count = 0
    for day in days:
        for target in targets:
            target(day)
        count += sum(len(samples.times) for samples in day[1])
        progress(day[0])
    return count
