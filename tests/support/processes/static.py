"""Processes in memory that change only when a test changes them."""

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample


class StaticReader:
    """A machine with exactly the processes that a test adds."""

    def __init__(self, boot_id: str = "boot") -> None:
        self._boot_id = boot_id
        self.is_contained = False
        self.step_seconds = 0.0
        self._processes: dict[int, tuple[Process, ProcessSample, tuple[str, ...], str, int]] = {}
        self.looks: list[int] = []  # the pids that were looked at, in order

    def put(
        self,
        process: Process,
        sample: ProcessSample | None = None,
        *,
        open_files: tuple[str, ...] = (),
        namespace_mismatch: str = "",
        inner_pid: int = 0,
    ) -> ProcessId:
        """Add a process, or replace the process with its pid."""
        if sample is None:
            sample = ProcessSample(process.id, process.parent_pid, process.comm)
        self._processes[process.id.pid] = (
            process,
            sample,
            open_files,
            namespace_mismatch,
            inner_pid,
        )
        return process.id

    def end(self, pid: int) -> None:
        """End a process."""
        del self._processes[pid]

    def boot_id(self) -> str:
        """Return the configured boot id."""
        return self._boot_id

    def clock_step(self) -> float:
        """Return the step that the test has set, once."""
        step, self.step_seconds = self.step_seconds, 0.0
        return step

    def pids(self) -> list[int]:
        """Return the pids of all processes."""
        return list(self._processes)

    def look(self, pid: int) -> Process | None:
        """Return a process; None if it has ended."""
        self.looks.append(pid)
        return self._processes[pid][0] if pid in self._processes else None

    def cwd(self, pid: int) -> str:
        """Return the working directory of a process."""
        return self._processes[pid][0].cwd

    def sample(self, pid: int, *, full: bool = False) -> ProcessSample | None:
        """Return the sample of a process; None if it has ended."""
        del full
        return self._processes[pid][1] if pid in self._processes else None

    def written_files(self, pid: int) -> tuple[str, ...]:
        """Return the paths that a process has open for writing."""
        return self._processes[pid][2]

    def namespace_mismatch(self, pid: int) -> str:
        """Return the namespace in which a process differs from the machine."""
        return self._processes[pid][3]

    def inner_pid(self, pid: int) -> int:
        """Return the pid of a process in its own namespace."""
        return self._processes[pid][4]

    def stack_start(self, pid: int) -> int:
        """Return the address at which the stack of a process starts."""
        return self._processes[pid][0].stack_start

    def in_container(self) -> bool:
        """Return the value that the test has set."""
        return self.is_contained

    def hides_others(self) -> bool:
        """Return False."""
        return False
