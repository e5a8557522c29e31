"""Reads the options and variables of the installed service.

If the service runs, they are read from its process. Otherwise they are read from its unit, which
does not have the variables of the service manager.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from agtop_exporter.existence import is_file
from agtop_exporter.service.installation import NAME, unit_path
from agtop_exporter.service.unit import UNIT_NAME

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
PROGRAMS = (NAME, NAME.replace("-", "_"))  # as a command, and as a module after `python -m`


class Service(msgspec.Struct, frozen=True):
    """The installed service: its unit, and the pid, arguments and variables of its process."""

    unit: str
    pid: int | None  # None: it does not run
    arguments: tuple[str, ...]  # without the program
    environment: dict[str, str]


def installed_service(
    environment: Mapping[str, str],
    *,
    home: Path,
    uid: int,
    cgroups: Path = CGROUPS,
    proc: Path = PROC,
) -> Service | None:
    """Return the installed service of the user; None if there is none or it cannot be read.

    `cgroups` and `proc` are the directories in which the control groups and `/proc` are mounted.
    """
    path = unit_path(environment, home)
    if not is_file(path):
        return None
    manager = cgroups / "user.slice" / f"user-{uid}.slice" / f"user@{uid}.service"
    return _running(path, manager / "app.slice" / UNIT_NAME, proc) or _stopped(path, home)


def _running(path: Path, cgroup: Path, proc: Path) -> Service | None:
    try:
        pid = int((cgroup / "cgroup.procs").read_text().split()[0])
        words = _entries(proc / str(pid) / "cmdline")
        variables = _entries(proc / str(pid) / "environ")
    except (OSError, IndexError):
        return None
    environment = dict(one.split("=", 1) for one in variables if "=" in one)
    return Service(str(path), pid, _arguments(words), environment)


def _entries(path: Path) -> list[str]:
    """Return the entries of a file whose entries end with NUL."""
    return [os.fsdecode(entry) for entry in path.read_bytes().split(b"\0")[:-1]]


def _stopped(path: Path, home: Path) -> Service | None:
    """Return a service that is not running, from the unit at `path` and its drop-in files."""
    words: list[str] = []
    variables = {
        "HOME": str(home),
        "CONFIGURATION_DIRECTORY": str(home / ".config" / NAME),
    }
    try:
        texts = [path.read_text(), *_drop_ins(path)]
        for name, value in _assignments(texts):
            if name == "ExecStart":
                words = shlex.split(value)
            elif name == "Environment":
                variables |= dict(one.split("=", 1) for one in shlex.split(value) if "=" in one)
    except (OSError, ValueError):  # not UTF-8, or without a closing quote
        return None

    def resolved(text: str) -> str:
        return "%".join(part.replace("%h", str(home)) for part in text.split("%%"))

    return Service(
        unit=str(path),
        pid=None,
        arguments=_arguments([resolved(word).replace("$$", "$") for word in words]),
        environment={name: resolved(value) for name, value in variables.items()},
    )


def _drop_ins(path: Path) -> Iterator[str]:
    for one in sorted(path.with_name(f"{path.name}.d").glob("*.conf")):
        yield one.read_text()


def _assignments(texts: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and values in the lines of units. A backslash continues a line."""
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith(("#", ";")):
                yield name.strip(), value.strip()


def _arguments(words: list[str]) -> tuple[str, ...]:
    """Return the words after the name of the program."""
    position = next((i for i, word in enumerate(words) if Path(word).name in PROGRAMS), len(words))
    return tuple(words[position + 1 :])
