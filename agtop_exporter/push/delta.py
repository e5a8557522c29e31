"""Increases of the counters since the last delivered push, for delta temporality.

The last delivered values are stored, so that the first push after a restart is a delta too.
"""

import contextlib

import msgspec

from agtop_exporter.catalogue import (
    CATALOGUE,
    Distribution,
    Exposition,
    Family,
    Labels,
    Publication,
    Value,
)
from agtop_exporter.model import Snapshot

COUNTED = ("counter", "histogram")


def growth(now: Exposition, before: Exposition) -> Exposition:
    """Return `now` with the differences of its counters to those of `before`.

    Series that are not in `before` are left out. Nothing is lost, since a new series is published
    at its start value first (`zero_first`).
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
            (labels, _difference(value, before[name, labels]))
            for labels, value in family.samples
            if (name, labels) in before
        ),
    )


def _difference(now: Value, before: Value) -> Value:
    if isinstance(now, Distribution) and isinstance(before, Distribution):
        if now.bounds != before.bounds:
            return now.empty
        counts = (max(0, new - old) for new, old in zip(now.counts, before.counts, strict=True))
        return Distribution(now.bounds, tuple(counts), max(0.0, now.sum - before.sum))
    if isinstance(now, Distribution) or isinstance(before, Distribution):
        raise TypeError("a number and a histogram")
    return max(0, now - before)  # a session decreases if the ledger was removed


class Delivered(msgspec.Struct, frozen=True):
    """The counters of the last delivered push, and its time in unix seconds."""

    time: float
    numbers: list[tuple[str, Labels, int | float]]
    distributions: list[tuple[str, Labels, Distribution]]

    @classmethod
    def of(cls, exposition: Exposition, *, time: float) -> "Delivered":
        """Return the counters of an exposition."""
        numbers, distributions = [], []
        for family in exposition:
            if family.metric.kind in COUNTED:
                for labels, value in family.samples:
                    if isinstance(value, Distribution):
                        distributions.append((family.metric.name, labels, value))
                    else:
                        numbers.append((family.metric.name, labels, value))
        return cls(time, numbers, distributions)

    @classmethod
    def decode(cls, data: bytes | None) -> "Delivered | None":
        """Decode the result of `encode`, or return None if that is not possible."""
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.msgpack.decode(data, type=cls) if data else None
        return None

    def encode(self) -> bytes:
        """Return the bytes for `decode`."""
        return msgspec.msgpack.encode(self)

    def publication(self) -> Publication:
        """Return the counters as the last publication."""
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
        """Return `snapshot` with only the sessions that had started at the time of the push.

        None of them is published. The delivered values of old sessions are not stored: a session
        that continues after a restart starts from its current values.
        """
        begun = (s for s in snapshot.sessions if (s.started_at or self.time) <= self.time)
        return msgspec.structs.replace(
            snapshot, generated_at=self.time, sessions=tuple(begun), published=()
        )
