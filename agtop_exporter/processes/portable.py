"""Processes of macOS and Windows, through psutil; what these systems do not tell is None."""

from importlib import import_module
from typing import Any

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample

_TICKS_PER_SECOND = 100  # how finely a start tells two holders of one pid apart


class PsutilReader:
    """Reads one process at a time; a process that has ended gives None."""

    def __init__(self) -> None:
        # Any: psutil has no type information.
        self._psutil: Any = import_module("psutil")

    def boot_id(self) -> str:
        """Return what changes with every boot; OSError if the system refuses."""
        try:
            return str(int(self._psutil.boot_time()))
        except self._psutil.Error as error:
            raise OSError(str(error)) from error

    def pids(self) -> list[int]:
        """Return all pids that can be seen; OSError if the system refuses."""
        try:
            return list(self._psutil.pids())
        except self._psutil.Error as error:
            raise OSError(str(error)) from error

    def look(self, pid: int) -> Process | None:
        """Return what is known of a process, without its working directory."""
        process = self._process(pid)
        if process is None:
            return None
        uids = self._ask(process, "uids")
        return Process(
            id=_identity(process),
            started_at=process.create_time(),
            parent_pid=self._ask(process, "ppid") or 0,
            uid=uids.effective if uids else -1,
            comm=self._ask(process, "name") or "",
            exe=self._ask(process, "exe") or "",
            argv=tuple(self._ask(process, "cmdline") or ()),
        )

    def cwd(self, pid: int) -> str:
        """Return the working directory, "" where it cannot be read."""
        process = self._process(pid)
        return (process and self._ask(process, "cwd")) or ""

    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None:
        """Return what a process used until now."""
        process = self._process(pid)
        if process is None:
            return None
        times, memory = self._ask(process, "cpu_times"), self._ask(process, "memory_info")
        figures = self._ask(process, "io_counters") if full else None
        return ProcessSample(
            id=_identity(process),
            parent_pid=self._ask(process, "ppid") or 0,
            comm=self._ask(process, "name") or "",
            user_microseconds=_microseconds(times, "user"),
            system_microseconds=_microseconds(times, "system"),
            reaped_user_microseconds=_microseconds(times, "children_user") or 0,
            reaped_system_microseconds=_microseconds(times, "children_system") or 0,
            rss_bytes=memory.rss if memory else None,
            vms_bytes=memory.vms if memory else None,
            read_bytes=figures.read_bytes if figures else None,
            written_bytes=figures.write_bytes if figures else None,
            denied=times is None,
        )

    def open_files(self, pid: int) -> tuple[str, ...]:
        """Return the paths of the files that a process holds open."""
        process = self._process(pid)
        files = self._ask(process, "open_files") if process else None
        return tuple(sorted(file.path for file in files or ()))

    def foreign(self, pid: int) -> str:
        """Return "": these systems have no namespaces."""
        del pid
        return ""

    def isolated(self) -> bool:
        """Return False: these systems have no namespaces."""
        return False

    def _process(self, pid: int) -> Any | None:  # noqa: ANN401 psutil has no type information
        try:
            process = self._psutil.Process(pid)
            process.create_time()  # which psutil keeps: no later question for it can fail
        except (self._psutil.Error, OSError, ValueError):
            return None
        return process

    def _ask(self, process: Any, what: str) -> Any:  # noqa: ANN401 psutil has no type information
        """Return one answer of psutil, None where the system refuses or does not know it."""
        method = getattr(process, what, None)
        try:
            return method() if method else None
        except (self._psutil.Error, OSError, NotImplementedError):
            return None


def _identity(process: Any) -> ProcessId:  # noqa: ANN401 psutil has no type information
    return ProcessId(process.pid, int(process.create_time() * _TICKS_PER_SECOND))


def _microseconds(times: Any, field: str) -> int | None:  # noqa: ANN401 psutil has no types
    seconds = getattr(times, field, None)
    return None if seconds is None else round(seconds * 1_000_000)
