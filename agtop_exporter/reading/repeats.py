"""Recognizes records that a file has twice, by their times and contents.

Tools that synchronize files, and agents that resume, may append a record again, or the whole file.
An agent appends records in the order of their times. So only a record that is not newer than the
newest one can be a repetition.

Nothing here does I/O.
"""

from msgspec import Struct, field

REMEMBERED = 512  # records of one source


class Remembered(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The latest records of a source that change the state of its reader.

    A mark is a number for the contents of a record that is the same in each process. Records that
    have been dropped because there are too many are taken for repeated, unless their size, which
    grows in the source, is larger than that of all dropped ones.
    """

    newest: float = 0.0  # unix seconds
    marks: dict[int, tuple[float, int]] = field(default_factory=dict)  # mark -> (time, size)
    dropped_at: float = 0.0  # the time of the record that was dropped last, in unix seconds
    dropped_size: int = -1  # the largest size of a dropped record

    def repeats(self, mark: int, time: float, size: int = 0) -> bool:
        """Return whether a record has been seen; remember it if not.

        `time` is in unix seconds. A record without a time (0) is never recognized.
        """
        if not time:
            return False
        if time <= self.newest:
            if mark in self.marks or (time <= self.dropped_at and size <= self.dropped_size):
                return True
        else:
            self.newest = time
        self.marks[mark] = (time, size)
        if len(self.marks) > REMEMBERED:
            self.dropped_at, size = self.marks.pop(next(iter(self.marks)))
            self.dropped_size = max(self.dropped_size, size)
        return False

    def is_late(self, time: float) -> bool:
        """Return whether a record is older than the newest one."""
        return 0 < time < self.newest
