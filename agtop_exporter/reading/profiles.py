"""Finds directories of further accounts, which a user made beside an agent's default directory."""

import re
from pathlib import Path

from agtop_exporter.labels import account_label
from agtop_exporter.reading.listing import entries_of

PROFILES_MAX = 15  # directories of further accounts beside a default directory
PROFILE = re.compile(r"(?!.*\.json)[-_.0-9].*")
"""Pattern of the text that a user appends to the name of the default directory.

In `.agent-work` it is `-work`, and in `.agent2` it is `2`.
"""


def profile_folders(home: Path, default: str) -> tuple[Path, ...]:
    """Return the directories of further accounts in a home, which the user made beside `default`.

    With the default `.agent`, examples are `.agent-work` and `.agent2`. At most PROFILES_MAX
    directories are returned. Files are not accessed, so a returned directory may be something else.
    """
    accounts = (name for name in home_names(home) if name.startswith(default))
    chosen = [name for name in accounts if PROFILE.fullmatch(name.removeprefix(default))]
    return tuple(home / name for name in chosen[:PROFILES_MAX])


def home_names(home: Path) -> list[str]:
    """Return the names of the entries of a home, sorted; an empty list if it cannot be listed.

    A home that cannot be listed is not reported, because its default directories may be readable.
    """
    try:
        return sorted(path.name for path in home.iterdir())
    except OSError:
        return []


def named_profiles(folder: Path) -> tuple[Path, ...]:
    """Return the directories of the profiles in a folder, one for each name.

    At most PROFILES_MAX directories are returned. Files are not accessed, so a returned directory
    may be something else.
    """
    return tuple(folder / name for name in folder_names(folder)[:PROFILES_MAX])


def folder_names(folder: Path) -> list[str]:
    """Return the names of the entries of a folder, sorted; an empty list if it cannot be listed.

    ON_CLOSED receives a folder that exists and cannot be listed.
    """
    return sorted(entry.name for entry in entries_of(folder))


def account_of(folder: Path, *, default: str) -> str:
    """Return the name of the account whose files are in a directory.

    The name is that of the directory without leading dots, or "" for the default directory.
    """
    name = folder.name.lstrip(".")
    return "" if name.casefold() == default.lstrip(".") else account_label(name)
