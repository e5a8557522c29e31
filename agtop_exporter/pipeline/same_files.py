"""Finds different paths that lead to the same file: links, and old paths of renamed files."""

import os
from collections import defaultdict
from collections.abc import Mapping

from agtop_exporter.model import Cursor


def places_of(cursors: Mapping[str, Cursor]) -> dict[tuple[int, int], str]:
    """Return the path of each file that has been read, as {(device, inode): path}."""
    return {(cursor.device, cursor.inode): path for path, cursor in cursors.items()}


def chosen_paths(
    cursors: Mapping[str, Cursor], changed: Mapping[str, os.stat_result]
) -> dict[tuple[int, int], str]:
    """Return the path by which to read each new file, as {(device, inode): path}.

    `changed` has the status of each new or changed file by path. A path without a cursor is new. If
    several new paths lead to the same file, a path without symbolic links is preferred, and then
    the path that is first in alphabetical order. A file without an inode is absent from the result,
    because directory listings on Windows have no inodes.
    """
    chosen: dict[tuple[int, int], str] = {}
    other_paths: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for path, status in changed.items():
        if path not in cursors and status.st_ino:
            file = (status.st_dev, status.st_ino)
            if chosen.setdefault(file, path) is not path:
                other_paths[file].append(path)
    for file, paths in other_paths.items():
        chosen[file] = min(
            (chosen[file], *paths), key=lambda path: (os.path.realpath(path) != path, path)
        )
    return chosen


def is_same_file(path: str, status: os.stat_result) -> bool:
    """Return whether a path still leads to the file to which `status` belongs."""
    try:
        return os.path.samestat(os.stat(path), status)  # noqa: PTH116 - hot path
    except OSError:
        return False
