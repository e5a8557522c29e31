"""Reads directories on file systems that may not respond.

A path in a transcript may lead to a network or FUSE file system that does not respond. A system
call on it does not return, and a thread inside such a call can prevent its process from ending.
Therefore only a child process accesses these paths, with a time limit.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from agtop_exporter import platforms
from agtop_exporter.folders.helper import LIMITS, PROBE, PROJECT, Helper, NoAnswerError
from agtop_exporter.folders.mounts import Mount, MountTable, is_below, mount_of
from agtop_exporter.folders.walker import Walker
from agtop_exporter.project import NO_RULES, folder_name, project_name

FOLDERS_MAX = 4096  # results that are cached
SILENT_MAX = 8  # largest number of hung places, each of which blocks a child process
QUESTION_CHARACTERS = 8000  # limit of a request, which must fit into the buffer of a socket
DOES_NOT_RESPOND = "does not respond"


class Trouble(NamedTuple):
    """A path that cannot be accessed, and the reason."""

    place: str
    reason: str


class Folder(NamedTuple):
    """The real path and the project of a directory.

    If there is a `trouble`, `real` is the given path, and `project` is derived from its text.
    """

    real: str
    project: str
    trouble: Trouble | None = None


class Folders:
    """Resolves directories and names their projects, with a time limit. Not thread-safe."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        limits: Mapping[str, float] = LIMITS,
        command: Sequence[str] = (),
        table: MountTable | None = None,
    ) -> None:
        """Start no process before it is needed.

        `environment` is the environment of the child process. `limits` has the time limit of each
        kind of request, in seconds. `command` replaces the command of the child process in tests.
        """
        self.on_trouble: Callable[[Trouble], object] = lambda _trouble: None
        """Called with every trouble that is found."""
        self.rules = NO_RULES
        """The rules for the names of projects. A change applies to later requests."""
        self._table = table or MountTable()
        self._helper = Helper(environment, self._table, limits=limits, command=command)
        self._known: dict[str, Folder] = {}
        self._pending: deque[str] = deque()  # requested directories without a result
        self._mounts: tuple[Mount, ...] = ()
        self._has_mounts = False
        self._remote: dict[tuple[str, bool], tuple[str, ...]] = {}  # valid for `_mounts`
        self._points: dict[str, str] = {}  # path -> mount point of its file system
        self._probes: dict[str, Trouble | None] = {}  # by place, since the last call of `rest`

    def expect(self, cwds: Iterable[str]) -> None:
        """Request directories for which `find` will be called. The child reads them meanwhile."""
        new = [cwd for cwd in dict.fromkeys(cwds) if cwd not in self._known]
        length = 0
        for number, cwd in enumerate(new):
            length += len(cwd)
            if length > QUESTION_CHARACTERS:
                del new[number:]
                break
        if platforms.LINUX and len(new) > 1 and not self._pending:
            try:
                self._helper.send(PROJECT, new, self.rules)
            except (OSError, EOFError):
                return
            self._pending.extend(new)

    def find(self, cwd: str) -> Folder:
        """Return the real path and the project of a working directory."""
        if cwd in self._pending:
            self._collect(until=cwd)
        folder = self._known.get(cwd) or self._ask(PROJECT, cwd)
        if folder.trouble is not None:
            self.on_trouble(folder.trouble)
        return folder

    def trouble_with(self, path: str, *, below: bool = False) -> Trouble | None:
        """Return the trouble with the file system of a path; None if it responds.

        With `below`, the file systems that are mounted below the path are checked as well. Local
        file systems always count as responding. Other file systems are checked once between two
        calls of `rest`. On systems other than Linux the result is always None.
        """
        if not platforms.LINUX:
            return None
        for place in self._remote_places(path, below=below):
            if place not in self._probes:
                self._probes[place] = self._probe(place)
            if trouble := self._probes[place]:
                self.on_trouble(trouble)
                return trouble
        return None

    def check_again(self) -> None:
        """Check file systems again in the next call, because a call has not returned."""
        self._probes = {place: trouble for place, trouble in self._probes.items() if trouble}

    def rest(self) -> None:
        """End the child process, unless the next refresh needs it. Call this after a refresh."""
        if not self._probes or self._pending:
            self._pending.clear()
            self._helper.end()
        self._probes.clear()
        self._has_mounts = False

    def close(self) -> None:
        """Kill all child processes."""
        self._pending.clear()
        self._helper.close()

    # --- requests ---------------------------------------------------------------------------

    def _ask(self, kind: str, path: str) -> Folder:
        self._collect()
        if kind == PROJECT and self._helper.count_late() >= SILENT_MAX:
            return self._unknown(
                path, "other folders", f"not looked at: {SILENT_MAX} do not respond"
            )
        try:
            return self._asked(kind, path)
        except (OSError, EOFError):  # the child has ended; the second call starts another one
            pass
        try:
            return self._asked(kind, path)
        except (OSError, EOFError) as error:
            reason = f"no child process to look at them: {str(error) or type(error).__name__}"
            return self._unknown(path, "project folders", reason)

    def _asked(self, kind: str, path: str) -> Folder:
        if not platforms.LINUX:  # only Linux supports the child process
            name = project_name(path, self.rules)
            return self._keep(path, Folder(os.path.realpath(path), name))
        self._helper.send(kind, [path], self.rules)
        return self._received(kind, path)

    def _received(self, kind: str, path: str) -> Folder:
        """Receive the result of the first requested path, which is `path`."""
        try:
            folder = Folder(*self._helper.receive(kind, path))
        except NoAnswerError as error:
            return self._unknown(path, str(error), DOES_NOT_RESPOND)
        return self._keep(path, folder) if kind == PROJECT else folder

    def _keep(self, path: str, folder: Folder) -> Folder:
        if len(self._known) >= FOLDERS_MAX:
            self._known.clear()
        self._known[path] = folder
        return folder

    def _unknown(self, path: str, place: str, reason: str) -> Folder:
        return Folder(path, folder_name(path, self.rules), Trouble(place, reason))

    def _collect(self, *, until: str = "") -> None:
        """Receive the pending results: all, or those up to the directory `until`."""
        while self._pending:
            cwd = self._pending.popleft()
            try:
                self._received(PROJECT, cwd)
            except (OSError, EOFError):  # the child has ended: `find` requests the rest again
                self._pending.clear()
            if cwd == until:
                return

    # --- mounts -----------------------------------------------------------------------------

    def _remote_places(self, path: str, *, below: bool) -> tuple[str, ...]:
        """Return the places to check for a path; () if all of them are local.

        A place is the path itself until its mount point is known, and then the mount point.
        """
        self._read_mounts()
        key = (path, below)
        if key not in self._remote:
            mounted = [mount for mount in self._mounts if below and is_below(mount.point, path)]
            self._remote[key] = (
                *(() if self._leads_to_local(path) else (path,)),
                *(mount.point for mount in mounted if not mount.is_local),
            )
        return tuple(self._points.get(place, place) for place in self._remote[key])

    def _read_mounts(self) -> None:
        """Read the mounts, once between two calls of `rest`."""
        if self._has_mounts:
            return
        self._has_mounts = True
        mounts = self._table.mounts()
        if mounts is not self._mounts:
            self._mounts = mounts
            self._remote.clear()
            self._points.clear()

    def _leads_to_local(self, path: str) -> bool:
        """Return whether a path, with its symbolic links, is on local file systems only."""

        def enter(place: str) -> None:
            mount = mount_of(self._mounts, place)
            if mount is None or not mount.is_local:
                raise _NotLocalError

        try:
            Walker(enter).real(path)
        except _NotLocalError:
            return False
        return True

    def _probe(self, place: str) -> Trouble | None:
        folder = self._ask(PROBE, place)
        if folder.trouble is None:
            mount = mount_of(self._mounts, folder.real)
            self._points[place] = mount.point if mount else place
        elif folder.trouble.reason == DOES_NOT_RESPOND:
            return folder.trouble
        return None


class _NotLocalError(Exception):
    """A path leads to a file system that may depend on another machine or process."""
