"""Counts the processes that are not measured, by reason."""

from agtop_exporter.model import Series
from agtop_exporter.processes.facts import Matches, ProcessId, ProcessTable


class SkippedProcesses:
    """Counts two kinds of processes for the metric `process_scan_errors`.

    These are processes that could not be read, and processes in a container that have no known
    session.
    """

    def __init__(self) -> None:
        """Start without processes."""
        self._counts: dict[str, int] = {}  # at the last call of `growth`, by reason
        self._in_containers: set[ProcessId] = set()  # that have been counted
        self._container_counts: dict[str, int] = {}  # number by the namespace that differs

    def growth(self, table: ProcessTable, matches: Matches) -> dict[Series, int]:
        """Return the increase of `process_scan_errors` by reason since the last call."""
        in_containers = set(matches.container_orphans)
        for process in in_containers - self._in_containers:
            reason = table.processes[process].container
            self._container_counts[reason] = self._container_counts.get(reason, 0) + 1
        self._in_containers = in_containers
        counts = dict(table.skipped) | self._container_counts
        before, self._counts = self._counts, counts
        return {
            ("process_scan_errors", reason): count - before.get(reason, 0)
            for reason, count in counts.items()
        }
