"""Writes the metrics to a file for node_exporter's textfile collector.

The file has no `process_*` series, because node_exporter publishes its own `process_*` series. The
file has no timestamps, because the collector rejects files with timestamps.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog
from msgspec.structs import replace

from agtop_exporter.atomic import replace_file
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import Exposition, Family, Publication, publish
from agtop_exporter.model import AgtopError, Snapshot
from agtop_exporter.render import prometheus

MODE = 0o644  # node_exporter runs as another user

NO_LABELS: Mapping[str, str] = MappingProxyType({})

log = structlog.get_logger()


def write(path: Path, page: bytes) -> None:
    """Replace the content of the file with `page` atomically.

    A reader finds either the old page or the new page.

    Raises:
        AgtopError: The file cannot be written.

    """
    try:
        replace_file(path, page, mode=MODE)
    except OSError as error:
        raise AgtopError(f"cannot write {path}: {error.strerror}") from error


def page(exposition: Exposition, labels: Mapping[str, str]) -> bytes:
    """Return the content of a file, with `labels` on every series."""
    return prometheus.text(tuple(_labeled(family, labels) for family in exposition))


def _labeled(family: Family, labels: Mapping[str, str]) -> Family:
    """Return a family with more labels. A label of the metric itself is not replaced."""
    names = tuple(name for name in labels if name not in family.metric.labels)
    if not names:
        return family
    values = tuple(labels[name] for name in names)
    metric = replace(family.metric, labels=family.metric.labels + names)
    samples = tuple((own + values, value) for own, value in family.samples)
    return Family(metric, samples)


class TextfileWriter:
    """Writes the metrics to a file every `interval_seconds`.

    A new counter series is written with its baseline first. The exporter does not know when
    node_exporter is scraped, so it assumes a scrape in each interval.
    """

    def __init__(
        self, path: Path, *, interval_seconds: float, labels: Mapping[str, str] = NO_LABELS
    ) -> None:
        """Set the path of the file and the interval. No file is written.

        `labels` are added to every series. If two exporters write files without different labels,
        node_exporter rejects the files, because both have the same series.
        """
        self._path = path
        self._labels = labels
        self._interval = interval_seconds
        self._publication: Publication | None = None
        self._written: Snapshot | None = None
        self._logged = ""

    def publish(self, snapshot: Snapshot) -> None:
        """Write `snapshot` to the file, if `interval_seconds` have passed since the last write."""
        if self._written and 0 <= snapshot.generated_at - self._written.generated_at < (
            self._interval
        ):
            return
        before = self._publication
        publication = publish(snapshot, before, previous=self._written).to_one_receiver(before)
        try:
            write(self._path, page(publication.exposition, self._labels))
        except AgtopError as error:
            self._log(str(error))
            return
        self._log("")
        self._publication, self._written = publication, snapshot

    def save_state(self, ledger: Ledger) -> None:
        """Do nothing: the textfile has no state for the ledger."""

    def stop(self) -> None:
        """Do nothing: the file stays, and its counters continue after a restart."""

    def _log(self, problem: str) -> None:
        if problem and problem != self._logged:
            log.error("cannot write textfile", reason=problem)
        elif self._logged and not problem:
            log.info("textfile written again")
        self._logged = problem
