"""Reads the transcripts that changed: a few in this process, many in child processes.

The result for a file that cannot be read is a Failure, and reading continues with the next file. If
a file system does not respond, the remaining files of the same agent are skipped, and reading
continues with the files of the next agent.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from agtop_exporter.agents import Agent
from agtop_exporter.folders import DOES_NOT_RESPOND
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.guard import Beat, Guard, NoResponseError
from agtop_exporter.pipeline.one_file import Failure, effort, read_one

PARALLEL_BYTES = 24 * 1024 * 1024  # less is read faster than child processes start
CHILDREN_MAX = 4
GUARDED_BYTES = 1024 * 1024  # bytes of several files that one call of the guard reads
GUARDED_FILES = 32  # files that one call of the guard reads


Expect = Callable[[Sequence[Batch | Failure]], None]


def read_all(  # noqa: PLR0913 - the callbacks of a scan
    work: Sequence[Work],
    agents: Mapping[str, Agent],
    *,
    progress: Callable[[int, int], None],
    stopping: Callable[[], bool],
    guard: Guard | None = None,
    expect: Expect = lambda _results: None,
    children_max: int = CHILDREN_MAX,
) -> Iterator[Batch | Failure]:
    """Read every file to its end, and yield the results.

    The files of an agent are read in the order of their modification times, so that a transcript is
    read before a copy of the transcript. The agent with the largest file comes first, so that no
    child process works alone at the end. A call that did not end in time in an earlier scan may
    have ended by now. The results of such calls (see `Guard`) are yielded first.

    `progress` is called with the number of bytes read so far and the total number of bytes to read.
    `expect` is called with several results shortly before these results are yielded, so that the
    caller can prepare for them. Reading ends when `stopping` returns True. Many files are read
    by up to `children_max` child processes; if it is 0, this process reads all files.
    """
    guard = guard or Guard()
    late = [result for result in _late(guard) if result.agent in agents]
    known = {result.path for result in late}
    total = sum(item.size for item in work)
    largest: dict[str, int] = {}
    for item in work:
        largest[item.agent] = max(item.size, largest.get(item.agent, 0))
    queue = deque(
        sorted(
            (item for item in work if item.path not in known),
            key=lambda item: (-largest[item.agent], item.mtime_ns, item.path),
        )
    )
    done = 0
    many = children_max > 0 and sum(map(effort, queue)) >= PARALLEL_BYTES
    here = _here(queue, agents, guard, stopping, expect)
    there = _in_children(queue, guard, stopping, expect, children_max) if many else here
    for result in chain(late, there):
        yield result
        if stopping():
            return
        if isinstance(result, Batch):
            done += result.bytes_read
            if result.more:
                queue.appendleft(Work(result.agent, result.path, result.cursor))
        progress(done, total)  # also after a failure, which may have taken a minute
    if queue and not stopping():  # the child processes have ended
        yield from here


def _in_children(
    queue: deque[Work],
    guard: Guard,
    stopping: Callable[[], bool],
    expect: Expect,
    children_max: int,
) -> Iterable[Batch | Failure]:
    from agtop_exporter.pipeline import children  # noqa: PLC0415 - takes long to import

    guard.rest()
    return children.read(queue, stopping, expect, children_max=children_max)


def _here(
    queue: deque[Work],
    agents: Mapping[str, Agent],
    guard: Guard,
    stopping: Callable[[], bool],
    expect: Expect,
) -> Iterator[Batch | Failure]:
    while queue:
        items = _next_items(queue)
        agent = items[0].agent
        results: list[Batch | Failure] = []
        try:
            guard.call(
                agent,
                partial(_read_each, items, agents, results),
                place=partial(_next_path, items, results),
                stopping=stopping,
            )
        except NoResponseError as error:
            taken = len(results)
            guard.late[agent] = (results, taken)
            yield from results[:taken]
            if not stopping():
                yield Failure(agent, error.filename, DOES_NOT_RESPOND)
            others = [item for item in queue if item.agent != agent]
            queue.clear()
            queue.extend(others)
        else:
            expect(results)
            yield from results


def _next_items(queue: deque[Work]) -> list[Work]:
    """Remove the next files of one agent from the queue, and return them.

    The caller reads all returned files in one call of the `Guard`, because each call takes time.
    """
    items = [queue.popleft()]
    size = items[0].size
    while queue and len(items) < GUARDED_FILES and queue[0].agent == items[0].agent:
        size += queue[0].size
        if size > GUARDED_BYTES:
            break
        items.append(queue.popleft())
    return items


def _read_each(
    items: Iterable[Work],
    agents: Mapping[str, Agent],
    results: list[Batch | Failure],
    beat: Beat,
) -> None:
    for item in items:
        results.append(read_one(item, agents))
        beat()


def _next_path(items: Sequence[Work], results: Sequence[object]) -> str:
    return items[min(len(results), len(items) - 1)].path


def _late(guard: Guard) -> Iterator[Batch | Failure]:
    for agent, (results, taken) in tuple(guard.late.items()):
        if not guard.is_stuck(agent):
            del guard.late[agent]
            yield from results[taken:]
