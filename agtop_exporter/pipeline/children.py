"""Reads transcripts in child processes, which receive their tasks through pipes.

A task has several files. The process pools of the standard library are not used, because a pool may
hang if it is stopped while its processes work.
"""

import contextlib
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

from agtop_exporter import platforms
from agtop_exporter.agents import load_agents
from agtop_exporter.folders import DOES_NOT_RESPOND
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.one_file import Failure, effort, read_one

TASK_BYTES = 8 * 1024 * 1024  # approximate size of a task
ORDER_BYTES = 4000  # an order (an encoded task) of at most this size fits into any pipe
ANSWER_BYTES = 1024 * 1024  # capacity of an answer pipe, so that a child rarely blocks
TASKS_AHEAD = 2  # tasks that a child has at a time, so that it does not wait for the next one
TASKS_OUT = 4  # unfinished and unused tasks per child; limits the memory of results
CHILD_NICE = 5  # the parent answers scrapes meanwhile, so it has the higher priority
POLL_SECONDS = 0.1  # longest delay until a request to stop is noticed
ANSWER_SECONDS = 60.0  # time limit of a task; it takes about one second on a local disk
END_SECONDS = 1.0  # time limit for the end of a killed child, which a hung file system delays
NOTHING = msgspec.msgpack.encode([])

_waiting: list["Child"] = []  # started ahead, for the next `read`


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The answer of a child process for one file: the records that were read from the file."""

    batch: Batch


class _Task(msgspec.Struct):
    """Files that one child reads. `answer` is the encoded answer, None until it is received."""

    work: list[Work]
    answer: bytes | None = None


class Child(msgspec.Struct):
    """A child process, and the tasks that were sent to it and are not answered yet."""

    process: BaseProcess
    orders: Connection
    answers: Connection
    tasks: deque[_Task] = msgspec.field(default_factory=deque)
    unsent: bytes = b""  # the order of the last task, until it can be sent
    waits_since: float = 0.0  # start of the wait for the answer to the first task

    def give(self, task: _Task) -> None:
        """Send a task to the child, or store the task until `take` sends it.

        If the child is busy and the encoded new task is longer than ORDER_BYTES, `take` sends the
        new task after it has received the next answer. This avoids a deadlock: the parent would
        wait until the child receives the task, while the child waits until the parent receives a
        long answer. Raises OSError if the child has ended.
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
        """Receive the answer to the oldest task, then send the task that `give` has postponed.

        Raises EOFError or OSError if the child has ended.
        """
        self.tasks.popleft().answer = self.answers.recv_bytes()
        self.waits_since = monotonic()
        if self.unsent:
            self.orders.send_bytes(self.unsent)
            self.unsent = b""

    @property
    def is_late(self) -> bool:
        """Whether the child has been working on its oldest task for more than ANSWER_SECONDS."""
        return bool(self.tasks) and monotonic() - self.waits_since > ANSWER_SECONDS

    def end(self) -> None:
        """Kill the child, and wait at most END_SECONDS for its end."""
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
    *,
    children_max: int,
) -> Iterator[Batch | Failure]:
    """Read the files of `queue` in child processes, and yield the results in the order of `queue`.

    There are at most `children_max` children, and at most one for each processor. Reading ends when
    the queue is empty or `stopping` returns True. `expect` is called with the results of a task
    before these results are yielded, so that the caller can prepare for them.

    If a child ends or cannot start, reading ends, and the files without a result are put back into
    the queue. If a child needs more than ANSWER_SECONDS for a task, the child is replaced, and a
    Failure is yielded for each file of the task.
    """
    children: list[Child] = []
    running: deque[_Task] = deque()  # in the order of the queue
    try:
        count = min(children_max, platforms.cpu_count())
        children.extend(_waiting.pop() if _waiting else start_child() for _ in range(count))
        left = sum(map(effort, queue))
        while (queue or running) and not stopping():
            for child in children:
                while queue and len(child.tasks) < TASKS_AHEAD and len(running) < count * TASKS_OUT:
                    running.append(task := _Task(_next_work(queue, at_most=left // (4 * count))))
                    left -= sum(map(effort, task.work))
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
    """Replace each late child, and yield a Failure for each file of the task it works on."""
    for number, child in enumerate(children):
        if child.is_late:
            yield from _given_up(child.tasks.popleft(), queue)
            children[number] = _replacement(child)


def _given_up(task: _Task, queue: deque[Work]) -> Iterator[Failure]:
    """Yield a Failure for each file of the task that a late child has not finished.

    If all files of the task belong to one agent, the files of this agent are also removed from the
    queue.
    """
    agents = {item.agent for item in task.work}
    if len(agents) == 1:
        others = [item for item in queue if item.agent not in agents]
        queue.clear()
        queue.extend(others)
    for item in task.work:
        yield Failure(item.agent, item.path, DOES_NOT_RESPOND)
    task.work, task.answer = [], NOTHING


def _replacement(child: Child) -> Child:
    """End a late child, and return a new child that has the remaining tasks of the late child."""
    other = start_child()
    for task in child.tasks:
        other.give(task)
    child.end()
    return other


def start_ahead(count_max: int) -> None:
    """Start the children of the next `read` now, before this process has several threads.

    A fork takes a millisecond, but only a process with one thread can be forked. `end_waiting` ends
    the children that no `read` has used.
    """
    with contextlib.suppress(OSError):  # `read` tries again
        count = min(count_max, platforms.cpu_count())
        _waiting.extend(start_child() for _ in range(count))


def end_waiting() -> None:
    """End the children that were started ahead and not used."""
    while _waiting:
        _waiting.pop().end()


def start_child() -> Child:
    """Start a child that reads the files sent to it. Raises OSError if it cannot be started."""
    context: ForkContext | SpawnContext = get_context("spawn")
    if platforms.CAN_FORK and threading.active_count() == 1:  # a fork copies no other thread
        context = get_context("fork")  # starts in a millisecond
    taken, orders = context.Pipe(duplex=False)
    answers, given = context.Pipe(duplex=False)
    platforms.enlarge_pipe(given.fileno(), ANSWER_BYTES)
    process = context.Process(target=_serve, args=(taken, given), daemon=True)
    process.start()
    taken.close()
    given.close()
    return Child(process, orders, answers)


def _next_work(queue: deque[Work], *, at_most: int) -> list[Work]:
    """Remove the next files from the queue, and return them.

    The files have a total size of about TASK_BYTES, but not much more than `at_most` bytes. The
    caller reduces `at_most` towards the end of the queue, so that all children end at about the
    same time.
    """
    work = [queue.popleft()]
    total = effort(work[0])
    while queue and total < min(at_most, TASK_BYTES):
        work.append(queue.popleft())
        total += effort(work[-1])
    return work


# --- in the child ---------------------------------------------------------------------------


def _serve(orders: Connection, answers: Connection) -> None:
    """Read the files that the parent requests, until the parent ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent handles Ctrl-C
    gc.disable()  # this process creates no reference cycles
    platforms.lower_priority(CHILD_NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    agents = {agent.name: agent for agent in load_agents()}
    with contextlib.suppress(EOFError, OSError):  # the parent has ended
        while True:
            results = [read_one(item, agents) for item in _decode_work(orders.recv_bytes())]
            answer = [_Read(result) if isinstance(result, Batch) else result for result in results]
            answers.send_bytes(msgspec.msgpack.encode(answer))


def _end_with_parent() -> None:
    """End this process when the parent ends. Otherwise a forked child keeps the ledger locked."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
