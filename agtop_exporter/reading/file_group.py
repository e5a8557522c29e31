"""Cursors of sources that consist of several files, such as a database with its journal.

Nothing here opens a file.
"""

import os
import stat

import msgspec

from agtop_exporter.model import NANOSECONDS, Cursor
from agtop_exporter.reading.files import NotAFileError


class FileGroup(msgspec.Struct, frozen=True):
    """A file with its companions, treated as one directory entry.

    A companion is a file or a folder that may be missing. The group has changed if the file or a
    companion has changed.
    """

    path: str
    companions: tuple[str, ...] = ()

    def stat(self) -> os.stat_result:
        """Return the status of the file, with the total size and the latest modification time.

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
        fields[stat.ST_MTIME] = mtime_ns // NANOSECONDS
        return os.stat_result(fields, {"st_mtime_ns": mtime_ns})

    def _status_of(self, companion: str) -> os.stat_result:
        """Return the status of a companion. Raises OSError.

        If the database is a symbolic link, its journal is beside the target of the link.
        """
        try:
            return os.stat(companion)  # noqa: PTH116 - called at each refresh
        except OSError:
            if not (companion.startswith(self.path) and os.path.islink(self.path)):  # noqa: PTH114 - see above
                raise
            return os.stat(os.path.realpath(self.path) + companion[len(self.path) :])  # noqa: PTH116

    def cursor(self) -> Cursor:
        """Return a cursor at the end of the group's present content.

        Raises NotAFileError, or OSError.
        """
        status = self.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("not a regular file")
        return cursor_at(status, status.st_size)


def database_group(path: str) -> FileGroup:
    """Return a SQLite database with its journal, which can contain most of the data."""
    return FileGroup(path, (f"{path}-wal",))


def cursor_at(
    status: os.stat_result, offset: int, *, fingerprint: bytes = b"", state: bytes = b""
) -> Cursor:
    """Return the cursor at an offset of a file with this status."""
    return Cursor(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        offset=offset,
        fingerprint=fingerprint,
        state=state,
    )


def is_same_version(one: Cursor, other: Cursor) -> bool:
    """Return whether two cursors have the same inode, size and modification time."""
    return (one.inode, one.size, one.mtime_ns) == (other.inode, other.size, other.mtime_ns)
