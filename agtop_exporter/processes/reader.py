"""Reads the processes of this machine with psutil, on every platform.

On Linux, `procfs` reads a few facts that psutil does not return.
"""

import os
from importlib import import_module
from typing import Any

from agtop_exporter import platforms
from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample
from agtop_exporter.processes.procfs import Procfs

_SMALLEST_STEP_SECONDS = 0.5  # smaller differences are measurement errors
_TICKS_PER_SECOND = 100  # unit of `start_ticks` on systems other than Linux

Handle = Any
"""A `psutil.Process`. psutil has no type information. Only this module accesses psutil."""


class ProcessReader:
    """Reads one process at a time.

    A process may end, or execute another program, while several of its files are read. The result
    of `look` may then be partly empty, or describe two programs. `look` reads the identity, the
    name and the state before the other facts. A caller can therefore detect such a change: the next
    `sample` has another identity, name or state.
    """

    def __init__(self, procfs: str = "/proc", *, linux: bool = platforms.LINUX) -> None:
        """Set the path `procfs` of the proc file system. It is used on Linux only.

        psutil has one path of the proc file system for the whole program. This call sets that path.
        """
        self._psutil: Any
        self._psutil = import_module("psutil")
        self._psutil.PROCFS_PATH = procfs
        self._procfs = Procfs(procfs) if linux else None
        self._booted_at = 0.0  # unix seconds, by the clock at the last call of `clock_step`
        self._fallback_boot_id = ""
        self._handles: dict[int, tuple[ProcessId, Handle]] = {}
        self._counts_disk_bytes = hasattr(self._psutil.Process, "io_counters")  # not macOS
        self._zombie_states = {self._psutil.STATUS_ZOMBIE, self._psutil.STATUS_DEAD}
        # A file of /proc may be missing, empty or incomplete while its process ends.
        self._errors = (self._psutil.Error, OSError, IndexError, ValueError, RuntimeError)

    def boot_id(self) -> str:
        """Return an id that changes with every boot. Raises OSError if no id can be read."""
        if self._procfs:
            try:
                return self._procfs.boot_id()
            except OSError:
                pass  # a proc file system may be mounted without `sys`
        if not self._fallback_boot_id:  # read once: a later value differs if the clock is set
            try:
                self._fallback_boot_id = str(float(self._psutil.boot_time()))
            except self._errors as error:
                raise OSError(f"cannot read the boot time: {error}") from error
        return self._fallback_boot_id

    def clock_step(self) -> float:
        """Return by how many seconds the clock was adjusted since the last call; usually 0.

        Linux stores the start of a process in ticks since boot. If the clock is adjusted (after
        sleep or by NTP), the same ticks mean another time. On Linux, the first call returns the
        boot time in unix seconds. Other systems store the start as a time, so the result is always
        0.

        Raises OSError if the boot time cannot be read.
        """
        if not self._procfs:
            return 0.0
        booted_at = self._procfs.boot_time()
        if booted_at is None:
            raise OSError("cannot read the boot time")
        step = booted_at - self._booted_at
        if abs(step) < _SMALLEST_STEP_SECONDS:
            return 0.0
        self._booted_at = booted_at
        return step

    def pids(self) -> list[int]:
        """Return all visible pids. Raises OSError if the processes cannot be listed."""
        try:
            pids: list[int] = self._psutil.pids()
        except self._errors as error:
            raise OSError(f"cannot list processes: {error}") from error
        for pid in self._handles.keys() - set(pids):
            del self._handles[pid]
        return pids

    def look(self, pid: int) -> Process | None:
        """Return the properties of a process; None if the process has ended.

        `cwd`, `container`, `inner_pid` and `stack_start` are not set.
        """
        try:
            # A new handle is needed: psutil caches the program of a handle, even after an exec.
            return self._describe(*self._open(pid))
        except self._errors:
            self._handles.pop(pid, None)
            return None

    def cwd(self, pid: int) -> str:
        """Return the working directory of a process as a real path; "" if unknown.

        Bytes that are not UTF-8 are replaced by U+FFFD, as agents do in their records.
        """
        try:
            folder: str = self._ask(self._handle(pid), "cwd") or ""
        except self._errors:
            return ""
        return os.fsencode(folder).decode(errors="replace")

    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None:
        """Return the resources that a process has used since its start; None if it has ended.

        Memory and disk bytes are read only if `full`, because they are in two more files.
        """
        try:
            return self._measure(self._handle(pid), full=full)
        except self._errors:
            self._handles.pop(pid, None)
            return None

    def written_files(self, pid: int) -> tuple[str, ...]:
        """Return the paths of the files that a process has open for writing; () if unknown.

        macOS and Windows do not show whether a file is open for writing. There, all open files are
        returned.
        """
        if self._procfs:
            return self._procfs.written_files(pid)
        try:
            files = self._ask(self._handle(pid), "open_files")
        except self._errors:
            return ()
        return tuple(sorted(file.path for file in files or () if getattr(file, "mode", "") != "r"))

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        """Return the TCP ports on which a process accepts connections; () if unknown."""
        try:
            found = self._ask(self._handle(pid), "net_connections")
        except self._errors:
            return ()
        listening = (one for one in found or () if one.status == self._psutil.CONN_LISTEN)
        return tuple(sorted({one.laddr.port for one in listening if one.laddr}))

    def namespace_mismatch(self, pid: int) -> str:
        """Return the kind of namespace in which a process differs from the machine; "" if none."""
        return self._procfs.namespace_mismatch(pid) if self._procfs else ""

    def inner_pid(self, pid: int) -> int:
        """Return the pid of a process in its own pid namespace; 0 if it has no own namespace."""
        return self._procfs.inner_pid(pid) if self._procfs else 0

    def stack_start(self, pid: int) -> int:
        """Return the address at which the stack of a process starts; 0 if unknown."""
        return self._procfs.stack_start(pid) if self._procfs else 0

    def in_container(self) -> bool:
        """Return whether only the processes of one container are visible."""
        return self._procfs.in_container() if self._procfs else False

    def hides_others(self) -> bool:
        """Return whether the system hides the processes of other users from this process."""
        return self._procfs.hides_others() if self._procfs else False

    def _describe(self, identity: ProcessId, parent_pid: int, handle: Handle) -> Process:
        with handle.oneshot():
            name, zombie = self._name(handle), self._is_zombie(handle)
            uids = self._ask(handle, "uids")
        if self._procfs:
            if not self._booted_at:
                self.clock_step()
            started_at = self._booted_at + identity.start_ticks / self._procfs.ticks_per_second
            arguments = self._procfs.arguments(identity.pid)
        else:
            started_at, arguments = handle.create_time(), self._ask(handle, "cmdline")
        return Process(
            id=identity,
            started_at=started_at,
            parent_pid=parent_pid,
            uid=uids.effective if uids else -1,
            comm=name,
            exe=self._ask(handle, "exe") or "",
            argv=tuple(arguments or ()),
            zombie=zombie,
        )

    def _measure(self, handle: Handle, *, full: bool) -> ProcessSample:
        with handle.oneshot():
            name, zombie = self._name(handle), self._is_zombie(handle)
            times = self._ask(handle, "cpu_times")
        memory = self._ask(handle, "memory_info") if full else None
        disk = self._ask(handle, "io_counters") if full and self._counts_disk_bytes else None
        cancelled = self._procfs.cancelled_bytes(handle.pid) if disk and self._procfs else 0
        identity, parent_pid = self._identify(handle)
        if identity != self._handles[handle.pid][0]:
            raise ProcessLookupError(f"pid {handle.pid} was reused")
        incomplete = times is None or (full and disk is None and self._counts_disk_bytes)
        return ProcessSample(
            id=identity,
            parent_pid=parent_pid,
            comm=name,
            user_microseconds=_microseconds(times, "user"),
            system_microseconds=_microseconds(times, "system"),
            reaped_user_microseconds=_microseconds(times, "children_user") or 0,
            reaped_system_microseconds=_microseconds(times, "children_system") or 0,
            rss_bytes=memory.rss if memory else None,
            vms_bytes=memory.vms if memory else None,
            read_bytes=disk.read_bytes if disk else None,
            written_bytes=max(0, disk.write_bytes - cancelled) if disk else None,
            written_characters=getattr(disk, "write_chars", None),
            disk_includes_reaped=self._procfs is not None,
            denied=incomplete and not self._is_zombie(handle),
            zombie=zombie,
        )

    def _handle(self, pid: int) -> Handle:
        """Return the stored handle of a process, or else a new handle.

        The process of a stored handle may have ended. Raises one of `_errors` if a new handle is
        needed and there is no such process.
        """
        if pid not in self._handles:
            self._open(pid)
        return self._handles[pid][1]

    def _open(self, pid: int) -> tuple[ProcessId, int, Handle]:
        """Return the identity of the process with this pid, its parent's pid, and a new handle.

        Raises one of `_errors` if there is no such process.
        """
        handle = self._psutil.Process(pid)
        identity, parent_pid = self._identify(handle)
        self._handles[pid] = identity, handle
        return identity, parent_pid, handle

    def _identify(self, handle: Handle) -> tuple[ProcessId, int]:
        """Return the identity of a process, and its parent's pid or 0. Raises one of `_errors`.

        On Linux, the identity is of the process that has the pid now, even if the pid was reused.
        On other systems, psutil raises NoSuchProcess if the pid was reused since the handle was
        created.
        """
        if self._procfs:
            parent_pid, start_ticks = self._procfs.parent_and_start(handle.pid)
        else:
            start_ticks = int(handle.create_time() * _TICKS_PER_SECOND)
            parent_pid = self._ask(handle, "ppid") or 0
        return ProcessId(handle.pid, start_ticks), parent_pid

    def _ask(self, handle: Handle, question: str) -> Any:  # noqa: ANN401 psutil has no types
        """Call the method `question` of a psutil handle, and return its result.

        The result is None if access is denied, or if the method does not exist or fails.

        Raises psutil.NoSuchProcess if the process has ended and its parent has waited for it.
        """
        method = getattr(handle, question, None)
        try:
            return method() if method else None
        except self._psutil.ZombieProcess:  # a subclass of NoSuchProcess
            return None
        except self._psutil.NoSuchProcess:
            raise
        except self._errors:
            return None

    def _name(self, handle: Handle) -> str:
        name: str = self._ask(handle, "name") or ""
        return name.encode(errors="replace").decode()  # a name can be any bytes

    def _is_zombie(self, handle: Handle) -> bool:
        return self._ask(handle, "status") in self._zombie_states


def _microseconds(times: Any, field: str) -> int | None:  # noqa: ANN401 psutil has no types
    seconds = getattr(times, field, None)
    return None if seconds is None else round(seconds * 1_000_000)
