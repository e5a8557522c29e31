"""Finds the transcripts that changed since they were read. Nothing is opened here.

A pass looks at every file of an agent. Where there are very many, it takes several refreshes, but
those that were written to lately are looked at in each.
"""

import heapq
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

import msgspec

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.model import Cursor
from agtop_exporter.paths import clean_path

LOOKS_PER_REFRESH = 1000  # some 10 ms
HOT_FILES = 256


class Entry(Protocol):
    """What agents list: an os.DirEntry, or a group of files that stands for one."""

    @property
    def path(self) -> str: ...  # noqa: D102 - as of os.DirEntry

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result: ...  # noqa: D102


class Work(msgspec.Struct, frozen=True, array_like=True):
    """One file to be read from a cursor on."""

    agent: str
    path: str
    cursor: Cursor
    size: int = 0  # bytes that are new, as far as the file system says
    mtime_ns: int = 0


class Listing(msgspec.Struct, frozen=True):
    """What one look at the directories of an agent found."""

    present: bool  # one of its roots exists
    unreadable: tuple[tuple[str, str], ...]  # what cannot be looked at: path, reason
    work: tuple[Work, ...]  # files that changed since their cursors
    moved: tuple[tuple[str, str], ...]  # old path, new path
    gone: tuple[str, ...]


class _Plain(msgspec.Struct, frozen=True):
    """A file by its path: an os.DirEntry would remember its first look."""

    path: str

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return os.stat(self.path, follow_symlinks=follow_symlinks)  # noqa: PTH116 - hot path


class AgentFiles:
    """The files of one agent, and how far the pass over them has come."""

    def __init__(self, agent: Agent, homes: Sequence[Path], environment: Environment) -> None:
        """Begin; the first look is at everything."""
        self._agent = agent
        self._homes = homes
        self._environment = environment
        self.root = ""
        """The one that is being looked at, or was last."""
        self._pass: Iterator[Entry] | None = None
        self._seen: set[str] = set()
        self._groups: dict[str, Entry] = {}  # entries that are more than one file
        self._hot: list[str] | None = None  # those that were written to last
        self._first = True
        self._avoided: AbstractSet[str] = frozenset()  # in the pass at hand

    def look(
        self,
        cursors: Mapping[str, Cursor],
        *,
        roots: Iterable[Path] | None = None,
        avoid: AbstractSet[str] = frozenset(),
        beat: Callable[[], None] = lambda: None,
    ) -> Listing:
        """Compare files with their cursors; `cursors` are those of this agent.

        Only the given `roots` are looked at, by default all, and nothing that is at or below a path
        of `avoid`: what is there counts neither as changed nor as gone. `beat` is called after
        every file.
        """
        roots = self.roots(self._homes) if roots is None else roots
        usable, unreadable = _usable(self._entered(roots))
        files, self._pass = self._pass, None  # a pass that an exception ends is begun again
        if files is None or self._avoided != avoid:
            files = self._listed(usable)
            self._seen, self._avoided = set(), avoid
        changed: dict[str, os.stat_result] = {}
        gone: list[str] = []
        unnamed: list[tuple[str, str]] = []
        known = _finished(cursors) if self._first else cursors
        for entry in itertools.islice(files, None if self._first else LOOKS_PER_REFRESH):
            if not clean_path(entry.path):
                unnamed.append((_as_text(entry.path), "its path is not UTF-8"))
                continue
            if not isinstance(entry, os.DirEntry):
                self._groups[entry.path] = entry
            self._seen.add(entry.path)
            _look_at(entry, known, changed)
            beat()
        following = next(files, None)
        if following is None:
            complete = not (unreadable or avoid)
            gone = [path for path in cursors if path not in self._seen] if complete else []
            self._first = False
        else:
            self._pass = itertools.chain([following], files)
            if self._hot is None:
                self._hot = _latest(cursors)
            for path in self._hot:
                if not any(is_below(path, place) for place in avoid):
                    _look_at(self._groups.get(path) or _Plain(path), cursors, changed)
                    beat()
        if changed or following is None:
            self._hot = None
        work, moved = self._compared(cursors, changed, gone)
        unusable = (*unreadable, *unnamed)
        return Listing(bool(usable), unusable, tuple(work), tuple(moved), tuple(gone))

    def _entered(self, roots: Iterable[Path]) -> Iterator[Path]:
        for root in roots:
            self.root = str(root)
            yield root

    def _listed(self, roots: Iterable[Path]) -> Iterator[Entry]:
        for root in self._entered(roots):
            yield from self._agent.files(root)

    def roots(self, homes: Iterable[Path]) -> tuple[Path, ...]:
        """Return where the agent may write, existing or not; some agents' settings are read."""
        return tuple(
            dict.fromkeys(
                root for home in homes for root in self._agent.roots(home, self._environment)
            )
        )

    def _compared(
        self,
        cursors: Mapping[str, Cursor],
        changed: Mapping[str, os.stat_result],
        gone: list[str],
    ) -> tuple[list[Work], list[tuple[str, str]]]:
        """Return what is to be read, and what was renamed, which is then not `gone`."""
        work, moved = [], []
        places: dict[tuple[int, int], str] = {}
        if any(path not in cursors for path in changed):
            places = {(cursor.device, cursor.inode): path for path, cursor in cursors.items()}
        for path, status in changed.items():
            cursor = cursors.get(path, Cursor())
            old = places.get((status.st_dev, status.st_ino)) if path not in cursors else None
            if old is not None and not os.path.lexists(old):
                moved.append((old, path))
                cursor = cursors[old]
                if old in gone:
                    gone.remove(old)
            new = _new_bytes(cursor, status.st_size)
            work.append(Work(self._agent.name, path, cursor, new, status.st_mtime_ns))
        return work, moved


def _usable(roots: Iterable[Path]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Return the roots that exist, and those that may not be looked into, with the reason."""
    usable, unreadable = [], []
    for root in roots:
        try:
            if root.is_dir():
                with os.scandir(root):
                    usable.append(root)
            elif root.exists():
                usable.append(root)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            unreadable.append((_as_text(str(root)), reason))
    return usable, unreadable


def _as_text(path: str) -> str:
    r"""Return a path as it may be stored and shown: a byte that is not UTF-8 as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _new_bytes(cursor: Cursor, size: int) -> int:
    """Estimate how much must be read: all of a file that has shrunk.

    A database is written to in place, mostly without growing.
    """
    growth = size - cursor.offset
    return growth if growth >= 0 else size


def _finished(cursors: Mapping[str, Cursor]) -> dict[str, Cursor]:
    """Return the cursors of files that were read to their end.

    The rest of the others is read again once after a start: this version may be able to use it.
    """
    return {path: cursor for path, cursor in cursors.items() if cursor.offset >= cursor.size}


def _latest(cursors: Mapping[str, Cursor]) -> list[str]:
    """Return the files that were written to last."""
    return heapq.nlargest(HOT_FILES, cursors, key=lambda path: cursors[path].mtime_ns)


def _look_at(
    entry: Entry, cursors: Mapping[str, Cursor], changed: dict[str, os.stat_result]
) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # it vanished since it was listed
        return
    cursor = cursors.get(entry.path)
    if (
        cursor is None
        or cursor.mtime_ns != status.st_mtime_ns
        or cursor.size != status.st_size
        or cursor.inode != status.st_ino
    ):
        changed[entry.path] = status
