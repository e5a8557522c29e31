"""Recognizes repeated records of a file by their times and contents. Does no I/O.

Tools that synchronize files, and agents that resume a session, may append a record again, or all
records of the file. An agent appends new records in the order of their times, unless its clock is
set back. A record that is older than the record before it may therefore be a repetition.
"""

from itertools import islice

from msgspec import Struct, field

REMEMBERED = 256  # from 256 to 512 of the latest records of a source are stored


class Remembered(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The latest records of a source. A record is stored as a mark, a time and a size.

    The mark is a checksum of the content of the record. The size is a number, such as a total of
    tokens, that grows from record to record. The oldest stored records are dropped when there are
    too many. A new record is a repetition in these two cases:

    * A stored record has the same mark. The new record has the same time as the stored record, or
      is older than `latest`.
    * The new record is older than `latest`, and at most as new as the record that was dropped last.
      Its size is at most the largest size of a dropped record.
    """

    latest: float = 0.0  # time of the last record that was not a repetition, in unix seconds
    marks: dict[int, tuple[float, int]] = field(default_factory=dict)  # mark -> (time, size)
    dropped_at: float = 0.0  # time of the record that was dropped last, in unix seconds
    dropped_size: int = -1  # the largest size of a dropped record

    def repeats(self, mark: int, time: float, size: int | None = None) -> bool:
        """Return whether a record is a repetition; store the record if it is not.

        `mark` is a checksum of the record's content. `time` is the time of the record in unix
        seconds. A record without a time (0) is never a repetition and is not stored. `size` is a
        number that grows from record to record, such as a total of tokens. It is needed to
        recognize a repetition of a record that is no longer stored; see the class. Without `size`,
        only stored records are compared.
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
        """Drop the oldest stored records; REMEMBERED records stay."""
        dropped = list(islice(self.marks.items(), len(self.marks) - REMEMBERED))
        for mark, _ in dropped:
            del self.marks[mark]
        self.dropped_at = dropped[-1][1][0]
        self.dropped_size = max(self.dropped_size, *(size for _, (_, size) in dropped))

    def has(self, mark: int, since: float) -> bool:
        """Return whether a record with this mark is stored whose time is `since` or later."""
        known = self.marks.get(mark)
        return known is not None and known[0] >= since

    def is_late(self, time: float) -> bool:
        """Return whether a time is earlier than the last record that was not a repetition."""
        return 0 < time < self.latest
