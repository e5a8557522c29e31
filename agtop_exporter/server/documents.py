"""Documents that are rendered when a client asks for them, at most once for each refresh."""

import math
import time
from collections.abc import Callable
from hashlib import sha256
from threading import Condition

import msgspec

KEPT_BYTES = 1_000_000
"""A larger rendering is deleted when it is out of date, to save memory."""


class Rendering(msgspec.Struct, frozen=True, gc=False):
    """The bytes of a document, and the ETag that identifies them."""

    body: bytes
    etag: str


class Document:
    """A document that shows the last refresh. A document without requests is never rendered.

    The thread of the refreshes calls `expire` and `render_if_wanted`. The thread of the server
    reads `current` and calls `wait`.
    """

    def __init__(
        self,
        render: Callable[[], bytes],
        *,
        wake: Callable[[], None],
        watched_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a rendering.

        `render` returns the bytes of the document. `wake` makes the thread of the refreshes call
        `render_if_wanted` soon. For `watched_seconds` after a request, each refresh renders the
        document, so that the next request need not wait. `monotonic` is a clock in seconds.
        """
        self._render = render
        self._wake = wake
        self._watched_seconds = watched_seconds
        self._monotonic = monotonic
        self._changed = Condition()
        self._rendering: Rendering | None = None
        self._is_current = False
        self._is_wanted = False
        self._asked_at = -math.inf

    def expire(self) -> None:
        """Mark the rendering as out of date, because a refresh has ended.

        If the document was requested recently, render it again. Raises what `render` raises.
        """
        with self._changed:
            if self._monotonic() - self._asked_at < self._watched_seconds:
                self._is_wanted = True  # until then, the rendering stays
            else:
                self._is_current = False
                if self._rendering is not None and len(self._rendering.body) > KEPT_BYTES:
                    self._rendering = None
        self.render_if_wanted()

    def render_if_wanted(self) -> None:
        """Render the document if a client waits for it. Raises what `render` raises."""
        if not self._is_wanted:
            return
        rendering: Rendering | None = None
        try:
            body = self._render()
            rendering = Rendering(body, f'"{sha256(body).hexdigest()[:32]}"')
        finally:
            with self._changed:
                self._rendering = rendering
                self._is_current = rendering is not None
                self._is_wanted = False
                self._changed.notify_all()

    @property
    def current(self) -> Rendering | None:
        """The rendering of the document; None if there is none, or if it is out of date.

        A rendering is out of date if a refresh has ended after it was made. Reading this property
        counts as a request; see `watched_seconds`.
        """
        self._asked_at = self._monotonic()
        with self._changed:
            return self._rendering if self._is_current else None

    def wait(self, seconds: float) -> Rendering | None:
        """Return the rendering of the last refresh; wait for it up to `seconds`.

        If it does not exist after this time, return an earlier rendering or None.
        """
        with self._changed:
            if not self._is_current:
                self._is_wanted = True
                self._wake()
                self._changed.wait_for(lambda: not self._is_wanted, seconds)
            return self._rendering
