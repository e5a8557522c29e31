"""Renders and compresses the pages once after each refresh, so that a scrape only sends bytes."""

import gzip

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from agtop_exporter.metrics import Exposition
from agtop_exporter.model import Snapshot
from agtop_exporter.render import prometheus

GZIP_LEVEL = 6


class Pages(msgspec.Struct, frozen=True, gc=False):
    """The pages that the server sends until the next refresh.

    `ready` is true if a scan has ended and the pages contain its result.
    """

    snapshot: Snapshot
    ready: bool
    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes


class OwnProcess:
    """Provides the `process_*` metrics of the exporter's own process, from prometheus-client.

    These metrics are not part of a `Snapshot` and are not pushed over OTLP.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return the current metrics in the text format 0.0.4."""
        return generate_latest(self._registry)

    def openmetrics(self) -> bytes:
        """Return the current metrics in OpenMetrics 1.0.0, without the last line `# EOF`."""
        page: bytes = generate_openmetrics(self._registry)  # type: ignore[no-untyped-call]
        return page.removesuffix(prometheus.OPENMETRICS_END)


def render_pages(
    exposition: Exposition, snapshot: Snapshot, *, own: OwnProcess, ready: bool = True
) -> Pages:
    """Return the pages in all formats, with the values of `exposition` and the metrics of `own`.

    `exposition` has the published values of `snapshot`. `ready` is false before the first scan
    ends.
    """
    text, openmetrics = prometheus.both(exposition)
    text += own.text()
    openmetrics += own.openmetrics() + prometheus.OPENMETRICS_END
    return Pages(
        snapshot=snapshot,
        ready=ready,
        text=text,
        text_gzip=gzip.compress(text, GZIP_LEVEL),
        openmetrics=openmetrics,
        openmetrics_gzip=gzip.compress(openmetrics, GZIP_LEVEL),
    )
