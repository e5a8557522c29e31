"""Creates cursors of sources, also of sources that consist of several files.

A database with its journal is such a source. This module opens no files.
"""

import os
import stat

import msgspec

from agtop_exporter.model import NANOSECONDS, Cursor
from agtop_exporter.reading.files import NotAFileError


class FileGroup(msgspec.Struct, frozen=True):
    """A source that consists of a file and its companions.

    A companion is another file or folder, such as the journal of a database. A description is a
    companion whose size is not a part of the size of the group. A companion may be missing. The
    group has changed if the file or a companion has changed. Like an `os.DirEntry`, a group has an
    attribute `path` and a method `stat`.
    """

    path: str
    companions: tuple[str, ...] = ()
    description: str = ""

    def stat(self) -> os.stat_result:
        """Return the status of the file, with the size and the modification time of the group.

        The size is the total size of the file and its companions, without the description. The
        modification time is the latest of theirs. Symbolic links are followed. Raises OSError if
        the status of the file is not available.
        """
        own = os.stat(self.path)  # noqa: PTH116 - called at each refresh
        size, mtime_ns = own.st_size, own.st_mtime_ns
        for companion in filter(None, (*self.companions, self.description)):
            try:
                other = self._status_of(companion)
            except OSError:
                continue
            size += other.st_size if companion != self.description else 0
            mtime_ns = max(mtime_ns, other.st_mtime_ns)
        fields = list(own)
        fields[stat.ST_SIZE] = size
        fields[stat.ST_MTIME] = mtime_ns // NANOSECONDS
        return os.stat_result(fields, {"st_mtime_ns": mtime_ns})

    def _status_of(self, companion: str) -> os.stat_result:
        """Return the status of a companion. Raises OSError if the companion is missing.

        If the file of the group is a symbolic link, the companion can be beside the link's target.
        """
        try:
            return os.stat(companion)  # noqa: PTH116 - called at each refresh
        except OSError:
            if not (companion.startswith(self.path) and os.path.islink(self.path)):  # noqa: PTH114 - see above
                raise
            return os.stat(os.path.realpath(self.path) + companion[len(self.path) :])  # noqa: PTH116

    def cursor(self) -> Cursor:
        """Return a cursor with the present size and modification time of the group.

        Raises NotAFileError if the path is not a regular file, or OSError.
        """
        status = self.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("not a regular file")
        return cursor_at(status, status.st_size)


def database_group(path: str) -> FileGroup:
    """Return the group of a SQLite database and its write-ahead log (`-wal`).

    The log can contain most of the data.
    """
    return FileGroup(path, (f"{path}-wal",))


def cursor_at(
    status: os.stat_result, offset: int, *, fingerprint: bytes = b"", state: bytes = b""
) -> Cursor:
    """Return a cursor at a byte offset of a file.

    `status` is the status of the file. `fingerprint` is a digest that shows whether the text before
    the offset has changed. `state` is the encoded reader state.
    """
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
