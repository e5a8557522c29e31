"""Reads transcripts in child processes, each a task of several files at a time."""

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor

import msgspec

from agtop_exporter.agents import Agent, load_agents
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.scan import Failure, read_one

TASK_BYTES = 8 * 1024 * 1024  # files are read in tasks of about this size
QUEUED_TASKS = 4  # for each child, so that results do not pile up
MAX_CHILDREN = 4
PATIENCE_SECONDS = 0.1  # between two looks whether to stop


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that was."""

    batch: Batch


def read(queue: deque[Work], stopping: Callable[[], bool]) -> Iterator[Batch | Failure]:
    """Read in child processes; results come in the order of the queue, until `stopping`."""
    children = min(MAX_CHILDREN, len(os.sched_getaffinity(0)))
    # A fork is ready at once, but is safe only while this process has a single thread.
    method = "fork" if threading.active_count() == 1 else "spawn"
    running: deque[tuple[Future[bytes], list[Work]]] = deque()
    pool = ProcessPoolExecutor(
        children, mp_context=multiprocessing.get_context(method), initializer=_begin_child
    )
    ended = False
    try:
        while queue or running:
            while queue and len(running) < children * QUEUED_TASKS:
                task = _next_task(queue)
                running.append((pool.submit(_read_task, msgspec.msgpack.encode(task)), task))
            future, task = running.popleft()
            try:
                data = _awaited(future, stopping)
            except BrokenExecutor:
                for _, lost in running:
                    queue.extend(lost)
                queue.extendleft(reversed(task))
                return
            if data is None:
                return
            for result in _results.decode(data):
                yield result.batch if isinstance(result, _Read) else result
        ended = True
    finally:
        if not ended:  # nobody wants the rest
            for child in multiprocessing.active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


def _awaited(future: Future[bytes], stopping: Callable[[], bool]) -> bytes | None:
    """Wait for a task; None once there is no time left for it."""
    while not stopping():
        try:
            return future.result(timeout=PATIENCE_SECONDS)
        except TimeoutError:
            continue
    return None


_child_agents: dict[str, Agent] = {}


def _begin_child() -> None:
    """Prepare a child: it makes no reference cycles, so it needs no collector."""
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _child_agents.update({agent.name: agent for agent in load_agents()})


def _end_with_parent() -> None:
    """End when the daemon was killed: a forked child would hold the ledger's lock for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read_task(data: bytes) -> bytes:
    items = msgspec.msgpack.decode(data, type=list[Work])
    results = (read_one(item, _child_agents) for item in items)
    return msgspec.msgpack.encode(
        [_Read(result) if isinstance(result, Batch) else result for result in results]
    )


_results = msgspec.msgpack.Decoder(list[_Read | Failure])


def _next_task(queue: deque[Work]) -> list[Work]:
    task, size = [], 0
    while queue and size < TASK_BYTES:
        item = queue.popleft()
        task.append(item)
        size += item.size
    return task
