"""Defines the class `Agent`, and imports the agents of this package.

Each module or subpackage of this package describes one agent with `AGENT = Agent(...)`. The agents
are found by the name `AGENT`. So there is no list of agents, and no module outside this package
names an agent.
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

from agtop_exporter.model import Batch, Cursor, Plan, StatusLine
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.signature import ProcessSignature, RegistryReading

Environment = Mapping[str, str]
Entry = os.DirEntry[str] | FileGroup

# Maximum depth of folders. A subagent can have subagents, whose sessions are in a deeper folder.
MAX_DEPTH = 12
MAY_FOLLOW: ContextVar[Callable[[str], bool]] = ContextVar("may_follow", default=lambda _path: True)
"""Function that receives the path of a symbolic link and returns whether it may be followed.

The function prevents access to link targets on a file system that does not respond.
"""
ON_CLOSED: ContextVar[Callable[[str, OSError], None]] = ContextVar(
    "on_closed", default=lambda _path, _error: None
)
"""Function that receives the path of a directory that cannot be listed, and the error."""
MCP_TOOL = re.compile(r"^mcp__(.+?)__")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The description of one agent: where its transcripts are, and how they are read.

    The functions in the fields receive `home`, a home directory, and `environment`, the environment
    variables. `roots` returns the directories or files that may contain transcripts; they may be
    missing. `files` lists the transcripts below one root. `read` reads one transcript after a
    cursor and returns a Batch. `read` raises OSError if it cannot read the file.
    """

    name: str
    """The value of the `agent` label, in lower case. It never changes."""
    title: str
    """The product's name."""
    roots: Callable[[Path, Environment], tuple[Path, ...]]
    files: Callable[[Path], Iterable[Entry]]
    read: Callable[[str, Cursor], Batch]
    bases: Callable[[Path, Environment], tuple[Path, ...]] = lambda _home, _environment: ()
    """Function that returns the directories with the agent's settings.

    `roots` and `bases` may read these settings, and list these directories. They do not access any
    other file.
    """
    aliases: tuple[str, ...] = ()
    """Other names that `--agent` accepts, in lower case."""
    signature: ProcessSignature = ProcessSignature()
    """Recognizes the processes of the agent. The default matches no process."""
    live_registry: Callable[[Path, Environment], RegistryReading] | None = None
    """Function that reads the live processes from a list that the agent itself writes.

    None if the agent writes no such list.
    """
    plan: Callable[[Path, Environment], str] = lambda _home, _environment: ""
    """Function that returns the name of the user's subscription plan; "" if unknown."""
    account: Callable[[Path], str] = lambda _folder: ""
    """Function that returns the name of an account; "" for the account in the default directory.

    Its argument is the parent of a root. All files below that directory belong to the account.
    """
    account_plan: Callable[[Path], str] = lambda _folder: ""
    """Function that returns the subscription plan of an account; "" if unknown.

    Its argument is the same as that of `account`.
    """
    status_line: Callable[[bytes, float], StatusLine | None] | None = None
    """Function that decodes the data that the agent sends to its status line command.

    Its arguments are the data, and the present time in unix seconds. It returns None if another
    agent sent the data or the data is malformed. The field itself is None if the agent has no such
    command.
    """
    plan_covers: frozenset[Plan] = frozenset()
    """Values of `--plan` for which the usage of this agent is not billed.

    The value `included` has this effect for every agent and is not listed here.
    """
    known_types: frozenset[str] = frozenset()
    """Record types that the reader knows. Records of other types are counted as format drift."""
    effort_source: str = ""
    """A text for users: the members of records from which `read` takes the reasoning effort.

    The most frequent member comes first. Empty if the reader finds no reasoning effort.
    """
    exact: str = ""
    """A phrase that describes the figures that the agent's files contain exactly."""
    not_in_files: str = ""
    """A phrase that describes the usage that the agent's files do not contain."""
    versions_seen: tuple[str, ...] = ()
    """The versions whose files were examined, the newest first. Empty if no files were seen."""
    worktrees: Mapping[str, int] = {}
    """Folders with Git worktrees of the agent, from whose paths project names are derived.

    The key is the name of a folder, such as `.codex`. The worktrees are in `<key>/worktrees`. The
    value is 0 if their path there is `<repository>/<id>`, and 1 if it is `<id>/<repository>`.
    """
    unread: tuple[tuple[str, str], ...] = ()
    """Files that may contain usage but are not read.

    Each item is (path pattern relative to the home directory, reason why the files are not read).
    """


