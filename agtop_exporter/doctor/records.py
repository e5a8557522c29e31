"""Counts model responses that are repeated, that have no model, or that have no time."""

from collections import defaultdict

import msgspec

from agtop_exporter.model import NANOSECONDS, Batch


class Records(msgspec.Struct):
    """The numbers of model responses in the files of one agent.

    A response is repeated if an earlier record has the same key. Streamed responses and copied
    transcripts cause repeated records.
    """

    responses: int = 0  # including repeated ones
    repeated: int = 0
    without_model: int = 0
    without_time: int = 0
    time_of_file: int = 0  # the record has no time, so the modification time of the file is used


class RecordCounts:
    """Counts the model responses in the files of each agent."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Records] = defaultdict(Records)
        self._seen: defaultdict[str, set[int]] = defaultdict(set)  # hashes of keys

    def of(self, agent: str) -> Records:
        """Return the numbers of responses of `agent`."""
        return self._counts[agent]

    def add(self, batch: Batch) -> None:
        """Add the responses in `batch` to the numbers of the batch's agent."""
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
