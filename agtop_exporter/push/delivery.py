"""Selects the values that each push sends, and counts and logs the outcome of each push.

This module does not depend on the protocol. There is no queue. A push contains the current values,
so the next push replaces a failed push.
"""

import math
import random
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import structlog

from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import Exposition, Labels, Metric, Publication, publish
from agtop_exporter.model import Snapshot
from agtop_exporter.push.delta import Delivered, growth
from agtop_exporter.push.options import PushOptions
from agtop_exporter.telemetry import Telemetry

LONGEST_PAUSE_SECONDS = 300.0
"""Longest time between two pushes to a receiver that fails."""

# Keys in the ledger's metadata, which later processes read.
SINCE = "otlp_since"
DELIVERED = "otlp_delivered"

StartOf = Callable[[Metric, Labels], float]

log = structlog.get_logger()


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of one push. `failure` is "" if the push was delivered."""

    failure: str = ""
    retry_after_seconds: float = 0.0  # requested by the receiver
    rejected_points: int = 0  # from a delivered push


class Sender(Protocol):
    """An object that delivers expositions to the receiver."""

    def send(
        self, exposition: Exposition, *, time: float, start_of: StartOf, delta: bool
    ) -> Outcome:
        """Deliver `exposition`, and return the outcome.

        The delivery and its retries end within the timeout in the push options. `time` is the
        timestamp of the values in unix seconds. `start_of` returns the start time of a counter
        series. If `delta` is true, the counters in `exposition` are increases instead of totals.
        """

    def close(self) -> None:
        """Cancel the delivery in progress, and reject later deliveries."""


class Delivery:
    """Pushes snapshots one after the other, and stores the last delivered snapshot.

    A new counter series is delivered with its baseline first, so that the receiver can compute the
    first increase; see `agtop_exporter.metrics.publication`.
    """

    def __init__(
        self,
        sender: Sender,
        options: PushOptions,
        *,
        metadata: Mapping[str, bytes],
        telemetry: Telemetry,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare the delivery without pushing.

        `metadata` is the metadata of the ledger, with the saved state of an earlier process.
        `jitter` returns a random number from 0 to 1. This number varies the pauses after failed
        pushes.
        """
        self._telemetry = telemetry
        telemetry.declare("otlp_exports")
        telemetry.declare("otlp_export_errors")
        self._sender = sender
        self._options = options
        self._jitter = jitter
        self._pushed: Snapshot | None = None  # the snapshot that was delivered last
        self._publication: Publication | None = None  # the delivered values of `_pushed`
        self._counted_from = _number(metadata.get(SINCE))
        self._before = Delivered.decode(metadata.get(DELIVERED)) if options.delta else None
        self._to_remember: dict[str, bytes] = {}
        self._failures = 0  # since the last success
        self._asked_pause = 0.0
        self._logged = ""
        self._closed = threading.Event()

    def save_state(self, ledger: Ledger) -> None:
        """Write the state that has changed since the last call of this method to the ledger.

        Only the thread that uses the ledger may call this method.
        """
        while self._to_remember:
            ledger.remember(*self._to_remember.popitem())

    def close(self) -> None:
        """Cancel the push in progress without counting its outcome."""
        self._closed.set()
        self._sender.close()

    @property
    def problem(self) -> str:
        """The problem of the last push whose outcome is known; "" if there was none."""
        return self._logged

    def has_delivered(self, snapshot: Snapshot) -> bool:
        """Return whether `snapshot` is the snapshot that was delivered last."""
        return snapshot is self._pushed

    def pause_seconds(self) -> float:
        """Return the seconds to wait before the next push.

        The wait gets longer with each failed push, up to a limit.
        """
        interval = self._options.interval_seconds
        if not self._failures:
            return interval
        longest = max(interval, LONGEST_PAUSE_SECONDS)
        pause = min(longest, interval * 2.0 ** min(self._failures - 1, 20))
        asked = min(self._asked_pause, longest)
        return max(asked, pause * (0.8 + 0.2 * self._jitter()))

    def push(self, snapshot: Snapshot) -> None:
        """Push `snapshot`, unless it was delivered already."""
        if snapshot is self._pushed or self._closed.is_set():
            return
        try:
            publication, outcome = self._send(snapshot)
        except Exception as error:  # noqa: BLE001 - no error may end the thread
            publication, outcome = None, Outcome(failure=type(error).__name__)
        if self._closed.is_set():
            return
        self._telemetry.count("otlp_exports")
        self._log(outcome)
        self._asked_pause = outcome.retry_after_seconds
        if publication is None or outcome.failure:
            self._telemetry.count("otlp_export_errors")
            self._failures += 1
            return
        self._failures = 0
        self._pushed, self._publication, self._before = snapshot, publication, None
        if self._options.delta:
            delivered = Delivered.of(publication.exposition, time=snapshot.generated_at)
            self._to_remember[DELIVERED] = delivered.encode()

    def _send(self, snapshot: Snapshot) -> tuple[Publication, Outcome]:
        before, previous = self._publication, self._pushed
        if self._before is not None:
            before, previous = self._before.publication(), self._before.known(snapshot)
        publication = publish(snapshot, before, previous=previous).to_one_receiver(before)
        exposition, start_of = publication.exposition, self._start_of(snapshot)
        if self._options.delta:
            exposition = growth(exposition, before.exposition if before else ())
            began = previous.generated_at if previous else snapshot.generated_at
            start_of = lambda _metric, _labels: began  # noqa: E731 - one for all series
        outcome = self._sender.send(
            exposition, time=snapshot.generated_at, start_of=start_of, delta=self._options.delta
        )
        return publication, outcome

    def _start_of(self, snapshot: Snapshot) -> StartOf:
        """Return a function that returns the start time of a counter series in unix seconds.

        The counters of a session start when the session starts. All other counters include the
        history, so they start when the first session started. A restart of the exporter does not
        change these times.
        """
        began = {(s.agent, s.session_id): s.started_at for s in snapshot.sessions if s.started_at}
        if self._counted_from is None:
            first = snapshot.first_started_at
            self._counted_from = min(snapshot.generated_at, math.inf if first is None else first)
            self._to_remember[SINCE] = msgspec.msgpack.encode(self._counted_from)
        since = self._counted_from

        def start_of(metric: Metric, labels: Labels) -> float:
            if metric.labels[:2] == ("session_id", "agent"):
                return began.get((labels[1], labels[0]), since)
            return since

        return start_of

    def _log(self, outcome: Outcome) -> None:
        """Log the problem of an outcome if it is a new problem, and log the end of a problem."""
        points = outcome.rejected_points
        problem = outcome.failure or (f"{points} points rejected" if points else "")
        if problem and problem != self._logged:
            log.warning("otlp push", reason=problem)
        elif self._logged and not problem:
            log.info("otlp push works again", failures=self._failures)
        self._logged = problem


def _number(data: bytes | None) -> float | None:
    try:
        return msgspec.msgpack.decode(data, type=float) if data else None
    except msgspec.MsgspecError:
        return None
