"""Reads `history.jsonl`, in which Antigravity's command line tool stores the user's prompts.

Conversation files of older versions are encrypted. The first prompt of a conversation in the
history gives the folder and the start time of the conversation. The texts of prompts are not read.
See tests/agents/antigravity/README.
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
    """One line of the history: a prompt. Its other members, such as the text, are not decoded."""

    conversation_id: str = ""
    workspace: str = ""
    timestamp: float = 0.0  # milliseconds


class Place(msgspec.Struct, frozen=True, gc=False):
    """The working directory of a conversation, and its start in unix seconds (0 if unknown)."""

    folder: str = ""
    began: float = 0.0


def place(conversation: Path) -> Place:
    """Return the working directory and the start of a conversation, as in the history file.

    `conversation` is the path of the conversation file. If the history file does not list the
    conversation, the directory is "" and the start is 0.
    """
    history = conversation.parent.parent / NAME
    try:
        status = history.stat()
    except OSError:
        return Place()
    places = _places(os.fspath(history), status.st_size, status.st_mtime_ns)
    return places.get(conversation.stem.lower(), Place())


@lru_cache(maxsize=4)
def _places(path: str, size: int, mtime_ns: int) -> dict[str, Place]:  # noqa: ARG001 - the version of the file
    """Return the working directory and the start of each conversation in a history file, by id.

    `size` and `mtime_ns` are part of the cache key, so that a changed file is read again.
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
