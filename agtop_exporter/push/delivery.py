"""What a push says, and what follows from how it ended.

Nothing is queued: a push says how things are when it is sent, and what one could not deliver the
next one does. Nothing here knows the protocol.
"""

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

LONGEST_PAUSE_SECONDS = 300.0
"""Longest time between two pushes to a receiver that fails."""

SINCE = "otlp_since"  # the ledger's names for what a later process must know
DELIVERED = "otlp_delivered"

StartOf = Callable[[Metric, Labels], float]

log = structlog.get_logger()


class Outcome(msgspec.Struct, frozen=True):
    """How one push ended: `failure` is empty if it was delivered."""

    failure: str = ""
    retry_after_seconds: float = 0.0  # what the receiver asked for
    rejected_points: int = 0  # of a delivered push


class Sender(Protocol):
    """Delivers one exposition to the receiver."""

    def send(
        self, exposition: Exposition, *, time: float, start_of: StartOf, delta: bool
    ) -> Outcome:
        """Deliver, with retries, within the time that the options allow."""

    def close(self) -> None:
        """Give up a delivery that is under way, and take no other."""


class Delivery:
    """Pushes snapshots one after the other, and remembers what was delivered.

    It holds new series back at zero until their start was delivered, as the pages do until a
    scrape took them, but for itself: other readers see other starts.
    """

    def __init__(
        self,
        sender: Sender,
        options: PushOptions,
        *,
        facts: Mapping[str, bytes],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take what the ledger remembers of earlier processes; `jitter` is 0 to 1."""
        self._sender = sender
        self._options = options
        self._jitter = jitter
        self._pushed: Snapshot | None = None  # the latest that was delivered
        self._publication: Publication | None = None  # what was delivered of it
        self._counted_from = _number(facts.get(SINCE))
        self._before = Delivered.decode(facts.get(DELIVERED)) if options.delta else None
        self._to_remember: dict[str, bytes] = {}
        self._exports = self._errors = 0
        self._settled = (0, 0)
        self._failures = 0  # since the last success
        self._asked_pause = 0.0
        self._told = ""
        self._closed = threading.Event()

    def settle(self, ledger: Ledger) -> None:
        """Put what happened since the last call into the ledger, from the ledger's own thread."""
        exports, errors = self._exports, self._errors
        ledger.add(("otlp_exports",), exports - self._settled[0])
        ledger.add(("otlp_export_errors",), errors - self._settled[1])
        self._settled = (exports, errors)
        while self._to_remember:
            ledger.remember(*self._to_remember.popitem())

    def close(self) -> None:
        """Give up a push that is under way; how it ends no longer counts."""
        self._closed.set()
        self._sender.close()

    def pause_seconds(self) -> float:
        """Return how long to wait before the next push."""
        interval = self._options.interval_seconds
        if not self._failures:
            return interval
        longest = max(interval, LONGEST_PAUSE_SECONDS)
        pause = min(longest, interval * 2.0 ** min(self._failures - 1, 20))
        asked = min(self._asked_pause, longest)
        return max(asked, pause * (0.8 + 0.2 * self._jitter()))

    def push(self, snapshot: Snapshot) -> None:
        """Push what is to be published of `snapshot`, unless it was delivered already."""
        if snapshot is self._pushed or self._closed.is_set():
            return
        try:
            publication, outcome = self._send(snapshot)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next push may work
            publication, outcome = None, Outcome(failure=type(error).__name__)
        if self._closed.is_set():
            return
        self._exports += 1
        self._tell(outcome)
        self._asked_pause = outcome.retry_after_seconds
        if publication is None or outcome.failure:
            self._errors += 1
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
        publication = publish(snapshot, before, previous=previous)
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
        """Return when the totals were zero, which stays the same after a restart.

        Those of a session were when it began. All others were when the first session of all
        began: their history is in them, and what came later was zero then too.
        """
        began = {(s.agent, s.session_id): s.started_at for s in snapshot.sessions if s.started_at}
        if self._counted_from is None:
            self._counted_from = min([snapshot.generated_at, *began.values()])
            self._to_remember[SINCE] = msgspec.msgpack.encode(self._counted_from)
        since = self._counted_from

        def start_of(metric: Metric, labels: Labels) -> float:
            if metric.labels[:2] == ("session_id", "agent"):
                return began.get((labels[1], labels[0]), since)
            return since

        return start_of

    def _tell(self, outcome: Outcome) -> None:
        """Say what changed, so that a receiver that is away for a day is told of once."""
        points = outcome.rejected_points
        news = outcome.failure or (f"{points} points rejected" if points else "")
        if news and news != self._told:
            log.warning("otlp push", reason=news)
        elif self._told and not news:
            log.info("otlp push works again", failures=self._failures)
        self._told = news


def _number(data: bytes | None) -> float | None:
    try:
        return msgspec.msgpack.decode(data, type=float) if data else None
    except msgspec.MsgspecError:
        return None
