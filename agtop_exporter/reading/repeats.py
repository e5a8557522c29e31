"""Recognizes records that a file has twice, by their times and contents.

Tools that synchronize files, and agents that resume, may append a record again, or the whole file.
An agent appends records in the order of their times, as long as its clock is not set back.

Nothing here does I/O.
"""

from itertools import islice

from msgspec import Struct, field

REMEMBERED = 256  # records of one source at least, and at most twice as many


class Remembered(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The latest records of a source that change the state of its reader.

    A mark is a number for the contents of a record that is the same in each process. A record that
    is older than the one before it is taken for repeated if a record with its contents is
    remembered, or if it is as old as the records that are remembered no more, because there are too
    many. The latter does not hold if its size, which grows in the source, is larger than all
    theirs, or if it has no size.
    """

    latest: float = 0.0  # the time of the last record that was no repetition, in unix seconds
    marks: dict[int, tuple[float, int]] = field(default_factory=dict)  # mark -> (time, size)
    dropped_at: float = 0.0  # the time of the record that was dropped last, in unix seconds
    dropped_size: int = -1  # the largest size of a dropped record

    def repeats(self, mark: int, time: float, size: int | None = None) -> bool:
        """Return whether a record has been seen; remember it if not.

        `time` is in unix seconds. A record without a time (0) is never recognized.
        """
        if not time:
            return False
        marks, known = self.marks, self.marks.get(mark)
        if known is not None:
            if known[0] == time or time < self.latest:
                return True
            del marks[mark]
        elif size is not None and time < self.latest and self._is_dropped(time, size):
            return True
        self.latest = time
        marks[mark] = (time, size or 0)
        if len(marks) > 2 * REMEMBERED:
            self._drop()
        return False

    def _is_dropped(self, time: float, size: int) -> bool:
        return time <= self.dropped_at and size <= self.dropped_size

    def _drop(self) -> None:
        """Forget the oldest records."""
        dropped = list(islice(self.marks.items(), len(self.marks) - REMEMBERED))
        for mark, _ in dropped:
            del self.marks[mark]
        self.dropped_at = dropped[-1][1][0]
        self.dropped_size = max(self.dropped_size, *(size for _, (_, size) in dropped))

    def has(self, mark: int, since: float) -> bool:
        """Return whether a record is remembered from a time on, in unix seconds."""
        known = self.marks.get(mark)
        return known is not None and known[0] >= since

    def is_late(self, time: float) -> bool:
        """Return whether a record is older than the last one that was no repetition."""
        return 0 < time < self.latest
