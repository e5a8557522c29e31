"""The processes of a simulated day. Each is written to the registry, as the agent does."""

from typing import NamedTuple

from processes.static import StaticReader

from agtop_exporter.agents import load_agents, signatures_of
from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample
from agtop_exporter.processes.source import ProcessTracker

UID = 1000
BOOT_SECONDS = 86_400  # before the first page
TICKS = 100  # a second
SIGNATURES = signatures_of(load_agents())


class Program(NamedTuple):
    """A process. `session` is the number of its session; 0 if it has none."""

    pid: int
    name: str
    session: int
    project: str
    rss_bytes: int
    cpu_seconds: float  # each minute
    status: str = ""  # in the registry
    parent: int = 1


PROGRAMS = (
    Program(100, "claude", 1, "shop", 310_000_000, 6.0, "busy"),
    Program(101, "claude", 2, "engine", 250_000_000, 3.0, "busy"),
    Program(102, "claude", 3, "site", 200_000_000, 0.6, "idle"),  # its last request failed
    Program(103, "claude", 4, "docs", 180_000_000, 0.0),  # writes no more: stalled
    Program(104, "claude", 1, "shop", 120_000_000, 0.3, "busy"),  # the session of 100 again
    Program(105, "claude", 0, "elsewhere", 90_000_000, 0.0),
    Program(106, "codex", 11, "engine", 60_000_000, 1.5),
    Program(107, "make", 0, "shop", 30_000_000, 12.0, parent=100),  # a tool
)
SECRET = Program(108, "make", 0, "shop", 0, 0.0, parent=100)  # cannot be read


class FailingReader(StaticReader):
    """A machine whose processes cannot be listed while `fails` is true."""

    fails = False

    def pids(self):
        """Return the pids of all processes. Raises RuntimeError while `fails` is true."""
        if self.fails:
            raise RuntimeError
        return super().pids()


class Processes:
    """The machine's processes at a time of the day, which begins at `begin`."""

    def __init__(self, home, begin):
        self._home, self.reader = home, FailingReader()
        self._boot = begin - BOOT_SECONDS
        self._started = {}

    def tracker(self):
        """Return a new process source, as after the start of the exporter."""
        return ProcessTracker(self.reader, signatures=SIGNATURES, uids=frozenset({UID}))

    def run(self, program, time, *, status=""):
        """Let a process run at `time`, in unix seconds, from the first call on."""
        started = self._started.setdefault(program.pid, time)
        ticks = round((started - self._boot) * TICKS)
        own = ProcessId(program.pid, ticks)
        argv, cwd = (program.name,), f"/src/{program.project}"
        process = Process(
            own, started, program.parent, UID, program.name, f"/usr/bin/{program.name}", argv, cwd
        )
        micros = round(program.cpu_seconds * (time - started) / 60 * 1e6)
        sample = ProcessSample(
            own, program.parent, program.name, micros, 0, rss_bytes=program.rss_bytes
        )
        if program is SECRET:
            sample = ProcessSample(own, program.parent, program.name, denied=True)
        files = (str(self._home.codex_path(program.session)),) if program.name == "codex" else ()
        self.reader.put(process, sample, open_files=files)
        if program.session and program.name == "claude":
            said = status or program.status
            self._home.register(program.pid, program.session, said, ticks=ticks)

    def end(self, program):
        """End a process if it runs."""
        if self._started.pop(program.pid, None) is not None:
            self.reader.end(program.pid)
            (self._home.registry / f"{program.pid}.json").unlink(missing_ok=True)
