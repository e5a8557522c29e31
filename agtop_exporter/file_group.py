"""A transcript that is more than one file: a database with its journal, a session with its folder.

Nothing is opened here. This module knows no agent.
"""

import os
import stat

import msgspec

from agtop_exporter.model import Cursor
from agtop_exporter.tail import NotAFileError


class FileGroup(msgspec.Struct, frozen=True):
    """A file with its companions, listed and compared as one entry of a directory.

    A change of any companion (a file or a folder, existing or not) makes the file worth reading.
    """

    path: str
    companions: tuple[str, ...] = ()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the file's own status, with the sum of all sizes and the latest of all times.

        Raises OSError where the file itself cannot be looked at.
        """
        own = os.stat(self.path, follow_symlinks=follow_symlinks)  # noqa: PTH116 - every refresh
        size, mtime_ns = own.st_size, own.st_mtime_ns
        for companion in self.companions:
            try:
                other = os.stat(companion, follow_symlinks=follow_symlinks)  # noqa: PTH116 - see above
            except OSError:
                continue
            size += other.st_size
            mtime_ns = max(mtime_ns, other.st_mtime_ns)
        fields = list(own)
        fields[stat.ST_SIZE] = size
        fields[stat.ST_MTIME] = mtime_ns // 1_000_000_000
        return os.stat_result(fields, {"st_mtime_ns": mtime_ns})

    def cursor(self) -> Cursor:
        """Return the cursor of a file that is being read to its end now.

        Raises NotAFileError, or OSError.
        """
        status = self.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("not a regular file")
        return Cursor(
            device=status.st_dev,
            inode=status.st_ino,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            offset=status.st_size,
        )


def same_place(one: Cursor, other: Cursor) -> bool:
    """Tell whether two cursors saw the same bytes, as far as the file system says."""
    return (one.inode, one.size, one.mtime_ns) == (other.inode, other.size, other.mtime_ns)
