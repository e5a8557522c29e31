"""The page as a file for node_exporter's textfile collector.

It has no `process_*` series, which would clash with the node_exporter's own, and no timestamps,
for which that collector refuses a whole file.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import structlog

from agtop_exporter.catalogue import Publication, publish
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import AgtopError, Snapshot
from agtop_exporter.render import prometheus

MODE = 0o644  # node_exporter runs as another user

log = structlog.get_logger()


def write(path: Path, page: bytes) -> None:
    """Replace the file by `page` at once: a reader finds the old page or the new one.

    Raises:
        AgtopError: It cannot be written.

    """
    draft = ""
    try:
        descriptor, draft = tempfile.mkstemp(".draft", f".{path.name}.", path.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, MODE)
            file.write(page)
        os.replace(draft, path)  # noqa: PTH105 - mkstemp gives a name, no Path
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(draft)  # noqa: PTH108
        raise AgtopError(f"cannot write {path}: {error.strerror}") from error


class TextfileWriter:
    """Writes the page again and again, with new series at their start first.

    Nobody tells when a page was read, so one stands for `interval_seconds`, in which
    node_exporter is scraped.
    """

    def __init__(self, path: Path, *, interval_seconds: float) -> None:
        """Prepare to write to `path`; nothing is written yet."""
        self._path = path
        self._interval = interval_seconds
        self._publication: Publication | None = None
        self._written: Snapshot | None = None
        self._told = ""

    def publish(self, snapshot: Snapshot) -> None:
        """Write what is to be published of `snapshot`, if it is time."""
        if self._written and 0 <= snapshot.generated_at - self._written.generated_at < (
            self._interval
        ):
            return
        publication = publish(snapshot, self._publication, previous=self._written)
        try:
            write(self._path, prometheus.text(publication.exposition))
        except AgtopError as error:
            self._tell(str(error))
            return
        self._tell("")
        self._publication, self._written = publication, snapshot

    def save_state(self, ledger: Ledger) -> None:
        """Have nothing for the ledger."""

    def stop(self) -> None:
        """Leave the file: its counters go on with the next start."""

    def _tell(self, news: str) -> None:
        if news and news != self._told:
            log.error("textfile", reason=news)
        elif self._told and not news:
            log.info("textfile is written again")
        self._told = news
