"""Finds the transcripts that have changed since they were last read, without opening them.

A pass is one check of all files of an agent. If an agent has more than LOOKS_PER_REFRESH files, a
pass takes several refreshes. The HOT_FILES files with the latest modification times are checked in
every refresh.
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
from agtop_exporter.existence import exists
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.model import Cursor
from agtop_exporter.paths import clean_path
from agtop_exporter.pipeline.roots import as_text, find_roots, note_closed, usable_roots
from agtop_exporter.pipeline.same_files import chosen_paths, is_same_file, places_of
from agtop_exporter.reading.listing import MAY_FOLLOW, ON_CLOSED
from agtop_exporter.reading.sources import is_at_end

LOOKS_PER_REFRESH = 750  # takes about 10 ms
HOT_FILES = 128


class Entry(Protocol):
    """A file in an agent's list of files: an os.DirEntry, or several files that are read as one."""

    @property
    def path(self) -> str: ...  # noqa: D102 - as of os.DirEntry

    def stat(self) -> os.stat_result: ...  # noqa: D102 - symbolic links are followed


class Work(msgspec.Struct, frozen=True, array_like=True):
    """A file to read, and the cursor from which reading continues."""

    agent: str
    path: str
    cursor: Cursor
    size: int = 0  # estimate of the new bytes
    mtime_ns: int = 0


class Listing(msgspec.Struct, frozen=True):
    """The changed, renamed, deleted and unreadable files that a check of an agent has found."""

    present: bool  # at least one root exists
    unreadable: tuple[tuple[str, str], ...]  # path, reason
    work: tuple[Work, ...]  # files that changed since they were read
    moved: tuple[tuple[str, str], ...]  # old path, new path
    gone: tuple[str, ...]  # deleted files
    not_followed: tuple[str, ...] = ()  # symbolic links that `may_follow` rejected


class _Plain(msgspec.Struct, frozen=True):
    """A directory entry that reads the status of its file at each call.

    An os.DirEntry caches the status, so it cannot show a later change of the file.
    """

    path: str

    def stat(self) -> os.stat_result:
        return os.stat(self.path)  # noqa: PTH116 - hot path


