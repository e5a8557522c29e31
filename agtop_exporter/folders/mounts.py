"""Reads the mounted file systems, and determines which of them may stop responding.

The source is /proc/self/mountinfo. The manual page proc_pid_mountinfo(5) describes its format.
Reading this file never waits for a file system.
"""

import os
import re
import select
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from agtop_exporter import platforms

MOUNTINFO = "/proc/self/mountinfo"
LOCAL_TYPES = frozenset(
    {"bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs"}
    | {"nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs", "udf"}
    | {"vfat", "xfs", "zfs"}
)
"""Types of file systems on disks or in memory of this machine. Other types may need a server."""
ESCAPED = re.compile(rb"\\([0-7]{3})")
POINT, SEPARATOR = 4, b"-"  # index of the mount point in a line; the field before the type
BLOCK_BYTES = 64 * 1024


class Mount(NamedTuple):
    """A mounted file system."""

    id: bytes  # unique while it is mounted
    point: str  # absolute path of the mount point
    type: str

    @property
    def is_local(self) -> bool:
        """Whether no call on the file system depends on another machine or process."""
        return self.type in LOCAL_TYPES


class MountTable:
    """Reads the mounts that are visible to this process, in the order of mounting.

    On a system without mountinfo, the table is empty, and no file system counts as local.
    """

    def __init__(self, path: str = MOUNTINFO) -> None:
        """Set the path of the mountinfo file. The first call of `mounts` opens the file."""
        self._path = path
        self._mounts: tuple[Mount, ...] | None = None
        self._changed: Callable[[], bool] = lambda: False

    def mounts(self) -> tuple[Mount, ...]:
        """Return the mounts. If no mount has changed, the same tuple object is returned again."""
        if self._mounts is None:
            self._mounts = self._opened()
        elif self._changed():
            self._mounts = parse(self._read())
        return self._mounts

    def _opened(self) -> tuple[Mount, ...]:
        try:
            self._descriptor = platforms.open_for_reading(self._path)
        except OSError:
            return ()
        weakref.finalize(self, os.close, self._descriptor)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLPRI)  # set by the kernel at every change
        self._changed = partial(_has_event, poll)
        return parse(self._read())

    def _read(self) -> bytes:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        blocks = []
        while block := os.read(self._descriptor, BLOCK_BYTES):
            blocks.append(block)
        return b"".join(blocks)


def _has_event(poll: "select.poll") -> bool:
    return any(event & select.POLLPRI for _, event in poll.poll(0))


def parse(text: bytes) -> tuple[Mount, ...]:
    """Return the mounts in the text of a mountinfo file. Lines with another format are skipped."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(b" ")
        if SEPARATOR in fields[POINT:-1]:
            point = ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), fields[POINT])
            kind = fields[fields.index(SEPARATOR, POINT) + 1].decode("ascii", "replace")
            mounts.append(Mount(fields[0], os.fsdecode(point), kind))
    return tuple(mounts)


def mount_of(mounts: Iterable[Mount], path: str) -> Mount | None:
    """Return the mount that contains `path`; None if unknown.

    `path` must be absolute and must not contain symbolic links. If several file systems are mounted
    at the same mount point, the last of them is returned, because only its files are visible.
    """
    found = None
    for mount in mounts:
        if is_below(path, mount.point) and (not found or len(mount.point) >= len(found.point)):
            found = mount
    return found


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is equal to `folder` or below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
