"""Lists the files in directories, and reports the directories that cannot be listed.

The caller of an agent's functions sets MAY_FOLLOW and ON_CLOSED.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

MAY_FOLLOW: ContextVar[Callable[[str], bool]] = ContextVar("may_follow", default=lambda _path: True)
"""Function that receives the path of a symbolic link and returns whether it may be followed.

The function prevents access to link targets on a file system that does not respond.
"""
ON_CLOSED: ContextVar[Callable[[str, OSError], None]] = ContextVar(
    "on_closed", default=lambda _path, _error: None
)
"""Function that receives the path of a directory that cannot be listed, and the error."""


def walk(
    directory: Path | str, *, suffix: str | tuple[str, ...], depth: int
) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a name suffix in a directory and its subdirectories.

    `depth` is the number of levels of subdirectories that are searched. If it is 0, only
    `directory` itself is searched.

    Symbolic links to files and directories are followed. Files that are not below a link come
    first. A link is not followed if its target contains the link or `directory`. A link is also not
    followed if another link has led to the same target. So every loop ends. A file with two paths
    may be listed twice.

    ON_CLOSED receives a directory that cannot be listed, for example without permission. A
    directory that does not exist, or that disappears during the walk, is skipped.
    """
    pending: deque[tuple[str, int]] = deque([(str(directory), depth)])
    linked: deque[tuple[str, int]] = deque()
    visited: set[tuple[int, int]] = set()
    while pending or linked:
        path, depth_left = (pending or linked).popleft()
        for entry in entries_of(path):
            if entry.name.endswith(suffix):
                if is_file(entry):
                    yield entry
            elif depth_left and is_folder(entry):
                if not entry.is_symlink():
                    pending.append((entry.path, depth_left - 1))
                elif _is_new(entry, str(directory), visited):
                    linked.append((entry.path, depth_left - 1))


def named_files(directory: Path | str, name: str, *, depth: int = 0) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a given name in a directory and its subdirectories.

    `depth` is the number of levels of subdirectories that are searched.
    """
    return (entry for entry in walk(directory, suffix=name, depth=depth) if entry.name == name)


def entries_of(path: Path | str) -> list[os.DirEntry[str]]:
    """Return the entries of a directory; an empty list if the directory cannot be listed.

    ON_CLOSED receives a directory that exists and cannot be listed.
    """
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        ON_CLOSED.get()(os.fspath(path), error)
        return []


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a regular file or a symbolic link to a regular file.

    Return False if the link must not be followed.
    """
    try:
        return entry.is_file(follow_symlinks=False) or (_may_look(entry) and entry.is_file())
    except OSError:  # a link to itself, or to a directory without permission
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory or a symbolic link to a directory.

    Return False if the link must not be followed.
    """
    try:
        return _may_look(entry) and entry.is_dir()
    except OSError:  # as in `is_file`
        return False


def _may_look(entry: os.DirEntry[str]) -> bool:
    return not entry.is_symlink() or MAY_FOLLOW.get()(entry.path)


def _is_new(link: os.DirEntry[str], top: str, visited: set[tuple[int, int]]) -> bool:
    """Return whether the walk from the directory `top` should follow a link to a directory.

    The link is not followed if its target contains `top` or the link itself, or if the target is in
    `visited`. `visited` has the (device, inode) of each directory that a link has led to. This
    function adds the target of `link` to `visited`.
    """
    status = link.stat()
    target = (status.st_dev, status.st_ino)
    if target in visited:
        return False
    visited.add(target)
    real = os.path.realpath(link.path)
    return not any(_holds(real, place) for place in (top, os.path.dirname(link.path)))  # noqa: PTH120 - as above


def _holds(folder: str, place: str) -> bool:
    """Return whether `place` is `folder` or a path inside `folder`, after links are resolved."""
    return (os.path.realpath(place) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)
