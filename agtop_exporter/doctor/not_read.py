"""Finds the installed agents that are not read.

The file `agents/not_read.toml` describes these agents. The metrics do not include their usage, and
no usage is estimated. Therefore `doctor` shows the reason why an agent is not read.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from agtop_exporter import agents
from agtop_exporter.doctor.places import matches
from agtop_exporter.folders import Folders

FILE = "not_read.toml"


class UnreadAgent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent that is not read, as `agents/not_read.toml` describes it.

    `places` are glob patterns relative to a home. `programs` are names of executable files.
    `source` is the source of the reason.
    """

    name: str
    title: str
    reason: str
    source: str
    places: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class InstalledAgent(msgspec.Struct, frozen=True):
    """An installed agent that is not read."""

    agent: Annotated[str, Meta(description="A name for programs, which never changes.")]
    title: Annotated[str, Meta(description="The name of the product.")]
    found: Annotated[tuple[str, ...], Meta(description="The paths that show that it is installed.")]
    reason: Annotated[str, Meta(description="Why it is not read.")]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    agents: tuple[UnreadAgent, ...]


def unread_agents() -> tuple[UnreadAgent, ...]:
    """Return all agents that are known and not read, sorted by name."""
    text = files(agents).joinpath(FILE).read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=_Document).agents


def installed_unread(
    homes: Sequence[Path], search_path: str, folders: Folders
) -> tuple[InstalledAgent, ...]:
    """Return the agents that are not read and are installed, sorted by name.

    `search_path` is the value of the variable PATH. Homes and directories in `search_path` that do
    not respond are not searched.
    """
    responding = [home for home in homes if not folders.trouble_with(str(home), below=True)]
    directories = (
        directory
        for directory in search_path.split(os.pathsep)
        if os.path.isabs(directory) and not folders.trouble_with(directory)  # noqa: PTH117 - text
    )
    which = partial(shutil.which, path=os.pathsep.join(directories))
    found = (
        (agent, (*_places(agent, responding), *filter(None, map(which, agent.programs))))
        for agent in unread_agents()
    )
    return tuple(
        InstalledAgent(agent.name, agent.title, paths, agent.reason)
        for agent, paths in found
        if paths
    )


def _places(agent: UnreadAgent, homes: Sequence[Path]) -> Iterator[str]:
    for home in homes:
        for pattern in agent.places:
            yield from map(str, matches(home, pattern))
