"""Antigravity: reads `~/.gemini/antigravity*/conversations/*` and the application's database.

Not tested with a real installation. The file formats are not documented. The field numbers are from
the message descriptors in Antigravity's programs; see tests/agents/antigravity/README. Credentials
are not read.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Entry, Environment, application_folders, named_files, walk
from agtop_exporter.agents.antigravity import conversations, encrypted, state
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import database_group
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

STATE = "state.vscdb"
DATA_FOLDERS = ("antigravity", "antigravity-ide", "antigravity-cli", "antigravity-backup")
APPLICATIONS = ("Antigravity", "Antigravity IDE")


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain conversations or the application's database."""
    applications = application_folders(home, environment)
    return (
        *(home / ".gemini" / name / "conversations" for name in DATA_FOLDERS),
        *(base / name / "User" / "globalStorage" for base in applications for name in APPLICATIONS),
    )


def files(root: Path) -> Iterator[Entry]:
    """List the conversations in a root folder, or the application's database in it."""
    if root.name == "globalStorage":
        for entry in named_files(root, STATE):
            yield database_group(entry.path)
    else:
        for entry in walk(root, suffix=".db", depth=0):
            yield database_group(entry.path)
        yield from walk(root, suffix=".pb", depth=0)


def read(path: str, cursor: Cursor) -> Batch:
    """Read a conversation, or the application's database, after a cursor. Raises OSError."""
    if path.endswith(STATE):
        return state.read(path, cursor)
    is_database = path.endswith(".db")
    return conversations.read(path, cursor) if is_database else encrypted.read(path)


AGENT = Agent(
    name=state.NAME,
    title="Antigravity",
    roots=roots,
    files=files,
    read=read,
    signature=ProcessSignature(
        executables=frozenset({"agy", "antigravity"}),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS),
        prompt_options=frozenset({"-p", "--print"}),
        resume_options=frozenset({"--conversation"}),
    ),
    exact="tokens of each response since version 2, context window",
    not_in_files=(
        "requests that failed and were repeated; in older versions tokens, turns and state"
    ),
    unread=((".gemini/antigravity*/implicit", "completions in the editor"),),
)
