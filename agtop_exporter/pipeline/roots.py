"""Finds the root directories of an agent's files, and the directories that cannot be read."""

import os
import stat
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.reading.listing import ON_CLOSED


def find_roots(
    agent: Agent, homes: Iterable[Path], environment: Environment
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Return the root directories of an agent, and the directories that could not be listed.

    A returned root may not exist. The directories that could not be listed have the reasons as
    values; roots may be missing because of them. The function may read the settings of the agent.
    """
    closed: dict[str, str] = {}
    token = ON_CLOSED.set(partial(note_closed, closed))
    try:
        found = [root for home in homes for root in agent.roots(home, environment)]
    finally:
        ON_CLOSED.reset(token)
    return tuple(dict.fromkeys(found)), closed


def usable_roots(roots: Iterable[Path]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Return the roots that exist, and the unreadable roots, each with the reason.

    If several paths lead to the same root, for example by a symbolic link, only the first path is
    returned.
    """
    usable, unreadable, seen = [], dict[str, str](), set()
    for root in roots:
        try:
            status = root.stat()
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(root):
                    pass
            file = (status.st_dev, status.st_ino)
            if file not in seen or not status.st_ino:
                seen.add(file)
                usable.append(root)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            continue
        except OSError as error:
            note_closed(unreadable, str(root), error)
    return usable, list(unreadable.items())


def note_closed(closed: dict[str, str], path: str, error: OSError) -> None:
    """Add a directory that cannot be listed, or a file without a status, with the reason."""
    closed[as_text(path)] = error.strerror or type(error).__name__


def as_text(path: str) -> str:
    r"""Return a path as valid text. A byte that is not UTF-8 becomes an escape such as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
