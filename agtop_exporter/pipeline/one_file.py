"""Reads a part of one file, and turns an exception into a Failure."""

from collections.abc import Mapping

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.model import Batch
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.steps import Raised, raised
from agtop_exporter.reading.files import NotAFileError
from agtop_exporter.reading.listing import ON_CLOSED

FILE_BYTES = 64 * 1024  # opening a file takes as long as reading this many bytes


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file or directory that could not be read.

    `reason` is "" if the file no longer exists or is not a file. `bug` is the exception if the
    reader of the file raised an unexpected exception.
    """

    agent: str
    path: str
    reason: str
    bug: Raised | None = None


def effort(item: Work) -> int:
    """Return how many bytes can be read in the time that a file takes."""
    return item.size + FILE_BYTES


def read_one(item: Work, agents: Mapping[str, Agent]) -> Batch | Failure:
    """Read one batch of records from a file. After an exception, return a Failure.

    A folder that the reader cannot list is an error of the file, like a part that it cannot read.
    """
    token = ON_CLOSED.set(_refuse)
    try:
        return agents[item.agent].read(item.path, item.cursor)
    except (NotAFileError, FileNotFoundError):
        return Failure(item.agent, item.path, "")
    except OSError as error:
        return Failure(item.agent, item.path, error.strerror or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - no file may stop the reading of others
        bug = raised(error)
        return Failure(item.agent, item.path, f"a bug in its reader: {bug.error}", bug)
    finally:
        ON_CLOSED.reset(token)


def _refuse(_folder: str, error: OSError) -> None:
    raise error
