"""Reads transcripts in child processes, each a task of several files at a time.

Plain pipes and no threads of its own: a pool of the standard library may hang when it is stopped
in the middle of its work.
"""

import contextlib
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

TASK_BYTES = 8 * 1024 * 1024  # files are read in tasks of about this size
FILE_BYTES = 64 * 1024  # are read in the time that any file takes
TASKS_PER_CHILD = 4  # given out and not yet used, so that results do not pile up
MAX_CHILDREN = 4
POLITENESS = 5  # whoever wants an answer meanwhile, such as a scrape, goes first
POLL_SECONDS = 0.1  # how soon a wish to stop is noticed


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that was read."""

    batch: Batch


class _Task(msgspec.Struct):
    """Files that a child reads; its answer is None until it has."""

    work: list[Work]
    answer: bytes | None = None


_decode_work = msgspec.msgpack.Decoder(list[Work]).decode
_decode_answer = msgspec.msgpack.Decoder(list[_Read | Failure]).decode


def read(queue: deque[Work], stopping: Callable[[], bool]) -> Iterator[Batch | Failure]:
    """Read in child processes until `stopping` says so; results come in the order of the queue.

    Where a child dies, or cannot start, what was not given yet is put back into the queue.
    """
    children: list[tuple[BaseProcess, Connection]] = []
    busy: dict[Connection, _Task] = {}
    running: deque[_Task] = deque()  # in the order of the queue
    try:
        count = min(MAX_CHILDREN, len(os.sched_getaffinity(0)))
        children.extend(start_child() for _ in range(count))
        idle = [connection for _, connection in children]
        left = sum(map(_effort, queue))
        while (queue or running) and not stopping():
            while queue and idle and len(running) < count * TASKS_PER_CHILD:
                running.append(task := _Task(_next_work(queue, at_most=left // (2 * count))))
                left -= sum(map(_effort, task.work))
                busy[idle[-1]] = task
                idle.pop().send_bytes(msgspec.msgpack.encode(task.work))
            answered = wait(busy, timeout=0 if running[0].answer else POLL_SECONDS)
            for connection in [known for known in busy if known in answered]:
                busy.pop(connection).answer = connection.recv_bytes()
                idle.append(connection)
            if answer := running[0].answer:
                running.popleft()
                for result in _decode_answer(answer):
                    yield result.batch if isinstance(result, _Read) else result
    except (EOFError, OSError):
        queue.extendleft(reversed([item for task in running for item in task.work]))
    finally:
        for process, connection in children:
            process.terminate()
            process.join()
            connection.close()


def start_child() -> tuple[BaseProcess, Connection]:
    """Start a child that reads what it is sent. Raises OSError where there can be no more."""
    context: ForkContext | SpawnContext = get_context("spawn")
    if threading.active_count() == 1:  # a fork is ready at once, but not safe beside threads
        context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return process, ours


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


def _serve(connection: Connection) -> None:
    """Read what the parent asks for, until it ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to handle
    gc.disable()  # nothing here makes reference cycles
    with contextlib.suppress(OSError):  # where a service manager forbids it
        os.nice(POLITENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    agents = {agent.name: agent for agent in load_agents()}
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            results = [read_one(item, agents) for item in _decode_work(connection.recv_bytes())]
            answer = [
                _Read(_packed(result)) if isinstance(result, Batch) else result
                for result in results
            ]
            connection.send_bytes(msgspec.msgpack.encode(answer))


def _packed(batch: Batch) -> Batch:
    packed = pack(batch.agent, batch.events)
    return msgspec.structs.replace(batch, events=(), packed=packed)


def _end_with_parent() -> None:
    """End when the daemon was killed: a forked child would hold the ledger's lock for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
