"""Finds files and directories that may contain usage of an agent but are not read.

Each result has the path and the reason.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from agtop_exporter.agents import MAX_DEPTH, Agent
from agtop_exporter.existence import exists
from agtop_exporter.folders import Folders
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.paths import clean_path
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.reading.sources import COMPRESSED_SUFFIXES

ENTRIES_MAX = 200_000  # files and directories of a root that are checked
TRANSCRIPTS = (".jsonl", ".jsonl.zst", ".jsonl.gz")
DATA_SUFFIXES = (*TRANSCRIPTS, ".json", ".db", ".vscdb")
DRIVES = Path("/mnt")  # where WSL mounts the drives of Windows
NO_HOMES = frozenset({"All Users", "Default", "Default User", "Public"})  # in `C:\\Users`

Found = tuple[str, str]  # path, reason


class NotRead(msgspec.Struct, frozen=True):
    """A file, directory or symbolic link that exists but is not read, with the reason."""

    path: str
    reason: str


class Inventory:
    """Finds the files and directories below an agent's roots that are not read.

    `look` adds its results to two attributes. `unreadable` maps each directory that cannot be
    listed to the error. `not_read` maps the path of each other item that is not read to the reason.

    `read` has the paths of the files that were read. `aliases` has other paths of the same files.
    `folders` checks whether the target of a symbolic link responds.
    """

    def __init__(self, read: Collection[str], aliases: Mapping[str, str], folders: Folders) -> None:
        self.unreadable: dict[str, str] = {}
        self.not_read: dict[str, str] = {}
        self._read = read
        self._aliases = aliases
        self._places = folders
        self._folders: set[tuple[int, int]] = set()

    def look(self, root: Path) -> None:
        """Find what is not read below `root`, and add it to `not_read` or `unreadable`.

        The search ends after about ENTRIES_MAX files and directories. The directory in which it
        ends is then added to `not_read`.
        """
        waiting = [(str(root), 0)]
        left = ENTRIES_MAX
        for path, depth in waiting:
            for entry in self._entries(path):
                left -= 1
                if self._is_folder(entry):
                    if depth < MAX_DEPTH:
                        waiting.append((entry.path, depth + 1))
                    else:
                        self.not_read[entry.path] = f"more than {MAX_DEPTH} folders deep"
            if left <= 0:
                self.not_read[path] = f"doctor looks at the first {ENTRIES_MAX:,} files only"
                return

    def _entries(self, path: str) -> list[os.DirEntry[str]]:
        try:
            status = os.stat(path)  # noqa: PTH116 - of many directories
            folder = (status.st_dev, status.st_ino)
            if folder in self._folders and status.st_ino:
                return []
            self._folders.add(folder)
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.unreadable[path] = error.strerror or type(error).__name__
            return []

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        """Return whether `entry` is a directory whose content must be checked.

        If `entry` may contain usage but is not read, it is added to `not_read`.
        """
        if entry.is_symlink() and self._places.trouble_with(entry.path):
            return False  # the scan has reported it
        try:
            status = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                self.not_read[entry.path] = _about_link(error)
            return False
        if stat.S_ISDIR(status.st_mode):
            again = entry.is_symlink() and os.stat(entry.path)  # noqa: PTH116 - as above
            if again and (again.st_dev, again.st_ino) in self._folders:
                self.not_read[entry.path] = "a link to a folder that has another path"
                return False
            return True
        self._check_file(entry, is_regular=stat.S_ISREG(status.st_mode))
        return False

    def _check_file(self, entry: os.DirEntry[str], *, is_regular: bool) -> None:
        """Add a file to `not_read`, if it may contain usage and is not read."""
        if not clean_path(entry.path):
            return  # no text: the scan has reported it as unreadable
        if entry.path in self._aliases:
            self.not_read[entry.path] = "another path of a file that is read"
        elif not is_regular:
            if entry.name.endswith(DATA_SUFFIXES):
                self.not_read[entry.path] = "not a regular file"
        elif entry.path not in self._read and any(
            entry.path.removesuffix(suffix) in self._read for suffix in COMPRESSED_SUFFIXES
        ):
            self.not_read[entry.path] = "the compressed form of a file that is read"
        elif entry.name.endswith(TRANSCRIPTS) and entry.path not in self._read:
            self.not_read[entry.path] = "not a transcript that the reader knows"


def _about_link(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link to itself"
    if isinstance(error, FileNotFoundError):
        return "a broken symbolic link"
    return f"a link to what cannot be read: {error.strerror or type(error).__name__}"


def places_not_read(agent: Agent, pipeline: Pipeline, drives: Path) -> Iterator[Found]:
    """Yield existing paths outside of an agent's roots that may contain files of the agent.

    Each item is a path and the reason why the path is not read. There are three kinds of paths:

    * paths that match a pattern in `Agent.unread`
    * default directories of the agent, if environment variables select other directories
    * directories of the agent in Windows homes, which WSL mounts below `drives`
    """
    places = pipeline.places(agent.name)
    roots = (*map(str, places.roots), *places.silent)
    for place, reason in _candidates(agent, pipeline, drives):
        if not any(is_below(str(place), root) for root in roots):
            yield str(place), reason


def _candidates(agent: Agent, pipeline: Pipeline, drives: Path) -> Iterator[tuple[Path, str]]:
    for home in pipeline.homes:
        if pipeline.folders.trouble_with(str(home), below=True):
            continue
        for pattern, reason in agent.unread:
            yield from ((place, reason) for place in matches(home, pattern))
        for root in filter(_exists, agent.roots(home, {})):
            yield root, "variables of the environment name other directories"
    for home in _windows_homes(drives, pipeline.homes, pipeline.folders):
        for root in filter(_exists, agent.roots(home, {})):
            yield root, f"a Windows home directory: add --home {home}"


def _windows_homes(drives: Path, homes: Sequence[Path], folders: Folders) -> Iterator[Path]:
    for home in matches(drives, "?/Users/*"):
        if home.name not in NO_HOMES and home not in homes and not folders.trouble_with(str(home)):
            yield home


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return the existing paths that match a glob pattern relative to a directory, sorted."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _exists(path: Path) -> bool:
    try:
        return exists(path)
    except OSError:
        return False
