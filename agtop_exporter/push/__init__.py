"""The latest snapshot to an OpenTelemetry receiver, from a thread of its own.

Nothing is imported from OpenTelemetry here: only `render.otlp`, `resource` and `sender` do that.
"""

import threading

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Snapshot
from agtop_exporter.push.delivery import Delivery

FLUSH_SECONDS = 3.0
"""How long the end of the daemon waits for the last push: all may take 5 s, 2 are for others."""


class Pusher:
    """Pushes the latest of the snapshots that it is offered, again and again."""

    def __init__(self, delivery: Delivery) -> None:
        """Prepare to push; the thread begins with the first offer."""
        self._delivery = delivery
        self._latest: Snapshot | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, snapshot: Snapshot) -> None:
        """Let the next push be of `snapshot`; the first begins at once."""
        self._latest = snapshot
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otlp-push", daemon=True)
            self._thread.start()

    def settle(self, ledger: Ledger) -> None:
        """Put what happened since the last call into the ledger."""
        self._delivery.settle(ledger)

    def stop(self) -> None:
        """Push what is not delivered yet, for `FLUSH_SECONDS` at most, and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(FLUSH_SECONDS)
        self._delivery.close()

    def _run(self) -> None:
        while True:
            last = self._stopping.is_set()
            if self._latest is not None:
                self._delivery.push(self._latest)
            if last:
                return
            self._stopping.wait(self._delivery.pause_seconds())
