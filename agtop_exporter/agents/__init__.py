"""Defines the `Agent` value, and loads the agents of this package.

An agent is a module or package here that defines `AGENT = Agent(...)`. Agents are found by that
name, so there is no list of them, and no module outside this package names an agent.
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

# limit of nested folders: a subagent's sessions can be in the folder of its parent's subagents
MAX_DEPTH = 12
MAY_FOLLOW: ContextVar[Callable[[str], bool]] = ContextVar("may_follow", default=lambda _path: True)
"""Returns whether a symbolic link may be followed. The file system of its target may not respond.
"""
MCP_TOOL = re.compile(r"^mcp__(.+?)__")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The description of one agent.

    `home` is a home directory, and `environment` are the environment variables. `roots` returns
    directories or files that may contain transcripts, whether they exist or not. `files` lists the
    transcripts below one root. `read` returns the batch of one transcript after a cursor; it raises
    OSError if it cannot read the file.
    """

    name: str
    """Value of the `agent` label: lower case, and never changed."""
    title: str
    """The product's name."""
    roots: Callable[[Path, Environment], tuple[Path, ...]]
    files: Callable[[Path], Iterable[Entry]]
    read: Callable[[str, Cursor], Batch]
    bases: Callable[[Path, Environment], tuple[Path, ...]] = lambda _home, _environment: ()
    """Returns the directories with the agent's settings, from which `roots` may read.

    `roots` and `bases` access the file system only to read these settings.
    """
    aliases: tuple[str, ...] = ()
    """Other names that `--agent` accepts, in lower case."""
    signature: ProcessSignature = ProcessSignature()
    """The properties by which its processes are recognized. The default matches no process."""
    live_registry: Callable[[Path, Environment], RegistryReading] | None = None
    """Returns the agent's own list of its live processes; None if the agent has none."""
    plan: Callable[[Path, Environment], str] = lambda _home, _environment: ""
    """Returns the name of the account's plan; "" if unknown."""
    plan_covers: frozenset[Plan] = frozenset()
    """Values of `--plan`, besides `included`, for which the usage of this agent is not billed."""
    known_types: frozenset[str] = frozenset()
    """Record types that the reader handles. All other types are counted as format drift."""
    not_in_files: str = ""
    """Usage that the agent's files do not contain, as a phrase."""
    worktrees: Mapping[str, int] = {}
    """Folders in which the agent keeps worktrees, for project names.

    The key is the name of the folder. The value is the position of the repository in the path below
    its folder `worktrees` (see PathNames).
    """
    unread: tuple[tuple[str, str], ...] = ()
    """Files that may contain usage but are not read: (path pattern below the home, reason)."""


def agent_modules() -> tuple[str, ...]:
    """Return the names of all agent modules, sorted, without importing them."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def load_agents() -> tuple[Agent, ...]:
    """Import every agent module, in the order of their names."""
    return tuple(importlib.import_module(f"{__name__}.{name}").AGENT for name in agent_modules())


def signatures_of(agents: Iterable[Agent]) -> dict[str, ProcessSignature]:
    """Return the process signatures by agent name."""
    return {agent.name: agent.signature for agent in agents}


def covered_by(plan: Plan, agents: Iterable[Agent]) -> frozenset[str]:
    """Return the names of the agents whose usage is not billed with a value of `--plan`."""
    return frozenset(a.name for a in agents if plan == "included" or plan in a.plan_covers)


def walk(
    directory: Path | str, *, suffix: str | tuple[str, ...], depth: int
) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a suffix, at most `depth` directories below.

    Symbolic links to files and directories are followed. Files that are not below a link come
    first. A link is not followed if its target contains the link or `directory`, or if another link
    has led to the target, so every loop ends. A file with two paths may be listed twice.

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


def named_files(directory: Path | str, name: str, *, depth: int = 0) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a name, at most `depth` directories below."""
    return (entry for entry in walk(directory, suffix=name, depth=depth) if entry.name == name)


def _entries(path: str) -> list[os.DirEntry[str]] | None:
    """Return the entries of a directory; None without read permission."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except PermissionError:
        return None
    except OSError:
        return []


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a regular file, or a link to one that may be followed."""
    try:
        return _may_look(entry) and entry.is_file()
    except OSError:  # a link to itself, or to a directory without permission
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory, or a link to one that may be followed."""
    try:
        return _may_look(entry) and entry.is_dir()
    except OSError:  # as in `is_file`
        return False


def _may_look(entry: os.DirEntry[str]) -> bool:
    return not entry.is_symlink() or MAY_FOLLOW.get()(entry.path)


def _is_new(link: os.DirEntry[str], top: str, visited: set[tuple[int, int]]) -> bool:
    """Return whether a directory link leads to files that the walk from `top` has not listed.

    `visited` has the (device, inode) of each directory that a link has led to. The target of `link`
    is added to it.
    """
    status = link.stat()
    target = (status.st_dev, status.st_ino)
    if target in visited:
        return False
    visited.add(target)
    real = os.path.realpath(link.path)
    return not any(_holds(real, place) for place in (top, os.path.dirname(link.path)))  # noqa: PTH120 - as above


def _holds(folder: str, place: str) -> bool:
    """Return whether `place` is `folder` or is inside it, after resolving links."""
    return (os.path.realpath(place) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def named_path(name: str) -> Path:
    """Return the path in a variable or setting, with `~` expanded."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user
        return Path(name)


def application_folders(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of application settings, as on Linux, macOS and Windows.

    All of them are returned on every system, because the home may belong to another system, such as
    a Windows home that is read from WSL.
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
    """Return the label of a tool. All tools of an MCP server share the label of the server."""
    server = MCP_TOOL.match(name)
    return f"mcp:{server[1]}" if server else name or "unknown"
