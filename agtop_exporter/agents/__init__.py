"""What an agent is, and how all of them are found.

An agent is a module or a package in this package that defines `AGENT = Agent(...)`. There is no
list to edit: no module outside this package names an agent.
"""

import importlib
import os
import pkgutil
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.model import Batch, Cursor, Plan
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.signature import ProcessSignature, RegistryReading

Environment = Mapping[str, str]
Entry = os.DirEntry[str] | FileGroup

MAX_DEPTH = 12  # directories below a root: sessions of subagents may be in each other's folders
MAY_FOLLOW: ContextVar[Callable[[str], bool]] = ContextVar("may_follow", default=lambda _path: True)
"""Whether a symbolic link may be followed: its file system may not respond. Listings ask it."""
MCP_TOOL = re.compile(r"^mcp__(.+?)__")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the exporter knows about one agent.

    `home` is a home directory and `environment` the variables that may name other places. `roots`
    returns directories or single files, existing or not. `files` lists the transcripts below one
    root. `read` returns what is new in one transcript since a cursor; it raises OSError if it
    cannot read the file.
    """

    name: str
    """Value of the `agent` label: lower case, and never changed."""
    title: str
    """The name that people write."""
    roots: Callable[[Path, Environment], tuple[Path, ...]]
    files: Callable[[Path], Iterable[Entry]]
    read: Callable[[str, Cursor], Batch]
    bases: Callable[[Path, Environment], tuple[Path, ...]] = lambda _home, _environment: ()
    """Returns the directories whose settings `roots` reads. Apart from these settings, neither
    `roots` nor `bases` looks at a file system."""
    aliases: tuple[str, ...] = ()
    """Other names, in lower case, that `--agent` accepts."""
    signature: ProcessSignature = ProcessSignature()
    """What identifies its processes. The default matches no process."""
    live_registry: Callable[[Path, Environment], RegistryReading] | None = None
    """Returns what the agent itself reports about its live processes; None if it does not."""
    plan: Callable[[Path, Environment], str] = lambda _home, _environment: ""
    """Returns the name of the account's plan; "" if unknown."""
    plan_covers: frozenset[Plan] = frozenset()
    """Values of `--plan` for which the usage of this agent is not billed, beside `included`."""
    known_types: frozenset[str] = frozenset()
    """Record types that the reader knows. All other types are counted as format drift."""
    not_in_files: str = ""
    """Usage that its files do not contain."""
    worktrees: Mapping[str, int] = {}
    """Folders with its worktrees of many repositories, for the names of projects: name of the
    folder, and the place of the repository in the path below its `worktrees` (see PathNames)."""
    unread: tuple[tuple[str, str], ...] = ()
    """Places that may hold usage and are not read: (pattern of a path below the home, reason)."""


def agent_modules() -> tuple[str, ...]:
    """Return the names of all agent modules, sorted, without importing them."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def load_agents() -> tuple[Agent, ...]:
    """Import every agent module, in the order of their names."""
    return tuple(importlib.import_module(f"{__name__}.{name}").AGENT for name in agent_modules())


def signatures_of(agents: Iterable[Agent]) -> dict[str, ProcessSignature]:
    """Return the process signatures by the names of their agents."""
    return {agent.name: agent.signature for agent in agents}


def covered_by(plan: Plan, agents: Iterable[Agent]) -> frozenset[str]:
    """Return the names of the agents whose usage is not billed with a value of `--plan`."""
    return frozenset(a.name for a in agents if plan == "included" or plan in a.plan_covers)


def walk(
    directory: Path | str, *, suffix: str | tuple[str, ...], depth: int
) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a suffix, at most `depth` directories below.

    Symbolic links to files and directories are followed. All that is not below a link comes first.
    A link to a directory that holds the link or `directory`, or to one that another link has led
    to, is not followed, so every loop ends. A file with two paths may be listed twice.


    Several suffixes can be given.
    A directory without read permission is listed itself, so that the error is reported. One that
    disappears during the walk is skipped.
    """
    pending: deque[tuple[str, int, os.DirEntry[str] | None]] = deque(
        [(str(directory), depth, None)]
    )
    linked: deque[tuple[str, int, os.DirEntry[str] | None]] = deque()
    visited: set[tuple[int, int]] = set()
    while pending or linked:
        path, depth_left, itself = (pending or linked).popleft()
        entries = _entries(path)
        if entries is None and itself is not None:
            yield itself
        for entry in entries or ():
            if entry.name.endswith(suffix):
                if is_file(entry):
                    yield entry
            elif depth_left and is_folder(entry):
                if not entry.is_symlink():
                    pending.append((entry.path, depth_left - 1, entry))
                elif _is_new(entry, str(directory), visited):
                    linked.append((entry.path, depth_left - 1, entry))


def _entries(path: str) -> list[os.DirEntry[str]] | None:
    """Return the entries of a directory, or None without permission to read it."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except PermissionError:
        return None
    except OSError:
        return []


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a regular file or a link to one that may be followed."""
    try:
        return _may_look(entry) and entry.is_file()
    except OSError:  # a link to itself, or to a directory that may not be entered
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory or a link to one that may be followed."""
    try:
        return _may_look(entry) and entry.is_dir()
    except OSError:  # see above
        return False


def _may_look(entry: os.DirEntry[str]) -> bool:
    return not entry.is_symlink() or MAY_FOLLOW.get()(entry.path)


def _is_new(link: os.DirEntry[str], top: str, visited: set[tuple[int, int]]) -> bool:
    """Return whether a link to a directory leads to files that a walk from `top` does not list yet.

    `visited` are the devices and inodes of the directories that links have led to; this one is
    added.
    """
    status = link.stat()
    target = (status.st_dev, status.st_ino)
    if target in visited:
        return False
    visited.add(target)
    real = os.path.realpath(link.path)
    return not any(_holds(real, place) for place in (top, os.path.dirname(link.path)))  # noqa: PTH120 - as above


def _holds(folder: str, place: str) -> bool:
    """Return whether a path is a folder, or is in it, once its links are resolved."""
    return (os.path.realpath(place) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def named_path(name: str) -> Path:
    """Return the path that a variable or a setting names, with `~` replaced by a user's home."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user
        return Path(name)


def application_folders(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return where applications keep their settings: on Linux, on macOS and on Windows.

    The home may be of another system, such as a home of Windows that is seen from WSL.
    """
    shared = environment.get("XDG_CONFIG_HOME")
    return (
        *((named_path(shared),) if shared else ()),
        home / ".config",
        home / "Library" / "Application Support",
        home / "AppData" / "Roaming",
    )


def listed_roots(
    environment: Environment, variable: str, *defaults: Path, below: str = ""
) -> tuple[Path, ...]:
    """Return the paths in a comma-separated variable, or else the defaults, without duplicates."""
    given = [part.strip() for part in environment.get(variable, "").split(",") if part.strip()]
    bases = [named_path(part) for part in given] or list(defaults)
    return tuple(dict.fromkeys(base / below if below else base for base in bases))


@lru_cache(maxsize=1024)
def tool_label(name: str) -> str:
    """Return the label of a tool; all tools of an MCP server share a label with its name."""
    server = MCP_TOOL.match(name)
    return f"mcp:{server[1]}" if server else name or "unknown"
