"""Processes of Linux, read from a proc file system without a library; it only reads.

The files are described in proc_pid_stat(5), proc_pid_statm(5), proc_pid_io(5) and
proc_pid_cmdline(5). `root` may be another machine's /proc that is mounted into a container.
"""
# ruff: noqa: PTH115, PTH116, PTH208  (making a Path costs more than most of these reads)

import os
from collections.abc import Iterable

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample

_READ_LIMIT = 65_536  # bytes of one file: a sandbox's argv can be a script
_ENDED = frozenset({b"Z", b"X"})  # states of a process that has ended and is still listed
_DELETED = " (deleted)"  # what the kernel adds to the name of a program that was replaced


class ProcfsReader:
    """Reads one process at a time; a process that has ended gives None.

    It may also end, or execute another program, between two files: what the files of one answer
    show can then be partly empty and partly of the new program. `look` reads `stat` first, so that
    the next `sample` differs from such an answer.
    """

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._microseconds_per_tick = 1_000_000 // os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._booted_at: float | None = None
        # In a container that looks at its host, "self" would be the container.
        self._reference = f"{root}/{'self' if root == '/proc' else '1'}"

    def boot_id(self) -> str:
        """Return what changes with every boot: start ticks mean nothing after the next one."""
        try:
            return self._read("sys/kernel/random/boot_id").decode().strip()
        except OSError:
            return str(self._boot_time())

    def pids(self) -> list[int]:
        """Return all pids that can be seen; threads are not among them."""
        return [int(name) for name in os.listdir(self._root) if name.isdecimal()]

    def look(self, pid: int) -> Process | None:
        """Return what is known of a process, without its working directory."""
        sample = self.sample(pid)
        if sample is None:
            return None
        try:
            uid = os.stat(f"{self._root}/{pid}").st_uid
            argv = self._read(f"{pid}/cmdline").decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            return None
        seconds = sample.id.start_ticks * self._microseconds_per_tick / 1e6
        return Process(
            id=sample.id,
            started_at=self._boot_time() + seconds,
            parent_pid=sample.parent_pid,
            uid=uid,
            comm=sample.comm,
            exe=self._link(f"{pid}/exe"),
            argv=tuple(argv) if argv != [""] else (),
            ended=sample.ended,
        )

    def cwd(self, pid: int) -> str:
        """Return the working directory as a real path, "" where it cannot be read."""
        return self._link(f"{pid}/cwd")

    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None:
        """Return what a process used until now; memory and disk only if `full`: a file each."""
        try:
            comm, fields = self._stat(pid)
            identity = ProcessId(pid, int(fields[19]))
        except (OSError, IndexError, ValueError):
            return None
        unit = self._microseconds_per_tick
        read_bytes, written_bytes = self._disk(pid) if full else (None, None)
        rss_bytes, vms_bytes = self._memory(pid) if full else (None, None)
        return ProcessSample(
            id=identity,
            parent_pid=int(fields[1]),
            comm=comm,
            user_microseconds=int(fields[11]) * unit,
            system_microseconds=int(fields[12]) * unit,
            reaped_user_microseconds=int(fields[13]) * unit,
            reaped_system_microseconds=int(fields[14]) * unit,
            rss_bytes=rss_bytes,
            vms_bytes=vms_bytes,
            read_bytes=read_bytes,
            written_bytes=written_bytes,
            disk_includes_reaped=True,
            denied=full and read_bytes is None and not self._has_ended(pid),
            ended=fields[0] in _ENDED,
        )

    def open_files(self, pid: int) -> tuple[str, ...]:
        """Return the paths of the files that a process holds open; () where it cannot be told."""
        folder = f"{self._root}/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            return ()
        paths = {self._link(f"{pid}/fd/{name}") for name in names}
        return tuple(sorted(path for path in paths if path.startswith("/")))

    def foreign(self, pid: int) -> str:
        """Return how a process is set apart from the observer's machine, "" if it is not.

        Services have mount namespaces of their own without living elsewhere, so a different one
        only counts with a different root directory.
        """
        mine, theirs = self._reference, f"{self._root}/{pid}"
        if self._differ(f"{mine}/ns/pid", f"{theirs}/ns/pid"):
            return "other_pid_namespace"
        if self._differ(f"{mine}/ns/mnt", f"{theirs}/ns/mnt"):
            try:
                same_root = os.path.samestat(os.stat(f"{mine}/root"), os.stat(f"{theirs}/root"))
            except OSError:
                return ""
            return "" if same_root else "other_mount_namespace"
        return ""

    def isolated(self) -> bool:
        """Tell whether these are the processes of one container, and not of its machine.

        The first process namespace has a fixed number: PROC_PID_INIT_INO in the kernel's
        proc_ns.h.
        """
        try:
            return os.readlink(f"{self._reference}/ns/pid") != "pid:[4026531836]"
        except OSError:
            return False

    def _differ(self, mine: str, theirs: str) -> bool:
        try:
            return os.readlink(mine) != os.readlink(theirs)
        except OSError:
            return False  # unknown is not different

    def _stat(self, pid: int) -> tuple[str, list[bytes]]:
        """Return the name and the fields after it: the first is the third of the manual page."""
        head, _, tail = self._read(f"{pid}/stat").rpartition(b")")
        return head.partition(b"(")[2].decode(errors="replace"), tail.split()

    def _has_ended(self, pid: int) -> bool:
        try:
            return self._stat(pid)[1][0] in _ENDED
        except (OSError, IndexError):
            return True

    def _memory(self, pid: int) -> tuple[int | None, int | None]:
        """Return RSS and VSZ; unlike `stat`, `statm` adds up the counters of all processors."""
        try:
            virtual, resident = self._read(f"{pid}/statm").split()[:2]
            return int(resident) * self._page_bytes, int(virtual) * self._page_bytes
        except (OSError, ValueError):
            return None, None

    def _disk(self, pid: int) -> tuple[int | None, int | None]:
        try:
            lines = self._read(f"{pid}/io").splitlines()
            figures = {name: int(value) for name, _, value in (x.partition(b": ") for x in lines)}
            return figures[b"read_bytes"], figures[b"write_bytes"]
        except (OSError, KeyError, ValueError):
            return None, None

    def _boot_time(self) -> float:
        if self._booted_at is None:
            lines: Iterable[bytes] = self._read("stat", limit=1 << 24).splitlines()
            found = (line.split()[1] for line in lines if line.startswith(b"btime "))
            self._booted_at = float(next(found, b"0"))
        return self._booted_at

    def _link(self, path: str) -> str:
        try:
            return os.readlink(f"{self._root}/{path}").removesuffix(_DELETED)
        except OSError:
            return ""

    def _read(self, path: str, *, limit: int = _READ_LIMIT) -> bytes:
        descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)
