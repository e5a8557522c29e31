"""The agent pi.

Its transcripts are `<base directory>/sessions/<folder>/*.jsonl`, one for each session. The reader
was checked with versions 0.73.1 and 1.5.2. The format of the files is documented in
packages/coding-agent/docs/session-format.md of https://github.com/earendil-works/pi; see also
tests/agents/pi/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import MAX_DEPTH, Agent, Environment, listed_roots, named_path, walk
from agtop_exporter.agents.pi.reader import SessionParser
from agtop_exporter.agents.pi.records import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.files import BYTE_ORDER_MARK
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.signature import ProcessSignature

NAME = "pi"


class Settings(msgspec.Struct, rename="camel"):
    """The decoded members of `settings.json`. The file has other members, too."""

    session_dir: str | None = None


def read(path: str, cursor: Cursor) -> Batch:
    """Read one session file after a cursor. Raises OSError."""
    return read_jsonl(NAME, SessionParser, path, cursor)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions.

    These are the default folders and the folders in the settings. If the variable
    PI_CODING_AGENT_SESSION_DIR is set, only its folder is returned.
    """
    if sessions := environment.get("PI_CODING_AGENT_SESSION_DIR"):
        return (named_path(sessions),)
    bases = base_directories(home, environment)
    named = (named_path(clean_path(settings(base).session_dir or "")) for base in bases)
    # A relative path is relative to the unknown project in which pi was started.
    return (*(base / "sessions" for base in bases), *(path for path in named if path.is_absolute()))


def base_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the base directories of pi, which contain the user's settings."""
    return listed_roots(environment, "PI_CODING_AGENT_DIR", home / ".pi" / "agent")


def settings(base: Path) -> Settings:
    """Return the user's settings in a base directory.

    Return empty settings if the file cannot be read.
    """
    path = base / "settings.json"
    try:
        text = path.read_bytes() if path.is_file() else b"{}"
        return msgspec.json.decode(text.removeprefix(BYTE_ORDER_MARK), type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Settings()


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files below a root.

    Files of sessions are `<folder>/*.jsonl`. Files of subagents are in deeper folders.
    """
    return walk(root, suffix=".jsonl", depth=MAX_DEPTH)


AGENT = Agent(
    name=NAME,
    title="pi",
    roots=roots,
    bases=base_directories,
    files=files,
    read=read,
    signature=ProcessSignature(
        titles=frozenset({"pi"}),  # many other programs have this name
        packages=("@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
    ),
    unread=((".omp/agent/sessions", "sessions of oh-my-pi"),),
    known_types=KNOWN_TYPES,
    effort_source="thinking_level_change.thinkingLevel or message.thinkingLevel",
    exact="tokens and cost of each response",
    not_in_files="the version, the context window and rate limits",
    versions_seen=("1.6.0", "1.5.2", "0.73.1"),
)
