"""Resolves the symbolic links of a path component by component, and reports each component.

`os.path.realpath` returns the same result, but does not show at which component a call hangs.
"""

import os
from collections.abc import Callable

MAX_LINKS = 40  # limit of the kernel for symbolic links in one path
MAX_PATH = 4096  # limit of system calls for the length of a path, in bytes


class Walker:
    """Resolves paths. A component that several paths have in common is read only once."""

    def __init__(self, enter: Callable[[str], object]) -> None:
        """Set the function `enter`, which is called with every path before the path is read.

        An exception that `enter` raises is not caught.
        """
        self._enter = enter
        self._targets: dict[str, str] = {}  # path -> target; "" if the path is no symbolic link

    def real(self, path: str) -> str:
        """Return `path` with all symbolic links, `.` and `..` resolved. Components need not exist.

        A path that is relative, or longer than MAX_PATH, is returned unchanged.
        """
        if not path.startswith("/") or len(path) >= MAX_PATH:
            return path
        waiting, here, links = path.split("/")[::-1], "", 0
        while waiting:
            name = waiting.pop()
            if name == "..":
                here = here.rpartition("/")[0]
            elif name not in ("", "."):
                place = f"{here}/{name}"
                target = self._target(place) if links < MAX_LINKS else ""
                if not target:
                    here = place
                    continue
                links += 1
                here = "" if target.startswith("/") else here
                waiting += target.split("/")[::-1]
        return here or "/"

    def _target(self, place: str) -> str:
        if place not in self._targets:
            self._enter(place)
            try:
                self._targets[place] = os.readlink(place)  # noqa: PTH115 - hot path
            except (OSError, ValueError):  # no link; ValueError: no valid path
                self._targets[place] = ""
        return self._targets[place]
