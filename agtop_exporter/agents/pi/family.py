"""The code for pi and for the programs that were made from it.

The programs have the same session files. The names of their folders, variables and processes
differ, and some have further entries.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import MAX_DEPTH, Environment, named_path, walk
from agtop_exporter.agents.pi.reader import SESSION_NAME, SessionParser
from agtop_exporter.agents.pi.records import (
    KNOWN_TYPES,
    Record,
    Usage,
    corrected,
    token_counts,
)
from agtop_exporter.existence import is_file
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.files import BYTE_ORDER_MARK
from agtop_exporter.reading.jsonl import read_jsonl

__all__ = [
    "EFFORT_SOURCE",
    "KNOWN_TYPES",
    "Record",
    "SessionParser",
    "Usage",
    "corrected",
    "files",
    "read",
    "session_folders",
    "token_counts",
]

COPY = "_transcript.jsonl"  # end of the name of a second record of a subagent
EFFORT_SOURCE = "thinking_level_change.thinkingLevel or message.thinkingLevel"


class Settings(msgspec.Struct, rename="camel"):
    """The decoded members of `settings.json`. The file has other members, too."""

    session_dir: str | None = None


def read(
    path: str, cursor: Cursor, *, agent: str, parser: type[SessionParser] = SessionParser
) -> Batch:
    """Read one session file after a cursor. Raises OSError.

    `agent` is the name of the agent, and `parser` the parser of its session files.
    """
    return read_jsonl(agent, parser, path, cursor)


def session_folders(
    bases: tuple[Path, ...], environment: Environment, *variables: str
) -> tuple[Path, ...]:
    """Return the folders that contain sessions.

    These are the default folders and the folders in the settings. If one of the variables is set,
    only its folder is returned. `bases` are the base directories.
    """
    for variable in variables:
        if sessions := environment.get(variable):
            return (named_path(sessions),)
    named = (named_path(clean_path(settings(base).session_dir or "")) for base in bases)
    # A relative path is relative to the unknown project in which the program was started.
    return (*(base / "sessions" for base in bases), *(path for path in named if path.is_absolute()))


def settings(base: Path) -> Settings:
    """Return the user's settings in a base directory.

    Return empty settings if the file cannot be read.
    """
    path = base / "settings.json"
    try:
        text = path.read_bytes() if is_file(path) else b"{}"
        return msgspec.json.decode(text.removeprefix(BYTE_ORDER_MARK), type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Settings()


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files below a root.

    Files of sessions are `<folder>/*.jsonl`. Files of subagents are in deeper folders. The
    extension pi-subagents writes a second record of each subagent, which is left out.
    """
    for entry in walk(root, suffix=".jsonl", depth=MAX_DEPTH):
        if not entry.name.endswith(COPY) or SESSION_NAME.fullmatch(entry.name):
            yield entry
