"""Reads the transcripts that changed: a few in this process, many in child processes.

A file that cannot be read is a Failure; it never keeps another from being read.
"""

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor

import msgspec

from agtop_exporter.agents import Agent, load_agents
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.tail import NotAFileError

PARALLEL_BYTES = 24 * 1024 * 1024  # less is read sooner than a child process starts
TASK_BYTES = 8 * 1024 * 1024  # files are read in tasks of about this size
QUEUED_TASKS = 4  # for each child, so that results do not pile up
MAX_CHILDREN = 4


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that could not be read."""

    agent: str
    path: str
    reason: str


class _Read(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that was."""

    batch: Batch


def read_all(
    work: Sequence[Work],
    agents: Mapping[str, Agent],
    *,
    progress: Callable[[int, int], None],
) -> Generator[Batch | Failure, None, None]:
    """Read every file to its end, the longest unchanged first: an original before its copy."""
    total = sum(item.size for item in work)
    queue = deque(sorted(work, key=lambda item: (item.mtime_ns, item.path)))
    done = 0
    results = _in_children(queue) if total >= PARALLEL_BYTES else _here(queue, agents)
    for result in results:
        yield result
        if isinstance(result, Batch):
            done += result.bytes_read
            progress(done, total)
            if result.more:
                queue.appendleft(Work(result.agent, result.path, result.cursor))
    if queue:  # the children died: their work is done here
        yield from _here(queue, agents)


def _here(queue: deque[Work], agents: Mapping[str, Agent]) -> Iterator[Batch | Failure]:
    while queue:
        item = queue.popleft()
        yield read_one(item, agents)


def read_one(item: Work, agents: Mapping[str, Agent]) -> Batch | Failure:
    """Read one batch of one file."""
    try:
        return agents[item.agent].read(item.path, item.cursor)
    except (NotAFileError, FileNotFoundError):
        return Failure(item.agent, item.path, "")
    except OSError as error:
        return Failure(item.agent, item.path, error.strerror or type(error).__name__)


# --- children -------------------------------------------------------------------------------

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


def _in_children(queue: deque[Work]) -> Iterator[Batch | Failure]:
    """Read in child processes; results come in the order of the queue."""
    children = min(MAX_CHILDREN, len(os.sched_getaffinity(0)))
    # A fork is ready at once, but is safe only while this process has a single thread.
    method = "fork" if threading.active_count() == 1 else "spawn"
    running: deque[tuple[Future[bytes], list[Work]]] = deque()
    pool = ProcessPoolExecutor(
        children, mp_context=multiprocessing.get_context(method), initializer=_begin_child
    )
    try:
        while queue or running:
            while queue and len(running) < children * QUEUED_TASKS:
                task = _next_task(queue)
                running.append((pool.submit(_read_task, msgspec.msgpack.encode(task)), task))
            future, task = running.popleft()
            try:
                results = _results.decode(future.result())
            except BrokenExecutor:
                for _, lost in running:
                    queue.extend(lost)
                queue.extendleft(reversed(task))
                return
            for result in results:
                yield result.batch if isinstance(result, _Read) else result
    except GeneratorExit:  # nobody wants the rest
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _next_task(queue: deque[Work]) -> list[Work]:
    task, size = [], 0
    while queue and size < TASK_BYTES:
        item = queue.popleft()
        task.append(item)
        size += item.size
    return task
