"""Reads the facts that psutil does not return, from a proc file system of Linux.

The formats are documented in proc_pid_stat(5), proc_pid_cmdline(5), proc_pid_fd(5), namespaces(7)
and proc_sys_kernel(5).
"""
# ruff: noqa: PTH115, PTH116, PTH208  (making a Path costs more than most of these reads)

import os
import time

_READ_LIMIT = 65_536  # bytes that are read of a file, because an argument can be a whole script
_WHOLE = 1 << 20  # limit for `stat`, which has lines for every processor and interrupt
_DEVICES = ("/dev/", "/proc/", "/sys/")  # these have no transcripts
_DELETED = " (deleted)"  # the kernel appends it to the path of a deleted file
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO in the kernel's proc_ns.h


class Procfs:
    """Reads the proc file system at `root`.

    In a container, `root` may be the mount point of the proc file system of the host.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.ticks_per_second = os.sysconf("SC_CLK_TCK")
        # The process with whose namespaces other processes are compared. In a mounted procfs,
        # "self" has the namespaces of the container, and process 1 the namespaces of the host.
        self._reference = "self" if root == "/proc" else "1"

    def boot_id(self) -> str:
        """Return an id that changes with every boot. Raises OSError if the id cannot be read."""
        return self._read("sys/kernel/random/boot_id").decode(errors="replace").strip()

    def boot_time(self) -> float | None:
        """Return the time of the boot in unix seconds by the current clock; None if unknown.

        psutil returns whole seconds, and some of its versions cache the first value. In a container
        of LXC, `/proc/uptime` is the uptime of the container, but the starts of its processes are
        ticks since the boot of the machine (lxc/lxcfs 164). Therefore the clock of the kernel is
        read instead, except for a mounted procfs.
        """
        try:
            if self._root == "/proc":
                uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
            else:
                uptime = float(self._read("uptime").split()[0])
        except (OSError, IndexError, ValueError):
            return self._boot_second()
        return time.time() - uptime  # noqa: TID251 - must be the time at which uptime was read

    def _boot_second(self) -> float | None:
        """Return the boot time in `/proc/stat` (unix time in whole seconds); None if unknown."""
        try:
            lines = self._read("stat", limit=_WHOLE).split(b"\n")
            return next(float(line.split()[1]) for line in lines if line.startswith(b"btime "))
        except (OSError, IndexError, ValueError, StopIteration):
            return None

    def cancelled_bytes(self, pid: int) -> int:
        """Return how many of the bytes that a process wrote never reached the disk; 0 if unknown.

        The files were truncated or deleted before the kernel wrote these bytes to the disk. psutil
        counts these bytes as written.
        """
        try:
            lines = self._read(f"{pid}/io").split(b"\n")
        except OSError:
            return 0
        figures = dict(line.split(b": ", 1) for line in lines if b": " in line)
        cancelled = figures.get(b"cancelled_write_bytes", b"")
        return int(cancelled) if cancelled.isdigit() else 0

    def parent_and_start(self, pid: int) -> tuple[int, int]:
        """Return the pid of the parent, and the start of the process in clock ticks since boot.

        psutil returns the start as a time of day, which changes if the clock is set. psutil's
        `ppid` reads another file to detect a reused pid. The start in ticks detects a reused pid
        without another read.

        Raises OSError, and IndexError or ValueError if the file is incomplete.
        """
        fields = self._fields(pid)
        return int(fields[1]), int(fields[19])

    def stack_start(self, pid: int) -> int:
        """Return the address at which the stack of a process starts; 0 if unknown.

        The kernel chooses the address when a process executes a program. A process that was forked
        and has executed no program has the address of its parent.
        """
        try:
            return int(self._fields(pid)[25])
        except (OSError, IndexError, ValueError):
            return 0

    def arguments(self, pid: int) -> tuple[str, ...]:
        """Return the arguments of a process; () if unknown. psutil splits arguments at spaces."""
        try:
            words = self._read(f"{pid}/cmdline").decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            return ()
        return tuple(words) if words != [""] else ()

    def written_files(self, pid: int) -> tuple[str, ...]:
        """Return the paths of the files that a process has open for writing; () if unknown.

        psutil omits files that this process cannot see. In a container, psutil
        omits files of the host.
        """
        try:
            names = os.listdir(f"{self._root}/{pid}/fd")
        except OSError:
            return ()
        paths = {name: self._link(f"{pid}/fd/{name}").removesuffix(_DELETED) for name in names}
        return tuple(
            sorted(
                {
                    path
                    for name, path in paths.items()
                    if path.startswith("/")
                    and not path.startswith(_DEVICES)
                    and self._is_written(f"{pid}/fdinfo/{name}")
                }
            )
        )

    def _is_written(self, path: str) -> bool:
        """Return whether a file descriptor was opened for writing; False if unknown.

        `path` is the path of the descriptor's `fdinfo` file.
        """
        try:
            lines = self._read(path).split(b"\n")
        except OSError:
            return False
        flags = next((line[6:].strip() for line in lines if line.startswith(b"flags:")), b"")
        try:
            return int(flags, base=8) & os.O_ACCMODE != os.O_RDONLY
        except ValueError:
            return False

    def namespace_mismatch(self, pid: int) -> str:
        """Return the kind of namespace in which a process differs from the machine; "" if none.

        The result is `other_pid_namespace` or `other_mount_namespace`. Many services have their own
        mount namespace but the root directory of the machine. Such a mount namespace does not count
        as different.
        """
        if self._differ(pid, "ns/pid"):
            return "other_pid_namespace"
        if self._differ(pid, "ns/mnt"):
            try:
                ours, theirs = (
                    os.stat(f"{self._root}/{self._reference}/root"),
                    os.stat(f"{self._root}/{pid}/root"),
                )
            except OSError:
                return ""
            return "" if os.path.samestat(ours, theirs) else "other_mount_namespace"
        return ""

    def inner_pid(self, pid: int) -> int:
        """Return the pid of a process in its own pid namespace.

        The result is 0 if the process has no pid namespace of its own. psutil does not return this
        pid. The pid is readable for the processes of all users.
        """
        try:
            lines = self._read(f"{pid}/status").split(b"\n")
        except OSError:
            return 0
        pids = next((line.split()[1:] for line in lines if line.startswith(b"NSpid:")), [])
        return int(pids[-1]) if len(pids) > 1 and pids[-1].isdigit() else 0

    def in_container(self) -> bool:
        """Return whether this proc file system shows only the processes of one container."""
        namespace = self._link(f"{self._reference}/ns/pid")
        return namespace not in {"", _FIRST_PID_NAMESPACE}

    def hides_others(self) -> bool:
        """Return whether the processes of other users are unreadable.

        This is the case if /proc was mounted with the option `hidepid`, unless this process has the
        capability to trace others or is in the group of the option `gid`.
        """
        try:
            self._read("1/stat")
        except OSError:
            return True
        return False

    def _fields(self, pid: int) -> list[bytes]:
        """Return the fields 3 to 52 of the file `stat` of a process. Raises OSError."""
        # Field 2 is the name in parentheses, which may contain any character.
        return self._read(f"{pid}/stat").rpartition(b")")[2].split()

    def _differ(self, pid: int, namespace: str) -> bool:
        ours = self._link(f"{self._reference}/{namespace}")
        theirs = self._link(f"{pid}/{namespace}")
        return bool(ours and theirs) and ours != theirs  # an unknown namespace counts as equal

    def _link(self, path: str) -> str:
        try:
            return os.readlink(f"{self._root}/{path}")
        except OSError:
            return ""

    def _read(self, path: str, *, limit: int = _READ_LIMIT) -> bytes:
        descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)
