"""Finds and reads the files of Cursor: its transcripts, and the database of the application.

Transcripts are `~/.cursor/projects/*/agent-transcripts/**.jsonl`. The code was not tested with a
real installation. The files are not documented; see tests/agents/cursor/README. Credentials are not
read.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import (
    MAX_DEPTH,
    Agent,
    Entry,
    Environment,
    application_folders,
    listed_roots,
    named_files,
    walk,
)
from agtop_exporter.agents.cursor import database, transcripts
from agtop_exporter.agents.cursor.processes import SIGNATURE
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import database_group

STATE = "state.vscdb"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folder of projects, and the possible folders of the application's database."""
    applications = application_folders(home, environment)
    return (
        *listed_roots(environment, "CURSOR_DATA_DIR", home / ".cursor", below="projects"),
        *(base / "Cursor" / "User" / "globalStorage" for base in applications),
    )


def files(root: Path) -> Iterator[Entry]:
    """List the transcripts below a folder of projects, or the database of the application."""
    if root.name == "globalStorage":
        for entry in named_files(root, STATE):
            yield database_group(entry.path)
    else:
        for entry in walk(root, suffix=".jsonl", depth=MAX_DEPTH):
            if transcripts.FOLDER in Path(entry.path).parts:
                yield entry


def read(path: str, cursor: Cursor) -> Batch:
    """Read the records after `cursor` in a transcript or the database. Raises OSError."""
    is_database = path.endswith(STATE)
    return database.read(path, cursor) if is_database else transcripts.read(path, cursor)


AGENT = Agent(
    name=transcripts.NAME,
    title="Cursor",
    roots=roots,
    files=files,
    read=read,
    signature=SIGNATURE,
    worktrees={".cursor": 0},  # ~/.cursor/worktrees/<repository>/<id>
    unread=(
        (".cursor/chats", "chats of the command line tool"),
        (".config/cursor/chats", "chats of the command line tool"),
    ),
    known_types=database.KNOWN_TYPES | transcripts.KNOWN_TYPES,
    exact="prompts and tool calls",
    not_in_files=(
        "tokens of most answers: only the last of a turn has any, and newer versions write none"
    ),
)
