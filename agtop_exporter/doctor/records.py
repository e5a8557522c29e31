"""Counts what the records of an agent's files lack, and how many are repeated."""

from collections import defaultdict

import msgspec

from agtop_exporter.model import Batch

NANOSECONDS = 1_000_000_000


class Records(msgspec.Struct):
    """The responses in an agent's files, as the reader gives them to the ledger.

    A response that is recorded again (streamed growth, copies of a transcript) is counted once.
    """

    responses: int = 0
    repeated: int = 0  # with an id that another record had before
    without_model: int = 0
    without_time: int = 0
    time_of_file: int = 0  # the record has no time: that of its file is used


class RecordCounts:
    """The Records of each agent."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Records] = defaultdict(Records)
        self._seen: defaultdict[str, set[int]] = defaultdict(set)  # hashes of keys

    def of(self, agent: str) -> Records:
        """Return what the files of an agent had."""
        return self._counts[agent]

    def add(self, batch: Batch) -> None:
        """Count the responses of a batch."""
        counts, seen = self._counts[batch.agent], self._seen[batch.agent]
        modified_at = batch.cursor.mtime_ns / NANOSECONDS
        for event in batch.events:
            if not event.requests:
                continue
            counts.responses += 1
            key = hash(event.key)
            if key in seen:
                counts.repeated += 1
                continue
            seen.add(key)
            counts.without_model += not event.model
            counts.without_time += event.time <= 0
            counts.time_of_file += event.time > 0 and event.time == modified_at
