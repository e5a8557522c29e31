"""Refreshes the pipeline in a thread, and publishes the rows of the latest refresh."""

import gc
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter

from agtop_exporter.ledger import REOPEN_BYTES
from agtop_exporter.model import AgtopError, HourlyUsage, Snapshot, UsageSum
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.reports import Calendar
from agtop_exporter.top.history import SHORTEST_SECONDS, History
from agtop_exporter.top.rows import Frame, Rows
from agtop_exporter.top.totals import condensed, total_of

REFRESHES_OF_TIME = 2  # a refresh may take at most half of the time
READS_OF_TIME = 10  # reading the usage of all hours may take at most a tenth of the time
PROGRESS_SECONDS = 0.2
END_SECONDS = 1.0

OpenPipeline = Callable[[], AbstractContextManager[Pipeline]]


class Feed:
    """A thread that refreshes the pipeline until `stop`. The other thread only reads attributes.

    `rows` has the result of the latest refresh. `progress` is the progress of the first scan as
    (bytes read, all bytes, seconds), or None. `failure` is the reason if the latest refresh failed.
    The other thread may set two attributes: `paused`, and `wants_usage` if the totals need the
    usage of all hours.
    """

    def __init__(  # noqa: PLR0913 - the edges of the thread
        self,
        open_pipeline: OpenPipeline,
        *,
        open_writer: OpenPipeline | None = None,
        clock: Callable[[], float],
        calendar: Calendar,
        delay_seconds: float,
        changed: Callable[[], None],
    ) -> None:
        """Set the parameters. `start` starts the thread.

        `clock` returns the time in unix seconds. The thread calls `changed` after it has changed an
        attribute. It opens the pipeline itself, because a SQLite connection belongs to one thread.
        `open_pipeline` opens a pipeline that only reads the ledger, and `open_writer` one that
        stores what it reads. `open_writer` is used for the first scan only, so that a daemon that
        starts need not wait for the lock. `delay_seconds` is the time between two refreshes.
        """
        self.rows: Rows | None = None
        self.progress: tuple[int, int, float] | None = None
        self.failure = ""
        self.paused = False
        self.wants_usage = False
        self._open_pipeline = open_pipeline
        self._open_writer = open_writer
        self._clock = clock
        self._calendar = calendar
        self._delay_seconds = delay_seconds
        self._changed = changed
        self._history = History()
        self._today: tuple[object, UsageSum] | None = None  # what it was made from, and the sum
        self._usage: tuple[HourlyUsage, ...] | None = None
        self._usage_from: object = None
        self._usage_until = 0.0  # the usage is not read again before this time
        self._sampled_at: float | None = None
        self._wake = threading.Event()
        self._forced = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="agtop-feed", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and wait for it at most END_SECONDS."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(END_SECONDS)

    def refresh_now(self) -> None:
        """Refresh as soon as possible, even if `paused`."""
        self._forced = True
        self._wake.set()

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                gc.disable()  # until `_wait`, see `_collect_again`
                self._scan_once()
                with self._open_pipeline() as pipeline:
                    self._follow(pipeline)
            except AgtopError as error:
                self._fail(str(error))
                self._wait(self._delay_seconds)
            except Exception as error:  # noqa: BLE001 - the view stays; the message may be private
                self._fail(f"unexpected error: {type(error).__name__}")
                self._wait(self._delay_seconds)
        _collect_again()

    def _scan_once(self) -> None:
        """Show the content of the ledger. Then read the transcripts, and show and store them."""
        opens, self._open_writer = self._open_writer, None
        if opens is not None:
            with opens() as pipeline:
                self._show_stored(pipeline)
                with pipeline.ledger.written_later():
                    self._refresh(pipeline)

    def _show_stored(self, pipeline: Pipeline) -> None:
        self._sampled_at = None
        if self.rows is None and pipeline.ledger.sessions:  # else all figures would be zero
            self._refresh(pipeline, read=False)

    def _follow(self, pipeline: Pipeline) -> None:
        """Refresh until the ledger file has grown so much that it must be opened again."""
        size_bytes = pipeline.ledger.size_bytes()
        self._show_stored(pipeline)
        while not self._is_stopping and pipeline.ledger.size_bytes() < size_bytes + REOPEN_BYTES:
            began = perf_counter()
            self._refresh(pipeline)
            self._wait(max(self._delay_seconds, REFRESHES_OF_TIME * (perf_counter() - began)))

    def _refresh(self, pipeline: Pipeline, *, read: bool = True) -> None:
        now, began = self._clock(), perf_counter()
        reported_at = began
        is_first = self.rows is None or not self.rows.frame.complete

        def progress(done: int, total: int) -> None:
            nonlocal reported_at
            if is_first and perf_counter() - reported_at >= PROGRESS_SECONDS:
                reported_at = perf_counter()
                self.progress = done, total, reported_at - began
                self._changed()

        with pipeline.steps.step("refresh"):
            snapshot = pipeline.refresh(
                now, progress=progress, stopping=lambda: self._is_stopping, read=read
            )
            if not self._is_stopping:
                self._publish(pipeline, snapshot, perf_counter() - began, complete=read)
            return
        self._history.miss()
        self._fail("; ".join(map(str, pipeline.steps.errors)))

    def _publish(
        self, pipeline: Pipeline, snapshot: Snapshot, seconds: float, *, complete: bool
    ) -> None:
        now = snapshot.generated_at
        before, self._sampled_at = self._sampled_at, now
        rated = before is not None and now - before >= SHORTEST_SECONDS
        self._history.add(snapshot, rated=rated)
        frame = Frame(
            snapshot=snapshot,
            trees=pipeline.pairing.trees(),
            rings=self._history.sessions,
            total=self._history.total,
            today=self._used_today(pipeline, now),
            usage=self._all_usage(pipeline, now),
            rated=rated,
            complete=complete,
            delay_seconds=max(self._delay_seconds, REFRESHES_OF_TIME * seconds),
        )
        rows = Rows(frame)
        rows.prepare()
        self.rows, self.failure, self.progress = rows, "", None
        self._changed()

    def _counted(self, now: float) -> tuple[object, ...]:
        """Return a value that differs after usage was counted, and on another day."""
        last = self._history.total.samples[-1]
        return self._calendar.last_days(now, 1), last and (last.tokens, last.cost)

    def _used_today(self, pipeline: Pipeline, now: float) -> UsageSum:
        """Return the usage since midnight.

        The ledger is read again only if usage has been counted since the last call, or if a new day
        has begun. Otherwise the result of the last call is returned.
        """
        made_from = self._counted(now)
        if self._today is None or self._today[0] != made_from:
            hours = self._calendar.last_days(now, 1)
            usage = pipeline.ledger.usage_between(hours.start, hours.end)
            self._today = made_from, total_of(usage)
        return self._today[1]

    def _all_usage(self, pipeline: Pipeline, now: float) -> tuple[HourlyUsage, ...] | None:
        if not self.wants_usage:
            return self._usage
        made_from = self._counted(now)
        if self._usage_from != made_from and now >= self._usage_until:
            began = perf_counter()
            usage = [*pipeline.ledger.usage_between(), *pipeline.ledger.bills()]
            self._usage = tuple(condensed(usage, self._calendar, now))
            self._usage_from = made_from
            self._usage_until = now + READS_OF_TIME * (perf_counter() - began)
        return self._usage

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._changed()

    def _wait(self, seconds: float) -> None:
        """Wait for the time of the next refresh, or for a request of a refresh.

        Two refreshes are at least SHORTEST_SECONDS apart.
        """
        _collect_again()
        began = perf_counter()
        self._wake.wait(None if self.paused else seconds)
        while self.paused and not (self._forced or self._is_stopping):
            self._wake.clear()
            self._wake.wait()
        self._wake.clear()
        self._forced = False
        left = SHORTEST_SECONDS - (perf_counter() - began)
        if left > 0 and not self._is_stopping:
            self._wake.wait(left)


def _collect_again() -> None:
    """Enable the garbage collector again. It ignores the objects that exist now.

    A collection stops all threads. If it visited the objects of a large ledger, the answer to a key
    would be late. These objects stay, and loading them creates no reference cycles.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
