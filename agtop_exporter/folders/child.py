"""The program of the child process that reads directories. The exporter can abandon the process.

It imports the standard library only, because it is started often and must start quickly.

Requests and answers are lines of JSON on standard input and output. A request is `[kind, paths,
forbidden places, rules for names]`. The answer for each path is `[real path, project]`, or the
forbidden place to which the path leads. Standard error is a file that contains the place that is
being accessed, followed by a zero byte. The exporter reads it if an answer is late.
"""

import json
import os
from collections.abc import Sequence

from agtop_exporter.folders.helper import PROBE, NoAnswerError
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.folders.walker import MAX_PATH, Walker
from agtop_exporter.project import Rules, folder_name, project_name

QUESTIONS, ANSWERS, PLACE_FILE = 0, 1, 2  # the descriptors of the standard streams


def main() -> None:
    """Answer requests until standard input is closed."""
    _send("ready")
    for line in open(QUESTIONS, "rb", closefd=False):  # noqa: SIM115 - until the end
        kind, paths, silent, rules = json.loads(line)
        for path in paths:
            _send(_answer(kind, path, silent, Rules(*rules)))
        _write_place("")


def _answer(kind: str, path: str, silent: Sequence[str], rules: Rules) -> tuple[str, str] | str:
    """Return the answer for one path."""

    def enter(place: str) -> None:
        for one in silent:
            if is_below(place, one):
                raise NoAnswerError(one)
        _write_place(place)

    if len(path) >= MAX_PATH:  # no system call accepts such a path
        return path, folder_name(path, rules)
    walker = Walker(enter)
    try:
        enter(path)
        real = walker.real(path)
        if kind == PROBE:
            _call_server(real)
            return real, ""
        return real, project_name(path, rules, enter=walker.real)
    except NoAnswerError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - a strange path must not stop the next one
        return path, folder_name(path, rules)


def _call_server(path: str) -> None:
    """Call statvfs for the nearest existing directory. No cache of a file system answers it."""
    while True:
        try:
            os.statvfs(path)
        except (OSError, ValueError):
            if path in ("", "/"):
                return
            path = os.path.dirname(path)  # noqa: PTH120 - this module does not import pathlib
        else:
            return


def _write_place(place: str) -> None:
    """Write the place that is being accessed to the file that the exporter reads."""
    os.pwrite(PLACE_FILE, os.fsencode(place) + b"\0", 0)


def _send(message: object) -> None:
    os.write(ANSWERS, (json.dumps(message) + "\n").encode())
