"""Pushes the latest snapshot to an OpenTelemetry receiver, in a separate thread.

This package and its modules `library_log`, `options` and `delivery` do not import OpenTelemetry.
"""

import threading

import structlog

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Snapshot
from agtop_exporter.push.delivery import Delivery

FLUSH_SECONDS = 3.0
"""Time limit of the last push when the daemon stops. The daemon must stop within 5 seconds."""

log = structlog.get_logger()


class Pusher:
    """Pushes the latest snapshot periodically, in a thread of its own."""

    def __init__(self, delivery: Delivery) -> None:
        """Prepare to push. The thread starts when the first snapshot is published."""
        self._delivery = delivery
        self._latest: Snapshot | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def publish(self, snapshot: Snapshot) -> None:
        """Set the snapshot that the next push sends. The first call starts the first push."""
        self._latest = snapshot
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otlp-push", daemon=True)
            self._thread.start()

    def save_state(self, ledger: Ledger) -> None:
        """Write the state that has changed since the last call of this method to the ledger."""
        self._delivery.save_state(ledger)

    def stop(self) -> None:
        """Push the latest snapshot if it is not delivered yet, and stop within FLUSH_SECONDS.

        If it is not delivered in this time, a warning is logged.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(FLUSH_SECONDS)
        self._delivery.close()
        if self._latest is not None and not self._delivery.has_delivered(self._latest):
            reason = self._delivery.problem or f"no answer within {FLUSH_SECONDS:g} seconds"
            log.warning("last otlp push not delivered", reason=reason)

    def _run(self) -> None:
        while True:
            last = self._stopping.is_set()
            if self._latest is not None:
                self._delivery.push(self._latest)
            if last:
                return
            self._stopping.wait(self._delivery.pause_seconds())
