"""Computes rates of process trees: the usage between two samples divided by the time. No I/O."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from agtop_exporter.model import ProcessUsage
from agtop_exporter.processes.facts import ProcessId
from agtop_exporter.processes.growth import ResourceTotals

_SHORTEST_SECONDS = 0.001  # shortest time between two samples that gives a useful rate


class Interval(msgspec.Struct, frozen=True):
    """The usage of each process between the last two samples.

    `seconds` is the time between the samples. `sampled_before` has the processes of the earlier
    sample.
    """

    seconds: float = 0.0
    spent: Mapping[ProcessId, ResourceTotals] = {}
    sampled_before: Collection[ProcessId] = ()

    def has_rates(self, processes: Iterable[ProcessId]) -> bool:
        """Return whether rates can be computed for a process tree.

        A new tree has no rates: the usage since the start of its processes would count as usage of
        this interval.
        """
        known = self.sampled_before
        return self.seconds >= _SHORTEST_SECONDS and any(one in known for one in processes)

    def with_rates(self, usage: ProcessUsage, processes: Collection[ProcessId]) -> ProcessUsage:
        """Return `usage` with the rates of `processes`. `has_rates` must be True for their tree."""
        recent = sum((self.spent[process] for process in processes), ResourceTotals())
        return msgspec.structs.replace(
            usage,
            cpu_percent=ratio(recent.cpu_microseconds, self.seconds * 10_000),
            disk_read_bytes_per_second=ratio(recent.read_bytes, self.seconds),
            disk_written_bytes_per_second=ratio(recent.written_bytes, self.seconds),
        )


def ratio(amount: int | None, per: float) -> float | None:
    """Divide an amount by `per`. If the amount is unknown (None), so is the result."""
    return None if amount is None else amount / per
