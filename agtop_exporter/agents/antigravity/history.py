"""The prompts that the command line tool stores in `history.jsonl` beside its conversations.

Only the folder and the time of each prompt are used. They describe conversations of older versions,
which are encrypted. See tests/agents/antigravity/README.
"""

import os
from functools import lru_cache
from pathlib import Path

import msgspec

from agtop_exporter.agents.antigravity.messages import EARLIEST, LATEST
from agtop_exporter.paths import path_of_uri
from agtop_exporter.reading.files import read_head

NAME = "history.jsonl"
READ_BYTES = 4 * 1024 * 1024


class Prompt(msgspec.Struct, gc=False, rename="camel"):
    """One line. Only these members are decoded."""

    conversation_id: str = ""
    workspace: str = ""
    timestamp: float = 0.0  # milliseconds


class Place(msgspec.Struct, frozen=True, gc=False):
    """The folder of a conversation, and its start in unix seconds (0 if unknown)."""

    folder: str = ""
    began: float = 0.0


def place(conversation: Path) -> Place:
    """Return the folder and start of a conversation file, from the history beside its folder."""
    history = conversation.parent.parent / NAME
    try:
        status = history.stat()
    except OSError:
        return Place()
    places = _places(os.fspath(history), status.st_size, status.st_mtime_ns)
    return places.get(conversation.stem.lower(), Place())


@lru_cache(maxsize=4)
def _places(path: str, size: int, mtime_ns: int) -> dict[str, Place]:  # noqa: ARG001 - the version of the file
    """Return folder and start of all conversations in a history file, by id.

    `size` and `mtime_ns` identify the version of the file in the cache.
    """
    try:
        lines = read_head(path, READ_BYTES).splitlines()
    except OSError:
        return {}
    found: dict[str, Place] = {}
    for line in lines:
        try:
            prompt = DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        key, time = prompt.conversation_id.lower(), prompt.timestamp / 1000
        if key and key not in found:  # the lines are in order of their times
            found[key] = Place(_folder(prompt), time if EARLIEST < time < LATEST else 0.0)
    return found


def _folder(prompt: Prompt) -> str:
    workspace = prompt.workspace
    return path_of_uri(workspace) if workspace.startswith("file://") else workspace


DECODER = msgspec.json.Decoder(Prompt)
