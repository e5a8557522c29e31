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

import msgspec

from agtop_exporter import platforms
from agtop_exporter.ledger import BY_HOUR, Ledger, PastTotal
from agtop_exporter.loopback import is_loopback
from agtop_exporter.metrics import PastCounter, Samples, Span, first_hour
from agtop_exporter.metrics.history import SECONDS_PER_DAY
from agtop_exporter.model import SECONDS_PER_HOUR, AgtopError, Series, Snapshot
from agtop_exporter.render import prometheus, victoriametrics

HEAD_SECONDS = 3 * SECONDS_PER_HOUR
"""The length of Prometheus' head block: the last hours, which are not in blocks on disk.

Blocks of a backfill must not include these hours.
"""

FIRST_SCRAPE = "first_scrape"  # metadata of the ledger: a FirstScrape as JSON
SUFFIX = ".om"
IMPORT_PATH = "/api/v1/import"
SEND_SECONDS = 60.0  # time limit for one day

Day = tuple[int, list[Samples]]
"""The start of a UTC day in unix seconds, and the samples of this day."""

Target = Callable[[Day], None]
"""A function that stores the samples of a day. Raises AgtopError if this is not possible."""


class FirstScrape(msgspec.Struct, frozen=True, array_like=True):
    """The values that the first scrape of the daemon received.

    `time` is in unix seconds. `totals` has the totals whose usage the ledger has by hour (BY_HOUR).
    """

    time: float
    totals: tuple[tuple[Series, int], ...]


def note_scrape(ledger: Ledger, snapshot: Snapshot) -> None:
    """Store the time and the totals of a scraped snapshot, if it is the first scraped one."""
    if FIRST_SCRAPE not in ledger.metadata:
        totals = tuple(
            (series, int(total))
            for series, total in snapshot.totals.items()
            if series[0] in BY_HOUR
        )
        scrape = FirstScrape(snapshot.generated_at, totals)
        ledger.remember(FIRST_SCRAPE, msgspec.json.encode(scrape))


def first_scrape(ledger: Ledger) -> FirstScrape | None:
    """Return the first scrape; None if it is unknown."""
    try:
        return msgspec.json.decode(ledger.metadata[FIRST_SCRAPE], type=FirstScrape)
    except (KeyError, msgspec.MsgspecError):
        return None


def end_of(
    *, until: float | None, scrape: FirstScrape | None, now: float, retention_days: float
) -> int:
    """Return the end of the samples in unix seconds: a full hour, not after `now`.

    `until` is the end that the user requests. Usage older than `retention_days` is stored by day,
    so an end in this range is moved to the start of a day. If `retention_days` is 0, all usage is
    stored by hour.
    """
    end = until
    if end is None:
        end = min(scrape.time if scrape else now, now - HEAD_SECONDS)
    end = min(end, now)
    by_day = retention_days and end < now - retention_days * SECONDS_PER_DAY
    unit = SECONDS_PER_DAY if by_day else SECONDS_PER_HOUR
    return int(end) // unit * unit


def before_scrape(
    totals: Iterable[PastTotal], scrape: FirstScrape | None, end: int
) -> list[PastTotal]:
    """Lower past totals that are above the totals of the first scrape at `end` (unix seconds).

    The daemon may have found usage after the first scrape that is older than this scrape. The
    scraped samples show this usage as an increase, so the samples before the scrape must not
    contain it.
    """
    if scrape is None or end > scrape.time:
        return list(totals)
    limits = dict(scrape.totals)
    return [past.lowered(limits.get(past.series, 0), end // SECONDS_PER_HOUR) for past in totals]


def span_of(counters: Iterable[PastCounter], *, since: float | None, end: int, step: int) -> Span:
    """Return the times of a backfill, in unix seconds.

    If `since` is None, the backfill begins with the earliest usage. Raises AgtopError if there is
    nothing to write.
    """
    hour = first_hour(counters)
    if hour is None:
        raise AgtopError("the ledger has no usage: start the daemon first, or name its --state-dir")
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
