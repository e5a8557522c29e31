"""Defines the class `Agent`, and imports the agents of this package.

Each module or subpackage of this package describes one agent with `AGENT = Agent(...)`. The agents
are found by the name `AGENT`. So there is no list of agents, and no module outside this package
names an agent.
"""

import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.model import Batch, Cursor, Plan, StatusLine
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.listing import entries_of, is_folder, named_files, walk
from agtop_exporter.signature import ProcessSignature, RegistryReading

__all__ = [
    "MAX_DEPTH",
    "MCP_TOOL",
    "Agent",
    "Entry",
    "Environment",
    "agent_modules",
    "application_folders",
    "covered_by",
    "each_agent",
    "entries_of",
    "is_folder",
    "listed_roots",
    "load_agents",
    "named_files",
    "named_path",
    "signatures_of",
    "tool_label",
    "walk",
]

Environment = Mapping[str, str]
Entry = os.DirEntry[str] | FileGroup

# Maximum depth of folders. A subagent can have subagents, whose sessions are in a deeper folder.
MAX_DEPTH = 12
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
