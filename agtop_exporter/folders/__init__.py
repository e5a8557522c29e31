"""Reads directories on file systems that may not respond.

A path in a transcript may lead to a network or FUSE file system that does not respond. A system
call on such a file system does not return, and can prevent the end of the process that made the
call. Therefore only a child process accesses paths from transcripts, with a time limit.
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
SILENT_MAX = 8  # largest number of hung file systems; each blocks a child process
QUESTION_CHARACTERS = 8000  # limit of a request, which must fit into the buffer of a socket
DOES_NOT_RESPOND = "does not respond"


class Trouble(NamedTuple):
    """A path that cannot be accessed, and the reason.

    `place` is the path, or a description such as "project folders".
    """

    place: str
    reason: str


class Folder(NamedTuple):
    """The real path and the project of a directory.

    If the directory cannot be accessed, `trouble` has the reason, `real` is the requested path, and
    `project` is derived from the text of the requested path.
    """

    real: str
    project: str
    trouble: Trouble | None = None


class Folders:
    """Determines real paths and projects of directories, with a time limit. Not thread-safe."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        limits: Mapping[str, float] = LIMITS,
        command: Sequence[str] = (),
        table: MountTable | None = None,
        in_child: bool = platforms.LINUX,
    ) -> None:
        """Set the parameters. The child process is started when it is needed.

        `environment` is the environment of the child process. `limits` has the time limit of each
        kind of request in seconds. `command` replaces the command of the child process in tests.
        `table` has the mounted file systems. If `in_child` is false, this process reads the
        directories itself, without a time limit. Only Linux supports the child process.
        """
        self.on_trouble: Callable[[Trouble], object] = lambda _trouble: None
        """A function that is called with every path that cannot be accessed."""
        self.rules = NO_RULES
        """The rules that derive a project name from a path. A change applies to later requests."""
        self._in_child = in_child
        self._table = table or MountTable()
        self._helper = Helper(environment, self._table, limits=limits, command=command)
        self._known: dict[str, Folder] = {}
        self._pending: deque[str] = deque()  # requested directories without a result
        self._mounts: tuple[Mount, ...] = ()
        self._has_mounts = False
        self._remote: dict[tuple[str, bool], tuple[str, ...]] = {}  # valid for `_mounts`
        self._walker = Walker(self._enter)  # its results are valid for `_mounts`
        self._points: dict[str, str] = {}  # path -> mount point of its file system
        self._probes: dict[str, Trouble | None] = {}  # by path, since the last call of `rest`

    def expect(self, cwds: Iterable[str]) -> None:
        """Request the results of later calls of `find`, without waiting for the results.

        `cwds` are the directories for which `find` will be called. The child process reads them in
        the meantime. A request has a maximum size; directories that exceed it are ignored.
        """
        new = [cwd for cwd in dict.fromkeys(cwds) if cwd not in self._known]
        length = 0
        for number, cwd in enumerate(new):
            length += len(cwd)
            if length > QUESTION_CHARACTERS:
                del new[number:]
                break
        if self._in_child and len(new) > 1 and not self._pending:
            try:
                self._helper.send(PROJECT, new, self.rules)
            except (OSError, EOFError):
                return
            self._pending.extend(new)

    def find(self, cwd: str) -> Folder:
        """Return the real path and the project of a working directory.

        If the directory cannot be accessed, the `trouble` of the result has the reason.
        """
        if cwd in self._pending:
            self._collect(until=cwd)
        folder = self._known.get(cwd) or self._ask(PROJECT, cwd)
        if folder.trouble is not None:
            self.on_trouble(folder.trouble)
        return folder

    def trouble_with(self, path: str, *, below: bool = False) -> Trouble | None:
        """Return None if the file system of a path responds, otherwise the path and the reason.

        If `below` is true, the file systems that are mounted below the path are checked as well.
        Local file systems always count as responding. Other file systems are checked once between
        two calls of `rest`. Without a child process the result is always None.
        """
        if not self._in_child:
            return None
        for place in self._remote_places(path, below=below):
            if place not in self._probes:
                self._probes[place] = self._probe(place)
            if trouble := self._probes[place]:
                self.on_trouble(trouble)
                return trouble
        return None

    def check_again(self) -> None:
        """Forget which file systems have responded, so that `trouble_with` checks them again.

        Call this method when a call of a file system has not returned.
        """
        self._probes = {place: trouble for place, trouble in self._probes.items() if trouble}

    def rest(self) -> None:
        """Forget the results of `trouble_with`, and end the child process if it is not needed.

        Call this method at the end of a refresh. If this refresh has checked file systems, the
        child process remains, because the next refresh will check the file systems again.
        """
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
        if not self._in_child:
            name = project_name(path, self.rules)
            return self._keep(path, Folder(os.path.realpath(path), name))
        self._helper.send(kind, [path], self.rules)
        return self._received(kind, path)

    def _received(self, kind: str, path: str) -> Folder:
        """Receive the answer of the child process about `path`, and return it as a Folder.

        Answers arrive in the order of the requests. Therefore `path` must be the path of the oldest
        request without an answer. `kind` is the kind of this request.
        """
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
        """Receive all pending results. If `until` is a directory, stop after its result."""
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
        """Return the paths to check before `path` is accessed; () if all file systems are local.

        The result has one path for each file system that is not local: the mount point, or `path`
        itself as long as its mount point is unknown. If `below` is true, the file systems that are
        mounted below `path` are included.
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
        """Read the list of mounted file systems, at most once between two calls of `rest`."""
        if self._has_mounts:
            return
        self._has_mounts = True
        mounts = self._table.mounts()
        if mounts is not self._mounts:
            self._mounts = mounts
            self._remote.clear()
            self._walker = Walker(self._enter)
            self._points.clear()

    def _leads_to_local(self, path: str) -> bool:
        """Return whether a path and all its symbolic links are on local file systems."""
        try:
            self._walker.real(path)
        except _NotLocalError:
            return False
        return True

    def _enter(self, place: str) -> None:
        """Raise an exception if a path is not on a local file system."""
        mount = mount_of(self._mounts, place)
        if mount is None or not mount.is_local:
            raise _NotLocalError

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
