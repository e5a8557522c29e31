"""Lists the files of sessions of OpenCode up to version 1.1, and relates their paths.

A session is `storage/session/*/ses_*.json`, a message is `storage/message/<session>/msg_*.json`,
and a part is `storage/part/<message>/prt_*.json`. A crash or an incomplete copy can leave messages
without the file of their session.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from agtop_exporter.agents import walk
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.listing import entries_of, is_folder

ID_BYTES_MAX = 250  # the name of a file has at most 255 bytes
NUMBERED = re.compile(r"_(\d{1,9})\.json$")  # for the order: msg_2 precedes msg_10


def files(root: Path) -> Iterator[FileGroup]:
    """List the sessions below the data directory `root`.

    A session without a file is listed by the path of its first message.
    """
    listed = set()
    for entry in walk(root / "storage" / "session", suffix=".json", depth=1):
        listed.add(name_of(entry.path))
        yield session_group(entry.path)
    for folder in entries_of(root / "storage" / "message"):
        if folder.name in listed or folder.is_symlink() or not clean_path(folder.name):
            continue  # a link has the messages of a session with another name
        if is_folder(folder):
            for path, _ in listed_files(folder.path)[:1]:
                yield session_group(path)


def session_group(path: str) -> FileGroup:
    """Return the paths whose changes show that a session or one of its messages has changed.

    They are `path`, which is the session's file or its first message, the folder of its messages,
    its last message and its parts.
    """
    folder = f"{storage_of(path)}/message/{session_id_of(path)}"
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - called at each refresh
    except OSError:
        return FileGroup(path, (folder,))
    return FileGroup(path, (folder, *newest_file(folder, changed)))


@lru_cache(maxsize=16_384)
def newest_file(folder: str, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - part of the key
    """Return the path of the last message in a folder, and the path of the folder with its parts.

    Only the last message can still change. Returns () if the folder is empty.
    `changed_ns` is the modification time of the folder, as a part of the cache key.
    """
    return tuple(each for path, _ in listed_files(folder)[-1:] for each in (path, parts_of(path)))


def name_of(path: str) -> str:
    """Return the id of a session or message, which is its file name without `.json`."""
    return path.rpartition("/")[2].removesuffix(".json")


def session_id_of(path: str) -> str:
    """Return the id of a session by the path of its file or of one of its messages."""
    _, kind, folder, name = path.rsplit("/", 3)
    return folder if kind == "message" else name.removesuffix(".json")


def parts_of(path: str) -> str:
    """Return the folder with the parts of the message at `path`."""
    return f"{storage_of(path)}/part/{name_of(path)}"


def named_as(message_id: str, path: str) -> str:
    """Return the path at which a message was found, with the message's id as the file name.

    A hard link to the file may have another name. The folder of the parts is named by the id. The
    result is `path` if the id cannot be the name of a file.
    """
    if "/" in message_id or len(message_id.encode(errors="replace")) > ID_BYTES_MAX:
        return path
    folder, _, name = path.rpartition("/")
    return f"{folder}/{clean_path(message_id) or name}.json"


def storage_of(path: str) -> str:
    """Return the `storage` folder that contains the file of a session or message."""
    return path.rsplit("/", 3)[0]


def listed_files(folder: str) -> list[tuple[str, int]]:
    """Return (path, modification time in nanoseconds) of the JSON files in a folder, in order.

    Files without a number are last.
    """
    found = []
    for entry in walk(folder, suffix=".json", depth=0):
        if not clean_path(entry.name):
            continue  # OpenCode's file names are ASCII
        try:
            found.append((entry.path, entry.stat().st_mtime_ns))
        except OSError:  # the file was removed after it was listed
            continue
    return sorted(found, key=lambda item: order_of(item[0]))


def changed_at(folder: str) -> int:
    """Return the modification time of a folder in nanoseconds; 0 if it does not exist."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - called for each message
    except (OSError, ValueError):
        return 0


def order_of(path: str) -> tuple[bool, int, str]:
    """Return the sort key of a message or part: its number, if its name has one, and its path."""
    numbered = NUMBERED.search(path)
    return (numbered is None, int(numbered[1]) if numbered else 0, path)
