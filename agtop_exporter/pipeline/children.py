"""Reads transcripts in child processes. Each task has several files.

The module uses pipes and no pool of the standard library, because a pool may hang when it is
stopped while it works.
"""

import contextlib
import fcntl
import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess

import msgspec

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger.packed import pack
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.scan import Failure, read_one

TASK_BYTES = 8 * 1024 * 1024  # approximate size of a task
FILE_BYTES = 64 * 1024  # the fixed cost of a file, as a number of bytes
ORDER_BYTES = 4000  # every pipe can buffer this many bytes
ANSWER_BYTES = 1024 * 1024  # buffer of a pipe, so that a child does not wait for the parent
TASKS_AHEAD = 2  # tasks of one child at a time, for the same reason
TASKS_OUT = 4  # tasks per child including unread results, which limits memory
MAX_CHILDREN = 4
CHILD_NICE = 5  # lower priority than scrapes
POLL_SECONDS = 0.1  # maximum delay of a stop


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that was read."""

    batch: Batch


class _Task(msgspec.Struct):
    """Files that a child reads. The answer is None until the child has sent it."""

    work: list[Work]
    answer: bytes | None = None


class Child(msgspec.Struct):
    """A child process and its unanswered tasks."""

    process: BaseProcess
    orders: Connection
    answers: Connection
    tasks: deque[_Task] = msgspec.field(default_factory=deque)
    unsent: bytes = b""  # the order of the last task, while it has to wait

    def give(self, task: _Task) -> None:
        """Send a task to the child. Raises OSError if the child is dead.

        A long order is sent only while the child is idle. Otherwise both sides could block: the
        child while it sends a long answer, and the parent while it sends the order.
        """
        order = msgspec.msgpack.encode(task.work)
        if self.tasks and len(order) > ORDER_BYTES:
            self.unsent = order
        else:
            self.orders.send_bytes(order)
        self.tasks.append(task)

    def take(self) -> None:
        """Receive the answer to the first task. Raises EOFError or OSError if the child is dead."""
        self.tasks.popleft().answer = self.answers.recv_bytes()
        if self.unsent:
            self.orders.send_bytes(self.unsent)
            self.unsent = b""

    def end(self) -> None:
        """Terminate the child."""
        self.process.terminate()
        self.process.join()
        self.orders.close()
        self.answers.close()


_decode_work = msgspec.msgpack.Decoder(list[Work]).decode
_decode_answer = msgspec.msgpack.Decoder(list[_Read | Failure]).decode


def read(queue: deque[Work], stopping: Callable[[], bool]) -> Iterator[Batch | Failure]:
    """Read the files of `queue` in child processes, and yield the results in the same order.

    Reading ends if `stopping` returns True. If a child dies or cannot start, the files without a
    result are put back into the queue.
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
            if answer := running[0].answer:
                running.popleft()
                for result in _decode_answer(answer):
                    yield result.batch if isinstance(result, _Read) else result
    except (EOFError, OSError):
        queue.extendleft(reversed([item for task in running for item in task.work]))
    finally:
        for child in children:
            child.end()


def start_child() -> Child:
    """Start a child process. Raises OSError if the system cannot start one."""
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
    """Remove files of about `at_most` bytes from the queue.

    Tasks become smaller towards the end, so that all children end at about the same time.
    """
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
    """Read the files that the parent sends, until the parent ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to handle
    gc.disable()  # nothing here makes reference cycles
    with contextlib.suppress(OSError):  # where a service manager forbids it
        os.nice(CHILD_NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    agents = {agent.name: agent for agent in load_agents()}
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            results = [read_one(item, agents) for item in _decode_work(orders.recv_bytes())]
            answer = [
                _Read(_packed(result)) if isinstance(result, Batch) else result
                for result in results
            ]
            answers.send_bytes(msgspec.msgpack.encode(answer))


def _packed(batch: Batch) -> Batch:
    packed = pack(batch.agent, batch.events)
    return msgspec.structs.replace(batch, events=(), packed=packed)


def _end_with_parent() -> None:
    """Exit if the parent is killed. A forked child would otherwise keep the ledger locked."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
