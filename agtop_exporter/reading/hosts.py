"""Finds the directories that other applications make for an agent, and their accounts.

An application that runs an agent can give the agent a directory of its own in place of the default
one, often one for each account, project or task.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from agtop_exporter.labels import account_label
from agtop_exporter.reading.profiles import folder_names, home_names


class Host(NamedTuple):
    """The directories that an application makes for an agent.

    `places` are paths below a home directory. A part of a path can have wildcards; `*` matches each
    name. `account` is the name of the account; "" if the agent uses the account of the default
    directory. A `*` in it stands for the name that the last wildcard of the path matches.
    """

    account: str
    places: tuple[str, ...]


def host_folders(home: Path, hosts: Iterable[Host]) -> tuple[Path, ...]:
    """Return the directories of several applications in a home directory.

    A returned directory may not exist. Only directories whose entries are matched with a wildcard
    are listed. ON_CLOSED receives such a directory if it exists and cannot be listed, unless it is
    the home directory itself.
    """
    places = (place for host in hosts for place in host.places)
    return tuple(dict.fromkeys(one for place in places for one in _matching(home, place, home)))


def _matching(folder: Path, place: str, home: Path) -> Iterator[Path]:
    part, _, below = place.partition("/")
    names = [part]
    if "*" in part:
        listed = home_names(home) if folder == home else folder_names(folder)
        names = [name for name in listed if fnmatchcase(name, part)]
    for name in names:
        if below:
            yield from _matching(folder / name, below, home)
        else:
            yield folder / name


@lru_cache(maxsize=1024)  # it is called for each directory of each refresh
def host_account(folder: Path, hosts: tuple[Host, ...]) -> str | None:
    """Return the name of the account of a directory; None if no application made the directory."""
    for host in hosts:
        for place in host.places:
            if folder.match(place):
                name = host.account.replace("*", _wildcard_name(folder, place))
                return account_label(name) if name else ""
    return None


def _wildcard_name(folder: Path, place: str) -> str:
    """Return the part of the path `folder` that the last wildcard of `place` matches; "" if none.

    The end of `folder` matches `place`.
    """
    pairs = zip(reversed(folder.parts), reversed(place.split("/")), strict=False)
    return next((name for name, part in pairs if "*" in part), "")
