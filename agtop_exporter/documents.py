"""The page at `/` and the document at `/api/v1/snapshot`, which are rendered when requested."""

from collections.abc import Callable

from agtop_exporter import __version__
from agtop_exporter.model import Snapshot
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.redaction import Redaction, without_private
from agtop_exporter.render import json
from agtop_exporter.server import Document, render_overview

WATCHED_SECONDS = 60.0  # the page is rendered in advance after a request; a browser asks each 10 s


class Documents:
    """The page at `/` and the document at `/api/v1/snapshot`.

    The thread that refreshes calls the methods. The thread of the server reads the attributes
    `overview` and `snapshot`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        redaction: Redaction,
        *,
        published: Callable[[], Snapshot],
        is_local: bool,
        wake: Callable[[], None],
    ) -> None:
        """Create the documents. `published` returns the snapshot whose metrics are published.

        `is_local` is true if only this machine can read the documents. The thread of the server
        calls `wake` when a client requests a document.
        """
        self._pipeline = pipeline
        self._redaction = redaction
        self._published = published
        self._is_local = is_local
        self.overview = Document(self._render_overview, wake=wake, watched_seconds=WATCHED_SECONDS)
        self.snapshot = Document(self._render_snapshot, wake=wake)

    def expire(self) -> None:
        """Mark the documents as outdated, because a refresh has ended."""
        for document in (self.overview, self.snapshot):
            with self._pipeline.steps.step("publish"):
                document.expire()

    def render_if_wanted(self) -> None:
        """Render the documents that clients have requested."""
        for document in (self.overview, self.snapshot):
            with self._pipeline.steps.step("publish"):
                document.render_if_wanted()

    def _render_overview(self) -> bytes:
        overview = self._pipeline.overview(self._published())
        return render_overview(self._redaction.overview(overview), version=__version__)

    def _render_snapshot(self) -> bytes:
        snapshot = self._redaction.snapshot(self._pipeline.with_closed(self._published()))
        return json.render(snapshot if self._is_local else without_private(snapshot))
