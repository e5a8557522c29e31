"""Reads the transcripts that changed: a few in this process, many in child processes.

A file that cannot be read is a Failure; it never keeps another from being read.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.steps import Raised, raised
from agtop_exporter.tail import NotAFileError

PARALLEL_BYTES = 24 * 1024 * 1024  # less is read sooner than a child process starts


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file that could not be read; `bug` is the unexpected exception of its reader, if any."""

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
    """Read every file to its end, of an agent the longest unchanged first: originals before copies.

    The agents come in the order of their largest files, so that none is left to one child at the
    end. Once `stopping` says so, the rest is left.
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
    if queue and not stopping():  # the children died: their work is done here
        yield from _here(queue, agents)


def _in_children(queue: deque[Work], stopping: Callable[[], bool]) -> Iterable[Batch | Failure]:
    from agtop_exporter.pipeline import children  # noqa: PLC0415 - takes long to import

    return children.read(queue, stopping)


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
    except Exception as error:  # noqa: BLE001 - whatever a file holds, the others are read
        bug = raised(error)
        return Failure(item.agent, item.path, f"a bug in its reader: {bug.error}", bug)
