"""Renders and compresses the pages once after each refresh, so that a scrape only sends bytes."""

import gzip
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from agtop_exporter.metrics import Exposition, Publication
from agtop_exporter.model import Snapshot
from agtop_exporter.render import prometheus

GZIP_LEVEL = 6


class Page(msgspec.Struct, frozen=True, gc=False):
    """The metrics in both formats, plain and compressed."""

    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes


class Pages(msgspec.Struct, frozen=True, gc=False):
    """The metrics pages that the server sends until the next refresh.

    `ready` is true if a scan has ended and the pages contain its result. `latest` has the real
    values. A page in `held` is for scrapers that have not received the baselines of some new
    series. Its key is a generation: the page has baselines for the series that were new in this or
    a later generation. See `metrics.publication`.
    """

    snapshot: Snapshot
    ready: bool
    generation: int
    latest: Page
    held: Mapping[int, Page] = {}

    def after(self, generation: int | None) -> Page:
        """Return the page for a scraper that received the publication `generation` last.

        If the scraper has already received the real value of a series, the page has the real value,
        because a counter must not decrease. An unknown scraper (None) gets the real values of all
        series.
        """
        later = (first for first in self.held if generation is not None and first > generation)
        first = min(later, default=None)
        return self.latest if first is None else self.held[first]


class OwnMetrics(NamedTuple):
    """The `process_*` metrics in the text format 0.0.4, and in OpenMetrics without `# EOF`."""

    text: bytes
    openmetrics: bytes


class OwnProcess:
    """Provides the `process_*` metrics of the exporter's own process, from prometheus-client.

    These metrics are not part of a `Snapshot` and are not pushed over OTLP.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def metrics(self) -> OwnMetrics:
        """Return the current metrics in both formats."""
        openmetrics: bytes = generate_openmetrics(self._registry)  # type: ignore[no-untyped-call]
        return OwnMetrics(
            generate_latest(self._registry), openmetrics.removesuffix(prometheus.OPENMETRICS_END)
        )


def render_pages(
    publication: Publication,
    snapshot: Snapshot,
    *,
    own: OwnProcess,
    received: Collection[int] = (),
    ready: bool = True,
) -> Pages:
    """Return the pages of `publication`, with the metrics of `own`.

    `publication` has the values of `snapshot`. `received` are the generations that the scrapers
    received last. `ready` is false before the first scan ends.
    """
    metrics = own.metrics()  # once for all pages
    firsts = {first for seen in received if (first := publication.first_new_after(seen))}
    return Pages(
        snapshot=snapshot,
        ready=ready,
        generation=publication.generation,
        latest=_page(publication.exposition, metrics),
        held={first: _page(publication.after(first - 1), metrics) for first in firsts},
    )


def _page(exposition: Exposition, own: OwnMetrics) -> Page:
    text, openmetrics = prometheus.both(exposition)
    text += own.text
    openmetrics += own.openmetrics + prometheus.OPENMETRICS_END
    return Page(
        text=text,
        text_gzip=gzip.compress(text, GZIP_LEVEL),
        openmetrics=openmetrics,
        openmetrics_gzip=gzip.compress(openmetrics, GZIP_LEVEL),
    )
