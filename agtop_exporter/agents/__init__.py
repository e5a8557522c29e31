"""What an agent is, and how all of them are found.

An agent is one module of this package that ends with `AGENT = Agent(...)`; there is no list to
edit. Nothing here knows a particular agent.
"""

import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.file_group import FileGroup
from agtop_exporter.model import Batch, Cursor

Environment = Mapping[str, str]
Entry = os.DirEntry[str] | FileGroup

MCP_TOOL = re.compile(r"^mcp__(.+?)__")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Where one agent writes, and how to read it.

    `roots` gives the directories (or single files) to look at, existing or not; `files` lists the
    transcripts below one root; `read` reads what is new in one of them and raises OSError where it
    cannot.
    """

    name: str  # value of the `agent` label
    title: str  # as people write it
    roots: Callable[[Path, Environment], tuple[Path, ...]]
    files: Callable[[Path], Iterable[Entry]]
    read: Callable[[str, Cursor], Batch]
    plan: Callable[[Path, Environment], str] = lambda _home, _environment: ""  # of the account
    not_in_files: str = ""  # usage that nobody can count from its files


def agent_modules() -> tuple[str, ...]:
    """Return the names of all agent modules, sorted, without importing them."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def load_agents() -> tuple[Agent, ...]:
    """Import every agent module, in the order of their names."""
    return tuple(importlib.import_module(f"{__name__}.{name}").AGENT for name in agent_modules())


def walk(directory: Path | str, *, suffix: str, depth: int) -> Iterator[os.DirEntry[str]]:
    """List the files with a suffix at most `depth` directories below; no symbolic link is followed.

    A directory that may not be looked into stands for its files, so that it is told; one that
    vanishes meanwhile is passed over.
    """
    waiting: list[tuple[str, int, os.DirEntry[str] | None]] = [(str(directory), depth, None)]
    for path, depth_left, itself in waiting:
        try:
            entries = list(os.scandir(path))
        except PermissionError:
            if itself is not None:
                yield itself
            continue
        except OSError:
            continue
        for entry in entries:
            if entry.name.endswith(suffix):
                if entry.is_file(follow_symlinks=False):
                    yield entry
            elif depth_left and entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, depth_left - 1, entry))


def named_path(name: str) -> Path:
    """Return the path that a variable or a setting names, with `~` replaced by a user's home."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user
        return Path(name)


def listed_roots(
    environment: Environment, variable: str, *defaults: Path, below: str = ""
) -> tuple[Path, ...]:
    """Return the roots of a comma-separated variable, else the defaults; each once."""
    given = [part.strip() for part in environment.get(variable, "").split(",") if part.strip()]
    bases = [named_path(part) for part in given] or list(defaults)
    return tuple(dict.fromkeys(base / below if below else base for base in bases))


@lru_cache(maxsize=1024)
def tool_label(name: str) -> str:
    """Name a tool for a label: the tools of an MCP server are one, named after their server."""
    server = MCP_TOOL.match(name)
    return f"mcp:{server[1]}" if server else name or "unknown"
