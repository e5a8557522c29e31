"""Reads the transcripts that have changed: few in this process, many in child processes.

A file that cannot be read results in a Failure. The other files are still read.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.steps import Raised, raised
from agtop_exporter.tail import NotAFileError

PARALLEL_BYTES = 24 * 1024 * 1024  # below this size, starting child processes takes longer


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that could not be read.

    `bug` is the unexpected exception of the reader, if there was one. A `reason` of "" means that
    the file no longer exists.
    """

    agent: str
    path: str
    reason: str
    bug: Raised | None = None


def read_all(
    work: Sequence[Work],
    agents: Mapping[str, Agent],
    *,
    progress: Callable[[int, int], None],
    stopping: Callable[[], bool],
) -> Iterator[Batch | Failure]:
    """Read every file to its end, and yield one result for each batch.

    Agents with the largest files come first, so that all child processes end at about the same
    time. Of one agent, the files that have been unchanged for longest come first, so that originals
    are read before their copies. Reading ends early if `stopping` returns True.
    """
    total = sum(item.size for item in work)
    largest: dict[str, int] = {}
    for item in work:
        largest[item.agent] = max(item.size, largest.get(item.agent, 0))
    queue = deque(sorted(work, key=lambda item: (-largest[item.agent], item.mtime_ns, item.path)))
    done = 0
    many = total >= PARALLEL_BYTES
    for result in _in_children(queue, stopping) if many else _here(queue, agents):
        yield result
        if stopping():
            return
        if isinstance(result, Batch):
            done += result.bytes_read
            progress(done, total)
            if result.more:
                queue.appendleft(Work(result.agent, result.path, result.cursor))
    if queue and not stopping():  # the child processes have died: read the rest here
        yield from _here(queue, agents)


def _in_children(queue: deque[Work], stopping: Callable[[], bool]) -> Iterable[Batch | Failure]:
    from agtop_exporter.pipeline import children  # noqa: PLC0415 - takes long to import

    return children.read(queue, stopping)


def _here(queue: deque[Work], agents: Mapping[str, Agent]) -> Iterator[Batch | Failure]:
    while queue:
        item = queue.popleft()
        yield read_one(item, agents)


def read_one(item: Work, agents: Mapping[str, Agent]) -> Batch | Failure:
    """Read the next batch of a file."""
    try:
        return agents[item.agent].read(item.path, item.cursor)
    except (NotAFileError, FileNotFoundError):
        return Failure(item.agent, item.path, "")
    except OSError as error:
        return Failure(item.agent, item.path, error.strerror or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - a bug must not stop the other files
        bug = raised(error)
        return Failure(item.agent, item.path, f"a bug in its reader: {bug.error}", bug)
