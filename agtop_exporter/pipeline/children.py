"""Reads transcripts in child processes, each a task of several files at a time.

Plain pipes and no threads of its own: a pool of the standard library may hang when it is stopped
in the middle of its work.
"""

import contextlib
import fcntl
import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from time import monotonic

import msgspec

from agtop_exporter.agents import load_agents
from agtop_exporter.folders import DOES_NOT_RESPOND
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.scan import Failure, read_one

TASK_BYTES = 8 * 1024 * 1024  # files are read in tasks of about this size
FILE_BYTES = 64 * 1024  # are read in the time that any file takes
ORDER_BYTES = 4000  # any pipe takes at once
ANSWER_BYTES = 1024 * 1024  # a pipe holds, so that a child need not wait for the parent
TASKS_AHEAD = 2  # a child has at a time, for the same reason
TASKS_OUT = 4  # for each child, of which some wait to be used: results must not pile up
MAX_CHILDREN = 4
POLITENESS = 5  # whoever wants an answer meanwhile, such as a scrape, goes first
POLL_SECONDS = 0.1  # how soon a wish to stop is noticed
ANSWER_SECONDS = 60.0  # for a task that takes one second on a good disk
END_SECONDS = 1.0  # for a child that is killed: a call of a dead file system delays that
NOTHING = msgspec.msgpack.encode([])


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that was read."""

    batch: Batch


class _Task(msgspec.Struct):
    """Files that a child reads; its answer is None until it has."""

    work: list[Work]
    answer: bytes | None = None


class Child(msgspec.Struct):
    """A child process, and the tasks that it was given and has not answered."""

    process: BaseProcess
    orders: Connection
    answers: Connection
    tasks: deque[_Task] = msgspec.field(default_factory=deque)
    unsent: bytes = b""  # the order of the last task, while it has to wait
    waits_since: float = 0.0  # for the answer to its first task

    def give(self, task: _Task) -> None:
        """Let it read something. Raises OSError where it is dead.

        A long order waits until the child does: else it may be sending a long answer, and each
        would wait for the other to receive.
        """
        order = msgspec.msgpack.encode(task.work)
        if not self.tasks:
            self.waits_since = monotonic()
        if self.tasks and len(order) > ORDER_BYTES:
            self.unsent = order
        else:
            self.orders.send_bytes(order)
        self.tasks.append(task)

    def take(self) -> None:
        """Take the answer to its first task. Raises EOFError or OSError where it is dead."""
        self.tasks.popleft().answer = self.answers.recv_bytes()
        self.waits_since = monotonic()
        if self.unsent:
            self.orders.send_bytes(self.unsent)
            self.unsent = b""

    @property
    def is_late(self) -> bool:
        """Tell whether it has not answered for so long that it never may."""
        return bool(self.tasks) and monotonic() - self.waits_since > ANSWER_SECONDS

    def end(self) -> None:
        """End it, whatever it is doing; what cannot be killed now ends later."""
        self.process.kill()
        self.process.join(END_SECONDS)
        self.orders.close()
        self.answers.close()


_decode_work = msgspec.msgpack.Decoder(list[Work]).decode
_decode_answer = msgspec.msgpack.Decoder(list[_Read | Failure]).decode


def read(
    queue: deque[Work],
    stopping: Callable[[], bool],
    expect: Callable[[Sequence[Batch | Failure]], None] = lambda _results: None,
) -> Iterator[Batch | Failure]:
    """Read in child processes until `stopping` says so; results come in the order of the queue.

    `expect` is called with those of each task before they come.

    Where a child dies, or cannot start, what was not given yet is put back into the queue. A child
    that is late is replaced; the files of its task are Failures.
    """
    children: list[Child] = []
    running: deque[_Task] = deque()  # in the order of the queue
    try:
        count = min(MAX_CHILDREN, len(os.sched_getaffinity(0)))
        children.extend(start_child() for _ in range(count))
        left = sum(map(_effort, queue))
        while (queue or running) and not stopping():
            for child in children:
                while queue and len(child.tasks) < TASKS_AHEAD and len(running) < count * TASKS_OUT:
                    running.append(task := _Task(_next_work(queue, at_most=left // (4 * count))))
                    left -= sum(map(_effort, task.work))
                    child.give(task)
            busy = [child.answers for child in children if child.tasks]
            answered = wait(busy, timeout=0 if running[0].answer else POLL_SECONDS)
            for child in children:
                if child.answers in answered:
                    child.take()
            yield from _replace_late(children, queue)
            if answer := running[0].answer:
                running.popleft()
                results = [
                    result.batch if isinstance(result, _Read) else result
                    for result in _decode_answer(answer)
                ]
                expect(results)
                yield from results
    except (EOFError, OSError):
        queue.extendleft(reversed([item for task in running for item in task.work]))
    finally:
        for child in children:
            child.end()


def _replace_late(children: list[Child], queue: deque[Work]) -> Iterator[Failure]:
    """Replace the children that are late, and give up the tasks that they are at."""
    for number, child in enumerate(children):
        if child.is_late:
            yield from _given_up(child.tasks.popleft(), queue)
            children[number] = _replacement(child)


def _given_up(task: _Task, queue: deque[Work]) -> Iterator[Failure]:
    """Give up the task of a child that is late, and what is left of its agent."""
    agents = {item.agent for item in task.work}
    if len(agents) == 1:
        others = [item for item in queue if item.agent not in agents]
        queue.clear()
        queue.extend(others)
    for item in task.work:
        yield Failure(item.agent, item.path, DOES_NOT_RESPOND)
    task.work, task.answer = [], NOTHING


def _replacement(child: Child) -> Child:
    """Start a child that takes over the other tasks of one that is late, and end that."""
    other = start_child()
    for task in child.tasks:
        other.give(task)
    child.end()
    return other


def start_child() -> Child:
    """Start a child that reads what it is sent. Raises OSError where there can be no more."""
    context: ForkContext | SpawnContext = get_context("spawn")
    if threading.active_count() == 1:  # a fork is ready at once, but not safe beside threads
        context = get_context("fork")
    taken, orders = context.Pipe(duplex=False)
    answers, given = context.Pipe(duplex=False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user may have no more memory for pipes
            fcntl.fcntl(given.fileno(), fcntl.F_SETPIPE_SZ, ANSWER_BYTES)
    process = context.Process(target=_serve, args=(taken, given), daemon=True)
    process.start()
    taken.close()
    given.close()
    return Child(process, orders, answers)


def _next_work(queue: deque[Work], *, at_most: int) -> list[Work]:
    """Take files of about as many bytes; towards the end less, so that no child waits for long."""
    work = [queue.popleft()]
    effort = _effort(work[0])
    while queue and effort < min(at_most, TASK_BYTES):
        work.append(queue.popleft())
        effort += _effort(work[-1])
    return work


def _effort(item: Work) -> int:
    return item.size + FILE_BYTES


# --- in the child ---------------------------------------------------------------------------


def _serve(orders: Connection, answers: Connection) -> None:
    """Read what the parent asks for, until it ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to handle
    gc.disable()  # nothing here makes reference cycles
    with contextlib.suppress(OSError):  # where a service manager forbids it
        os.nice(POLITENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    agents = {agent.name: agent for agent in load_agents()}
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            results = [read_one(item, agents) for item in _decode_work(orders.recv_bytes())]
            answer = [_Read(result) if isinstance(result, Batch) else result for result in results]
            answers.send_bytes(msgspec.msgpack.encode(answer))


def _end_with_parent() -> None:
    """End when the daemon was killed: a forked child would hold the ledger's lock for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
