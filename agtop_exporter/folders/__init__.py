"""Looks at folders whose file system may never answer.

A path in a transcript may lead to a network or FUSE file system that is dead. A system call there
does not return, and a thread inside such a call may keep its process from ending. So only a child
process looks at these paths, with a time limit.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from agtop_exporter import platforms
from agtop_exporter.folders.helper import LIMITS, PROBE, PROJECT, Helper, SilentError
from agtop_exporter.folders.mounts import Mount, MountTable, is_below, mount_of
from agtop_exporter.folders.walker import Walker
from agtop_exporter.project import NO_RULES, folder_name, project_name

FOLDERS_MAX = 4096  # whose answers are kept
SILENT_MAX = 8  # places that do not respond: each holds a child process
QUESTION_CHARACTERS = 8000  # that are sent before any answer is read: a socket must hold them
DOES_NOT_RESPOND = "does not respond"


class Trouble(NamedTuple):
    """A place that cannot be looked at, and the reason."""

    place: str
    reason: str


class Folder(NamedTuple):
    """What is known of a folder.

    With a `trouble`, `real` is the path as it was given and `project` its last component.
    """

    real: str
    project: str
    trouble: Trouble | None = None


class Folders:
    """The folders that were asked for, and the places that do not respond; for one thread."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        limits: Mapping[str, float] = LIMITS,
        command: Sequence[str] = (),
        table: MountTable | None = None,
    ) -> None:
        """Start nothing before it is needed.

        `limits` are the seconds that each kind of question may take (LIMITS), `environment` is that
        of the child process, `command` another one than the usual.
        """
        self.on_trouble: Callable[[Trouble], object] = lambda _trouble: None
        """Called with every trouble that is met."""
        self.rules = NO_RULES
        """For the names of projects; for the folders that are asked for next."""
        self._table = table or MountTable()
        self._helper = Helper(environment, self._table, limits=limits, command=command)
        self._known: dict[str, Folder] = {}
        self._pending: deque[str] = deque()  # was asked for
        self._mounts: tuple[Mount, ...] = ()
        self._knows_mounts = False
        self._remote: dict[tuple[str, bool], tuple[str, ...]] = {}  # as of `_mounts`
        self._points: dict[str, str] = {}  # by path, the mount point where it leads
        self._probes: dict[str, Trouble | None] = {}  # by place, since the last rest

    def expect(self, cwds: Iterable[str]) -> None:
        """Ask for folders that `find` will be called with: the child looks at them meanwhile."""
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
        """Ask whether the file system of a path responds, and those mounted `below` it.

        Local file systems are not asked, any other once between two calls of `rest`. Mounts are
        known on Linux only.
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

    def doubt(self) -> None:
        """Ask again whether file systems respond: a call has not returned."""
        self._probes = {place: trouble for place, trouble in self._probes.items() if trouble}

    def rest(self) -> None:
        """End the child process, unless every refresh needs it."""
        if not self._probes or self._pending:
            self._pending.clear()
            self._helper.end()
        self._probes.clear()
        self._knows_mounts = False

    def close(self) -> None:
        """End all child processes, as far as they can be."""
        self._pending.clear()
        self._helper.close()

    # --- questions --------------------------------------------------------------------------

    def _ask(self, kind: str, path: str) -> Folder:
        self._collect()
        if kind == PROJECT and self._helper.count_late() >= SILENT_MAX:
            return self._unknown(
                path, "other folders", f"not looked at: {SILENT_MAX} do not respond"
            )
        try:
            return self._asked(kind, path)
        except (OSError, EOFError):  # somebody has ended the child
            pass
        try:
            return self._asked(kind, path)
        except (OSError, EOFError) as error:
            reason = f"no child process to look at them: {str(error) or type(error).__name__}"
            return self._unknown(path, "project folders", reason)

    def _asked(self, kind: str, path: str) -> Folder:
        if not platforms.LINUX:  # which alone tells where a child process is stuck
            name = project_name(path, self.rules)
            return self._keep(path, Folder(os.path.realpath(path), name))
        self._helper.send(kind, [path], self.rules)
        return self._received(kind, path)

    def _received(self, kind: str, path: str) -> Folder:
        """Return the answer about a path, the first that has none yet."""
        try:
            folder = Folder(*self._helper.receive(kind, path))
        except SilentError as error:
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
        """Take the answers that were expected: all, or those up to one folder's."""
        while self._pending:
            cwd = self._pending.popleft()
            try:
                self._received(PROJECT, cwd)
            except (OSError, EOFError):  # the child was late, or has ended: it is asked again
                self._pending.clear()
            if cwd == until:
                return

    # --- mounts -----------------------------------------------------------------------------

    def _remote_places(self, path: str, *, below: bool) -> tuple[str, ...]:
        """Return what to ask about a path: nothing where all of it is local.

        That is the path itself until its mount is known, then the mount point.
        """
        self._learn_mounts()
        key = (path, below)
        if key not in self._remote:
            mounted = [mount for mount in self._mounts if below and is_below(mount.point, path)]
            self._remote[key] = (
                *(() if self._leads_to_local(path) else (path,)),
                *(mount.point for mount in mounted if not mount.is_local),
            )
        return tuple(self._points.get(place, place) for place in self._remote[key])

    def _learn_mounts(self) -> None:
        """Look at the mounts, once between two calls of `rest`."""
        if self._knows_mounts:
            return
        self._knows_mounts = True
        mounts = self._table.mounts()
        if mounts is not self._mounts:
            self._mounts = mounts
            self._remote.clear()
            self._points.clear()

    def _leads_to_local(self, path: str) -> bool:
        """Follow a path for as long as it stays on local file systems."""

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
    """A path leads to a file system that may have to wait for another machine or process."""
