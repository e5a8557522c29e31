"""The program of the child process that reads directories for the exporter.

The exporter abandons the child process if a directory does not respond. Apart from modules of this
package, the program imports only the standard library, so that the child process starts quickly.

Requests are lines of JSON on standard input. A request is `[kind, paths, forbidden paths, rules for
project names]`. A forbidden path is on a file system that does not respond, so it must not be
accessed.

Answers are lines of JSON on standard output, one for each path. The answer is `[real path,
project]`. If the path leads to a forbidden path, the answer is the forbidden path.

Standard error is a file with the path that the child process is accessing, followed by a zero byte.
The exporter reads this file if an answer is late.
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
    """Return the answer to the request for one path; the module docstring describes it.

    `silent` has the forbidden paths, which are on file systems that do not respond.
    """

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
    except Exception:  # noqa: BLE001 - no path may stop the reading of others
        return path, folder_name(path, rules)


def _call_server(path: str) -> None:
    """Call statvfs for a path, to test whether the server of its file system responds.

    No file system answers statvfs from a cache. If the call fails, it is repeated for the nearest
    parent for which it succeeds.
    """
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
    """Report to the exporter which path this process is about to access; "" means none."""
    os.pwrite(PLACE_FILE, os.fsencode(place) + b"\0", 0)


def _send(message: object) -> None:
    os.write(ANSWERS, (json.dumps(message) + "\n").encode())
