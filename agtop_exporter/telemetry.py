"""Counts events of the exporter itself, such as failed scans, failed downloads and pushes.

The counters are objects of prometheus-client, so any thread may increase them. Their increments are
added to the ledger's totals, so the totals continue after a restart. The names, types and help
texts of the metrics are in `agtop_exporter.metrics`.
"""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from agtop_exporter.model import Series

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter

Name = Literal[
    "refresh_errors", "scan_errors", "pricing_refresh_errors", "otlp_exports", "otlp_export_errors"
]

COUNTERS: dict[Name, tuple[str, tuple[str, ...]]] = {  # description, labels
    "refresh_errors": ("Unexpected errors, by stage of the refresh.", ("stage",)),
    "scan_errors": ("Scans that failed in part, by agent.", ("agent",)),
    "pricing_refresh_errors": ("Price tables that were not downloaded, stored or usable.", ()),
    "otlp_exports": ("Pushes over OTLP.", ()),
    "otlp_export_errors": ("Pushes over OTLP that were not delivered.", ()),
}
"""The counters by name. A counter NAME is published as the metric agtop_NAME_total."""


class Telemetry:
    """The counters of this process. A counter exists once it is declared or increased."""

    def __init__(self) -> None:
        self._counters: dict[Name, Counter] = {}
        self._creating = threading.Lock()
        self._flushed: dict[Series, int] = {}

    @cached_property
    def registry(self) -> "CollectorRegistry":
        """The prometheus-client registry that contains the counters."""
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - 65 ms of CPU time, and one-shot commands seldom count

        return CollectorRegistry()

    def declare(self, name: Name) -> None:
        """Create a counter without labels at 0, so that it is published before it increases."""
        self._counter(name)

    def count(self, name: Name, *labels: str) -> None:
        """Increase a counter by one."""
        counter = self._counter(name)
        (counter.labels(*labels) if labels else counter).inc()

    def value(self, name: Name, *labels: str) -> int:
        """Return the value of a counter in this process; 0 if it does not exist."""
        if name not in self._counters:
            return 0
        pairs = dict(zip(COUNTERS[name][1], labels, strict=True))
        return int(self.registry.get_sample_value(f"agtop_{name}_total", pairs) or 0)

    def flush(self, add: Callable[[Series, int], None]) -> None:
        """Call `add` with each series and its increment since the last call of this method.

        The increment may be 0. Only one thread may call this method.
        """
        for name in tuple(self._counters):
            for metric in self._counters[name].collect():
                for sample in metric.samples:
                    if sample.name.endswith("_total"):
                        series = (name, *sample.labels.values())
                        add(series, int(sample.value) - self._flushed.get(series, 0))
                        self._flushed[series] = int(sample.value)

    def _counter(self, name: Name) -> "Counter":
        from prometheus_client import Counter  # noqa: PLC0415 - as above

        with self._creating:
            if name not in self._counters:
                description, labels = COUNTERS[name]
                self._counters[name] = Counter(
                    f"agtop_{name}", description, labels, registry=self.registry
                )
            return self._counters[name]
