"""Resolves a path step by step, so that the step at which a call blocks is known.

`os.path.realpath` gives the same result and does not say where it is.
"""

import os
from collections.abc import Callable

MAX_LINKS = 40  # in one path, as in the kernel
MAX_PATH = 4096  # bytes that any system call takes


class Walker:
    """Resolves the paths of one question; no place is looked at twice."""

    def __init__(self, enter: Callable[[str], object]) -> None:
        """Call `enter` with every place before it is looked at; an exception ends the walk."""
        self._enter = enter
        self._targets: dict[str, str] = {}  # of symbolic links; empty for anything else

    def real(self, path: str) -> str:
        """Return a path without symbolic links, `.` and `..`; what does not exist stays as it is.

        A path that is relative, or longer than any system call takes, is returned as it is.
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
            except (OSError, ValueError):  # no link; the latter for what cannot be a path
                self._targets[place] = ""
        return self._targets[place]
