"""The mounted file systems, and which of them may stop to answer.

Format: /proc/self/mountinfo, proc_pid_mountinfo(5). Reading it never waits for a file system.
"""

import os
import re
import select
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"
LOCAL_TYPES = frozenset(
    {"bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs"}
    | {"nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs", "udf"}
    | {"vfat", "xfs", "zfs"}
)
"""File systems of disks and memory of this machine. Any other may wait for a server."""
ESCAPED = re.compile(rb"\\([0-7]{3})")
POINT, SEPARATOR = 4, b"-"  # fields of a line
BLOCK_BYTES = 64 * 1024


class Mount(NamedTuple):
    """A mounted file system."""

    id: bytes  # unique while it is mounted
    point: str  # absolute path of the mount point
    type: str

    @property
    def is_local(self) -> bool:
        """Every call on the file system returns without the help of another machine or process."""
        return self.type in LOCAL_TYPES


class MountTable:
    """The mounts that this process sees, in the order in which they were made.

    The table is empty where the system has no mountinfo: then no file system counts as local.
    """

    def __init__(self, path: str = MOUNTINFO) -> None:
        """Read nothing before it is needed."""
        self._path = path
        self._mounts: tuple[Mount, ...] | None = None
        self._changed: Callable[[], bool] = lambda: False

    def mounts(self) -> tuple[Mount, ...]:
        """Return the mounts; the same object as the last call where nothing was (un)mounted."""
        if self._mounts is None:
            self._mounts = self._opened()
        elif self._changed():
            self._mounts = parse(self._read())
        return self._mounts

    def _opened(self) -> tuple[Mount, ...]:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ()
        weakref.finalize(self, os.close, self._descriptor)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLPRI)  # the kernel reports every change so
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
    """Return the mounts of a mountinfo file; lines of another form are left out."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(b" ")
        if SEPARATOR in fields[POINT:-1]:
            point = ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), fields[POINT])
            kind = fields[fields.index(SEPARATOR, POINT) + 1].decode("ascii", "replace")
            mounts.append(Mount(fields[0], os.fsdecode(point), kind))
    return tuple(mounts)


def mount_of(mounts: Iterable[Mount], path: str) -> Mount | None:
    """Return the mount that holds an absolute path without symbolic links; None if unknown.

    Of several at one point the last covers the others.
    """
    found = None
    for mount in mounts:
        if is_below(path, mount.point) and (not found or len(mount.point) >= len(found.point)):
            found = mount
    return found


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder, or is in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