class AgentFiles:
    """Finds the changed files of one agent. A check of all files may take several refreshes."""

    def __init__(self, agent: Agent, homes: Sequence[Path], environment: Environment) -> None:
        """Start without results. The first call of `look` checks every file."""
        self._agent = agent
        self._homes = homes
        self._environment = environment
        self.root = ""  # the root directory that is being checked, or that was checked last
        self.usable: tuple[Path, ...] = ()
        """The root directories that the last check has read, each directory once."""
        self.aliases: dict[str, str] = {}
        """For files with several paths: each other path -> the path by which the file is read."""
        self._pass: Iterator[Entry] | None = None  # the rest of the current pass
        self._unseen: set[str] = set()  # known files that the current pass has not found yet
        self._groups: dict[str, Entry] = {}  # entries that consist of several files
        self._hot: list[str] | None = None  # the files that were modified last
        self._first = True
        self._not_followed: set[str] = set()  # links skipped in the current pass
        self._avoided: AbstractSet[str] = frozenset()  # paths skipped in the current pass
        # The directories that cannot be listed and the files without a status, with the reasons: of
        # the current pass, and of the pass before.
        self._closed: dict[str, str] = {}
        self._closed_before: dict[str, str] = {}
        self._closed_bases: dict[str, str] = {}  # directories that `roots` could not list

    def look(
        self,
        cursors: Mapping[str, Cursor],
        *,
        roots: Iterable[Path] | None = None,
        avoid: AbstractSet[str] = frozenset(),
        may_follow: Callable[[str], bool] = lambda _link: True,
        beat: Callable[[], None] = lambda: None,
    ) -> Listing:
        """Compare the files with `cursors`, and return the differences.

        `cursors` has the cursors of this agent by path. `roots` are the directories to check. None
        means all root directories of the agent. Files at or below a path in `avoid` are skipped,
        and count neither as changed nor as deleted. A symbolic link below a root is followed if
        `may_follow` returns True for the link. If any link is not followed, no file counts as
        deleted. `beat` is called after every file, to report progress.
        """

        def asked(link: str) -> bool:
            if followed := may_follow(link):
                return followed
            self._not_followed.add(link)
            return False

        token, other = (
            MAY_FOLLOW.set(asked),
            ON_CLOSED.set(lambda path, error: note_closed(self._closed, path, error)),
        )
        try:
            return self._look(cursors, roots, avoid, beat)
        finally:
            MAY_FOLLOW.reset(token)
            ON_CLOSED.reset(other)

    def look_again(self) -> None:
        """Make the next call of `look` check every file, as the first call does."""
        self._first, self._pass = True, None

    def _look(
        self,
        cursors: Mapping[str, Cursor],
        roots: Iterable[Path] | None,
        avoid: AbstractSet[str],
        beat: Callable[[], None],
    ) -> Listing:
        roots = self.roots(self._homes) if roots is None else roots
        usable, unreadable = usable_roots(self._entered(roots))
        self.usable = tuple(usable)
        files, self._pass = self._pass, None  # after an exception, a new pass starts
        if files is None or self._avoided != avoid:
            files = self._listed(usable)
            self._unseen, self._avoided = set(cursors), avoid
            self._not_followed.clear()
            self._closed, self._closed_before = {}, self._closed
        changed: dict[str, os.stat_result] = {}
        gone: list[str] = []
        unnamed: list[tuple[str, str]] = []
        known = _finished(cursors) if self._first else cursors
        for entry in itertools.islice(files, None if self._first else LOOKS_PER_REFRESH):
            if entry.path not in cursors and not clean_path(entry.path):
                unnamed.append((as_text(entry.path), "its path is not UTF-8"))
                continue
            if not isinstance(entry, os.DirEntry):
                self._groups[entry.path] = entry
            self._unseen.discard(entry.path)
            self._look_at(entry, known, changed)
            beat()
        following = next(files, None)
        if following is None:
            closed = self._closed or self._closed_bases
            complete = not (unreadable or avoid or self._not_followed or closed)
            self._closed_before = {}
            gone = [path for path in cursors if path in self._unseen] if complete else []
            self._first, self._unseen = False, set()
        else:
            self._pass = itertools.chain([following], files)
            self._look_at_hot(cursors, changed, beat)
        if changed or following is None:
            self._hot = None
        work, moved = self._compared(cursors, changed, gone)
        seen_closed = self._closed_bases | self._closed_before | self._closed
        return Listing(
            present=bool(usable),
            unreadable=(*unreadable, *unnamed, *seen_closed.items()),
            work=tuple(work),
            moved=tuple(moved),
            gone=tuple(gone),
            not_followed=tuple(self._not_followed),
        )

    def _look_at_hot(
        self,
        cursors: Mapping[str, Cursor],
        changed: dict[str, os.stat_result],
        beat: Callable[[], None],
    ) -> None:
        """Check the HOT_FILES files that were modified last, without the paths to avoid."""
        if self._hot is None:
            self._hot = _latest(cursors)
        for path in self._hot:
            if not any(is_below(path, place) for place in self._avoided):
                self._look_at(self._groups.get(path) or _Plain(path), cursors, changed)
                beat()

    def _look_at(
        self, entry: Entry, cursors: Mapping[str, Cursor], changed: dict[str, os.stat_result]
    ) -> None:
        """Add a file with its status to `changed`, if the status differs from the file's cursor."""
        try:
            status = entry.stat()
        except (FileNotFoundError, NotADirectoryError):  # it was deleted after it was listed
            return
        except OSError as error:
            note_closed(self._closed, entry.path, error)
            return
        cursor = cursors.get(entry.path)
        if cursor is None and entry.path in self.aliases:
            if is_same_file(self.aliases[entry.path], status):
                return
            del self.aliases[entry.path]
        if (
            cursor is None
            or cursor.mtime_ns != status.st_mtime_ns
            or cursor.size != status.st_size
            or cursor.inode != status.st_ino
        ):
            changed[entry.path] = status

    def _entered(self, roots: Iterable[Path]) -> Iterator[Path]:
        for root in roots:
            self.root = str(root)
            yield root

    def _listed(self, roots: Iterable[Path]) -> Iterator[Entry]:
        for root in self._entered(roots):
            yield from self._agent.files(root)

    def roots(self, homes: Iterable[Path]) -> tuple[Path, ...]:
        """Return the root directories of the agent's files in the home directories `homes`.

        A returned directory may not exist. The function may read the settings of the agent. The
        next `look` returns the directories that could not be listed as unreadable.
        """
        roots, self._closed_bases = find_roots(self._agent, homes, self._environment)
        return roots

    def _compared(
        self,
        cursors: Mapping[str, Cursor],
        changed: Mapping[str, os.stat_result],
        gone: list[str],
    ) -> tuple[list[Work], list[tuple[str, str]]]:
        """Return the files to read, and the renamed files as (old path, new path).

        `changed` has the status of each new or changed file by path. The old paths of renamed files
        are removed from `gone`. A new file with several paths is returned with one path, and its
        other paths are added to `aliases`.
        """
        work, moved = [], []
        chosen = chosen_paths(cursors, changed)
        places = places_of(cursors) if chosen else {}
        for path, status in changed.items():
            cursor = cursors.get(path)
            if cursor is None:
                file = (status.st_dev, status.st_ino)
                old = places.get(file, "")
                read = old if old and is_same_file(old, status) else chosen.get(file, path)
                if read != path:
                    self.aliases[path] = read
                    continue
                cursor = Cursor()
                if old and not exists(old):
                    moved.append((old, path))
                    cursor = cursors[old]
                    if old in gone:
                        gone.remove(old)
            new = _new_bytes(cursor, status.st_size)
            work.append(Work(self._agent.name, path, cursor, new, status.st_mtime_ns))
        return work, moved


def _new_bytes(cursor: Cursor, size: int) -> int:
    """Estimate the number of bytes to read: the growth of the file, or `size` if the file shrank.

    The result is 0 for a database that changes in place without growing.
    """
    growth = size - cursor.offset
    return growth if growth >= 0 else size


def _finished(cursors: Mapping[str, Cursor]) -> dict[str, Cursor]:
    """Return the cursors of the files that were read to their end.

    A file that was not read to its end has an incomplete or unreadable last record. Such a file is
    read again once after the exporter starts, because a new version may be able to read the record.
    """
    return {path: cursor for path, cursor in cursors.items() if is_at_end(path, cursor)}


def _latest(cursors: Mapping[str, Cursor]) -> list[str]:
    """Return the paths of the HOT_FILES files that were modified last."""
    return heapq.nlargest(HOT_FILES, cursors, key=lambda path: cursors[path].mtime_ns)