def agent_modules() -> tuple[str, ...]:
    """Return the names of all agent modules, sorted, without importing them."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def each_agent() -> Iterator[Agent]:
    """Import one agent module after another in the order of their names, and yield its agent."""
    for name in agent_modules():
        yield importlib.import_module(f"{__name__}.{name}").AGENT


def load_agents() -> tuple[Agent, ...]:
    """Import all agent modules in the order of their names, and return their agents."""
    return tuple(each_agent())


def signatures_of(agents: Iterable[Agent]) -> dict[str, ProcessSignature]:
    """Return the process signature of each agent, by agent name."""
    return {agent.name: agent.signature for agent in agents}


def covered_by(plan: Plan, agents: Iterable[Agent]) -> frozenset[str]:
    """Return the names of the agents whose usage is not billed under `plan`.

    `plan` is a value of the option `--plan`.
    """
    return frozenset(a.name for a in agents if plan == "included" or plan in a.plan_covers)


def walk(
    directory: Path | str, *, suffix: str | tuple[str, ...], depth: int
) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a name suffix in a directory and its subdirectories.

    `depth` is the number of levels of subdirectories that are searched. If it is 0, only
    `directory` itself is searched.

    Symbolic links to files and directories are followed. Files that are not below a link come
    first. A link is not followed if its target contains the link or `directory`. A link is also not
    followed if another link has led to the same target. So every loop ends. A file with two paths
    may be listed twice.

    ON_CLOSED receives a directory that cannot be listed, for example without permission. A
    directory that does not exist, or that disappears during the walk, is skipped.
    """
    pending: deque[tuple[str, int]] = deque([(str(directory), depth)])
    linked: deque[tuple[str, int]] = deque()
    visited: set[tuple[int, int]] = set()
    while pending or linked:
        path, depth_left = (pending or linked).popleft()
        for entry in entries_of(path):
            if entry.name.endswith(suffix):
                if is_file(entry):
                    yield entry
            elif depth_left and is_folder(entry):
                if not entry.is_symlink():
                    pending.append((entry.path, depth_left - 1))
                elif _is_new(entry, str(directory), visited):
                    linked.append((entry.path, depth_left - 1))


def named_files(directory: Path | str, name: str, *, depth: int = 0) -> Iterator[os.DirEntry[str]]:
    """List the regular files with a given name in a directory and its subdirectories.

    `depth` is the number of levels of subdirectories that are searched.
    """
    return (entry for entry in walk(directory, suffix=name, depth=depth) if entry.name == name)


def entries_of(path: Path | str) -> list[os.DirEntry[str]]:
    """Return the entries of a directory; an empty list if the directory cannot be listed.

    ON_CLOSED receives a directory that exists and cannot be listed.
    """
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        ON_CLOSED.get()(os.fspath(path), error)
        return []


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a regular file or a symbolic link to a regular file.

    Return False if the link must not be followed.
    """
    try:
        return entry.is_file(follow_symlinks=False) or (_may_look(entry) and entry.is_file())
    except OSError:  # a link to itself, or to a directory without permission
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory or a symbolic link to a directory.

    Return False if the link must not be followed.
    """
    try:
        return _may_look(entry) and entry.is_dir()
    except OSError:  # as in `is_file`
        return False


def _may_look(entry: os.DirEntry[str]) -> bool:
    return not entry.is_symlink() or MAY_FOLLOW.get()(entry.path)


def _is_new(link: os.DirEntry[str], top: str, visited: set[tuple[int, int]]) -> bool:
    """Return whether the walk from the directory `top` should follow a link to a directory.

    The link is not followed if its target contains `top` or the link itself, or if the target is in
    `visited`. `visited` has the (device, inode) of each directory that a link has led to. This
    function adds the target of `link` to `visited`.
    """
    status = link.stat()
    target = (status.st_dev, status.st_ino)
    if target in visited:
        return False
    visited.add(target)
    real = os.path.realpath(link.path)
    return not any(_holds(real, place) for place in (top, os.path.dirname(link.path)))  # noqa: PTH120 - as above


def _holds(folder: str, place: str) -> bool:
    """Return whether `place` is `folder` or a path inside `folder`, after links are resolved."""
    return (os.path.realpath(place) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def named_path(name: str) -> Path:
    """Convert the value of a variable or setting to a path.

    `~` at the start is expanded to the home directory, if the user exists.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user
        return Path(name)


def application_folders(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders in which applications store settings on Linux, macOS and Windows.

    The folders of all three systems are returned on every system, because the home directory may
    belong to another system. An example is a Windows home directory that is read from WSL. A folder
    in a variable of the system (XDG_CONFIG_HOME or APPDATA) comes first.
    """
    named = (environment.get(name) for name in ("XDG_CONFIG_HOME", "APPDATA"))
    defaults = (".config", "Library/Application Support", "AppData/Roaming")
    folders = (*map(named_path, filter(None, named)), *(home / folder for folder in defaults))
    return tuple(dict.fromkeys(folders))


def listed_roots(
    environment: Environment, variable: str, *defaults: Path, below: str = ""
) -> tuple[Path, ...]:
    """Return the paths in an environment variable, without duplicates.

    The variable has paths that are separated by commas. If the variable has no path, `defaults` are
    returned. `below` is a relative path that is appended to each returned path.
    """
    given = [part.strip() for part in environment.get(variable, "").split(",") if part.strip()]
    bases = [named_path(part) for part in given] or list(defaults)
    return tuple(dict.fromkeys(base / below if below else base for base in bases))


@lru_cache(maxsize=1024)
def tool_label(name: str) -> str:
    """Return the value of the tool label for a tool name; "unknown" for an empty name.

    All tools of one MCP server have the same value, which contains the name of the server.
    """
    server = MCP_TOOL.match(name)
    return f"mcp:{server[1]}" if server else name or "unknown"
