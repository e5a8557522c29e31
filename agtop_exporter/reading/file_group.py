"""A source that consists of several files: a database with its journal, a session with a folder.

Nothing here opens a file.
"""

import os
import stat

import msgspec

from agtop_exporter.model import Cursor
from agtop_exporter.reading.files import NotAFileError


class FileGroup(msgspec.Struct, frozen=True):
    """A file with its companions, treated as one directory entry.

    A companion is a file or a folder, and need not exist. The group has changed if any of them has.
    """

    path: str
    companions: tuple[str, ...] = ()

    def stat(self) -> os.stat_result:
        """Return the file's status with the sum of all sizes and the latest modification time.

        Symbolic links are followed. Raises OSError if the file itself cannot be examined.
        """
        own = os.stat(self.path)  # noqa: PTH116 - called at each refresh
        size, mtime_ns = own.st_size, own.st_mtime_ns
        for companion in self.companions:
            try:
                other = self._status_of(companion)
            except OSError:
                continue
            size += other.st_size
            mtime_ns = max(mtime_ns, other.st_mtime_ns)
        fields = list(own)
        fields[stat.ST_SIZE] = size
        fields[stat.ST_MTIME] = mtime_ns // 1_000_000_000
        return os.stat_result(fields, {"st_mtime_ns": mtime_ns})

    def _status_of(self, companion: str) -> os.stat_result:
        """Return the status of a companion; the journal of a linked database is at its target."""
        try:
            return os.stat(companion)  # noqa: PTH116 - called at each refresh
        except OSError:
            if not (companion.startswith(self.path) and os.path.islink(self.path)):  # noqa: PTH114 - see above
                raise
            return os.stat(os.path.realpath(self.path) + companion[len(self.path) :])  # noqa: PTH116

    def cursor(self) -> Cursor:
        """Return the cursor of the group if all of it is read now.

        Raises NotAFileError, or OSError.
        """
        status = self.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("not a regular file")
        return Cursor(
            device=status.st_dev,
            inode=status.st_ino,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            offset=status.st_size,
        )


def is_same_version(one: Cursor, other: Cursor) -> bool:
    """Return whether two cursors have the same inode, size and modification time."""
    return (one.inode, one.size, one.mtime_ns) == (other.inode, other.size, other.mtime_ns)
