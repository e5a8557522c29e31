"""Computes the increases of the counters since the last delivered push, for delta temporality.

The delivered values are stored in the ledger, so that the first push after a restart contains
increases as well.
"""

import contextlib

import msgspec

from agtop_exporter.metrics import (
    CATALOGUE,
    Exposition,
    Family,
    HistogramValue,
    Labels,
    Publication,
    Value,
)
from agtop_exporter.model import Snapshot

COUNTED = ("counter", "histogram")


def growth(now: Exposition, before: Exposition) -> Exposition:
    """Return `now` with each counter replaced by its increase since `before`.

    Counter series that are not in `before` are left out. No increase is lost, because a new series
    is published with its baseline first; see `zero_first`.
    """
    values = {
        (family.metric.name, labels): value for family in before for labels, value in family.samples
    }
    families = (
        family if family.metric.kind not in COUNTED else _family_growth(family, values)
        for family in now
    )
    return tuple(family for family in families if family.samples)


def _family_growth(family: Family, before: dict[tuple[str, Labels], Value]) -> Family:
    name = family.metric.name
    return Family(
        family.metric,
        tuple(
            (labels, difference(value, before[name, labels]))
            for labels, value in family.samples
            if (name, labels) in before
        ),
    )


def difference(now: Value, before: Value) -> Value:
    """Return the increase of a counter or histogram since `before`; no number is negative.

    If the buckets of a histogram have changed, the increase is empty.
    """
    if isinstance(now, HistogramValue) and isinstance(before, HistogramValue):
        if now.bounds != before.bounds:
            return now.empty
        counts = (max(0, new - old) for new, old in zip(now.counts, before.counts, strict=True))
        return HistogramValue(now.bounds, tuple(counts), max(0.0, now.sum - before.sum))
    if isinstance(now, HistogramValue) or isinstance(before, HistogramValue):
        raise TypeError("a number and a histogram")
    return max(0, now - before)  # a value is smaller if the ledger was deleted


class Delivered(msgspec.Struct, frozen=True):
    """The counters and histograms of the last delivered push, and its time in unix seconds."""

    time: float
    numbers: list[tuple[str, Labels, int | float]]
    distributions: list[tuple[str, Labels, HistogramValue]]

    @classmethod
    def of(cls, exposition: Exposition, *, time: float) -> "Delivered":
        """Return the counters and histograms of `exposition`, which was delivered at `time`."""
        numbers, distributions = [], []
        for family in exposition:
            if family.metric.kind in COUNTED:
                for labels, value in family.samples:
                    if isinstance(value, HistogramValue):
                        distributions.append((family.metric.name, labels, value))
                    else:
                        numbers.append((family.metric.name, labels, value))
        return cls(time, numbers, distributions)

    @classmethod
    def decode(cls, data: bytes | None) -> "Delivered | None":
        """Decode `data`, the result of `encode`. Return None if `data` is missing or invalid."""
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.msgpack.decode(data, type=cls) if data else None
        return None

    def encode(self) -> bytes:
        """Return this object as bytes, which `decode` accepts."""
        return msgspec.msgpack.encode(self)

    def publication(self) -> Publication:
        """Return the delivered values as a publication, without metrics that no longer exist."""
        metrics = {metric.name: metric for metric in CATALOGUE}
        samples: dict[str, list[tuple[Labels, Value]]] = {}
        for name, labels, value in (*self.numbers, *self.distributions):
            samples.setdefault(name, []).append((labels, value))
        return Publication(
            tuple(
                Family(metrics[name], tuple(values))
                for name, values in samples.items()
                if name in metrics
            )
        )

    def known(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with only the sessions that had started before the last push.

        The last push is the one that an earlier process delivered. The result replaces the snapshot
        of that push. Its `published` is empty, because the sessions of that push are not stored.
        """
        begun = (s for s in snapshot.sessions if (s.started_at or self.time) <= self.time)
        return msgspec.structs.replace(
            snapshot, generated_at=self.time, sessions=tuple(begun), published=()
        )
