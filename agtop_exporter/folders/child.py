"""Answers questions about folders in a process of its own, which the exporter can abandon.

It imports the standard library only: it is started often, and is to be ready soon.

Standard input and output carry lines of JSON. A question is `[kind, paths, places not to be
entered, rules for names]`. Each path has an answer: `[real path, project]`, or the place that must
not be entered where the path leads there. Standard error is a file that holds the place that is
being looked at, followed by a zero byte: the exporter reads it where no answer comes.
"""

import json
import os
from collections.abc import Sequence

from agtop_exporter.folders.helper import PROBE, SilentError
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.folders.walker import MAX_PATH, Walker
from agtop_exporter.project import Rules, folder_name, project_name

QUESTIONS, ANSWERS, PLACE_FILE = 0, 1, 2  # the descriptors of the standard streams


def main() -> None:
    """Answer until the other side closes."""
    _say("ready")
    for line in open(QUESTIONS, "rb", closefd=False):  # noqa: SIM115 - until the end
        kind, paths, silent, rules = json.loads(line)
        for path in paths:
            _say(_answer(kind, path, silent, Rules(*rules)))
        _show("")


def _answer(kind: str, path: str, silent: Sequence[str], rules: Rules) -> tuple[str, str] | str:
    """Return the answer to one question."""

    def enter(place: str) -> None:
        for one in silent:
            if is_below(place, one):
                raise SilentError(one)
        _show(place)

    if len(path) >= MAX_PATH:  # nothing can be there
        return path, folder_name(path, rules)
    walker = Walker(enter)
    try:
        enter(path)
        real = walker.real(path)
        if kind == PROBE:
            _call_server(real)
            return real, ""
        return real, project_name(path, rules, enter=walker.real)
    except SilentError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever the path is, the next one is looked at
        return path, folder_name(path, rules)


def _call_server(path: str) -> None:
    """Make a call that no cache answers: the figures of the nearest folder's file system."""
    while True:
        try:
            os.statvfs(path)
        except (OSError, ValueError):
            if path in ("", "/"):
                return
            path = os.path.dirname(path)  # noqa: PTH120 - as quick as it gets
        else:
            return


def _show(place: str) -> None:
    """Write which place is being looked at, for the exporter."""
    os.pwrite(PLACE_FILE, os.fsencode(place) + b"\0", 0)


def _say(message: object) -> None:
    os.write(ANSWERS, (json.dumps(message) + "\n").encode())
