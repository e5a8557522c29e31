"""A machine in memory whose processes change before every read."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import strategies as st
from processes.builders import BOOT, NOW, U1, U2

from agtop_exporter.processes.facts import Process, ProcessId, ProcessSample

PROGRAMS = (  # of different names: a sample does not show an exec to the same name
    ("claude", "--resume", U2),
    ("codex", "resume", U1),
    ("bash",),
    ("opencode", "serve"),  # a host
    ("gemini", "mcp"),  # a helper
    ("make", "all"),
    ("npx", "@openai/codex"),  # a wrapper
)
PARENTS = (1, 2, 3, 1, 5, 6, 1)  # pids; the programs run below two agents and on their own
PIDS = range(2, 16)  # so few that they are used again at once
INIT = 1

change = st.tuples(
    st.integers(0, 9),  # the answers until it happens
    st.sampled_from(["fork", "fork", "exec", "exec", "exec", "exit", "exit", "reap", "work"]),
    st.integers(0, 20),  # which process
    st.integers(0, 20),  # which program, or how much
)


@dataclass
class Task:
    """A process with the data that the kernel has."""

    id: ProcessId
    parent: int
    argv: tuple[str, ...]
    comm: str = ""
    ended: bool = False
    loading: int = 0  # answers until the arguments show
    cpu: int = 0
    reaped: int = 0
    files: tuple[str, ...] = field(default_factory=tuple)

    @property
    def exe(self):
        """The path of the program; "" after the process has ended."""
        return "" if self.ended else f"/usr/bin/{self.argv[0]}"


class ChangingReader:
    """A reader of a machine whose processes fork, execute, exit and are reaped before each read.

    `now` is the machine's clock. A look consists of three reads: name, arguments, program.
    """

    def __init__(self, changes):
        self.now = NOW
        self._changes = iter(changes)
        self._wait, self._next = 0, None
        self._used = set()
        self._tasks = {INIT: Task(ProcessId(INIT, 0), 0, ("init",), "init")}
        for parent, program in zip(PARENTS, PROGRAMS, strict=True):
            self._fork(self._tasks[parent], age_seconds=3600)
            task = self._tasks[max(self._tasks)]
            self._exec(task, program)
            task.loading = 0
        self._advance()

    @property
    def quiet(self):
        """Stop all changes."""
        return not self._next[0]

    # --- the machine --------------------------------------------------------------------------

    def _advance(self):
        self._wait, *self._next = next(self._changes, (0, None, 0, 0))

    def _change(self):
        """Apply the changes that are due before the next read."""
        self._load()
        while self._next[0] and not self._wait:
            self._act(*self._next)
            self._advance()
        self._wait = max(0, self._wait - 1)

    def _act(self, what, which, amount):
        running = [task for task in self._tasks.values() if not task.ended]
        task = running[which % len(running)]
        if what == "fork":
            self._fork(task)
        elif what == "work":
            task.cpu += amount
        elif what == "reap":
            zombies = [task for task in self._tasks.values() if task.ended]
            if zombies:
                self._reap(zombies[which % len(zombies)])
        elif task.id.pid == INIT:
            pass
        elif what == "exit":
            self._exit(task)
        elif task.argv != (program := PROGRAMS[amount % len(PROGRAMS)]):
            self._exec(task, program, named=bool(amount % 2))
            task.loading = 1 + amount % 3

    def _fork(self, parent, age_seconds=0):
        free = [pid for pid in PIDS if pid not in self._tasks]
        if not free:
            return
        ticks = round((self.now - age_seconds - BOOT) * 100)
        start = next(ticks + more for more in count() if (free[0], ticks + more) not in self._used)
        self._used.add((free[0], start))
        self._tasks[free[0]] = Task(
            ProcessId(free[0], start), parent.id.pid, parent.argv, parent.comm
        )

    def _exec(self, task, argv, *, named=True):
        """Execute a program. Its arguments, and perhaps its name, change later."""
        task.argv = argv
        task.files = (f"/home/user/{argv[-1]}.jsonl",)
        if named:
            task.comm = argv[0]

    def _load(self):
        for task in self._tasks.values():
            if task.loading:
                task.comm = task.argv[0]
                task.loading -= 1

    def _exit(self, task):
        task.ended, task.loading = True, 0
        for child in self._tasks.values():
            if child.parent == task.id.pid:
                child.parent = INIT

    def _reap(self, task):
        self._tasks[task.parent].reaped += task.cpu + task.reaped
        del self._tasks[task.id.pid]

    def _task(self, pid):
        self._change()
        return self._tasks.get(pid)

    # --- the answers --------------------------------------------------------------------------

    def boot_id(self):
        """Return a constant."""
        self._change()
        return "boot"

    def in_container(self):
        """Return False."""
        self._change()
        return False

    def hides_others(self):
        """Return False."""
        self._change()
        return False

    def clock_step(self):
        """Return 0."""
        self._change()
        return 0.0

    def pids(self) -> Iterator[int]:
        """Return the pids of all processes, zombies included."""
        self._change()
        return iter(list(self._tasks))

    def look(self, pid):
        """Read the name, the arguments and the program, which may belong to three programs."""
        sample = self.sample(pid)
        named = self._task(pid)
        if sample is None or named is None:
            return None
        argv = () if named.ended or named.loading else named.argv
        program = self._task(pid)
        return Process(
            id=sample.id,
            started_at=BOOT + sample.id.start_ticks / 100,
            parent_pid=sample.parent_pid,
            uid=1000,
            comm=sample.comm,
            exe=program.exe if program else "",
            argv=argv,
            zombie=sample.zombie,
        )

    def cwd(self, pid):
        """Return a folder with the name of the process."""
        task = self._task(pid)
        return f"/home/user/{task.id.pid}" if task and not task.ended else ""

    def sample(self, pid, *, full=False):
        """Return what a process has used."""
        del full
        task = self._task(pid)
        return task and ProcessSample(
            id=task.id,
            parent_pid=task.parent,
            comm=task.comm,
            user_microseconds=task.cpu,
            system_microseconds=0,
            reaped_user_microseconds=task.reaped,
            zombie=task.ended,
        )

    def written_files(self, pid):
        """Return the file that its program has opened."""
        task = self._task(pid)
        return task.files if task and not task.ended else ()

    def inner_pid(self, pid):
        """Return 0: no process is in a container."""
        self._task(pid)
        return 0

    def stack_start(self, pid):
        """Return 0: the address is unknown."""
        self._task(pid)
        return 0

    def namespace_mismatch(self, pid):
        """Return "": no process is in a container."""
        self._task(pid)
        return ""


class FailingReader(ChangingReader):
    """A reader that fails permanently after `answers` reads; never if that is None."""

    def __init__(self):
        self.answers = None
        super().__init__([])

    def _change(self):
        if self.answers is not None:
            self.answers -= 1
            if self.answers < 0:
                raise OSError(errno.EMFILE, "too many open files")
