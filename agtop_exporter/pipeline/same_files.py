"""Finds the paths that lead to one file: symbolic and hard links, and renamed files."""

import os
from collections import defaultdict
from collections.abc import Mapping

from agtop_exporter.model import Cursor


def places_of(cursors: Mapping[str, Cursor]) -> dict[tuple[int, int], str]:
    """Return the paths that have been read, by device and inode."""
    return {(cursor.device, cursor.inode): path for path, cursor in cursors.items()}


def chosen_paths(
    cursors: Mapping[str, Cursor], changed: Mapping[str, os.stat_result]
) -> dict[tuple[int, int], str]:
    """Return the new files by device and inode, each with the path to read it by.

    Of several paths it is the first in their order that leads through no link. Windows gives no
    inode in a listing: such a file has one path.
    """
    chosen: dict[tuple[int, int], str] = {}
    twins: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for path, status in changed.items():
        if path not in cursors and status.st_ino:
            file = (status.st_dev, status.st_ino)
            if chosen.setdefault(file, path) is not path:
                twins[file].append(path)
    for file, paths in twins.items():
        chosen[file] = min(
            (chosen[file], *paths), key=lambda path: (os.path.realpath(path) != path, path)
        )
    return chosen


def is_same_file(path: str, status: os.stat_result) -> bool:
    """Return whether a path still leads to the file with this status."""
    try:
        return os.path.samestat(os.stat(path), status)  # noqa: PTH116 - hot path
    except OSError:
        return False
