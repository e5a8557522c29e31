"""Antigravity: reads `~/.gemini/antigravity*/conversations/*` and the application's database.

Not tested with a real installation. The file formats are not documented. The field numbers are from
the message descriptors in Antigravity's programs; see tests/agents/antigravity/README. Credentials
are not read.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import (
    Agent,
    Entry,
    Environment,
    application_folders,
    named_files,
    named_path,
    walk,
)
from agtop_exporter.agents.antigravity import conversations, encrypted, state
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import database_group
from agtop_exporter.reading.profiles import folder_names
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

STATE = "state.vscdb"
DATA_FOLDER = ".gemini"
SERVER = "antigravity-acp"  # the server that other programs use, such as Zed and T3 Code
PRODUCTS = ("antigravity", "antigravity-ide", "antigravity-cli", "antigravity-backup", SERVER)
APPLICATIONS = ("Antigravity", "Antigravity IDE")
T3_PROFILES = Path(".t3", "userdata", "providers", "antigravity")


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain conversations or the application's database."""
    applications = application_folders(home, environment)
    profiles = (home / T3_PROFILES / name for name in folder_names(home / T3_PROFILES))
    products = [base / name for base in base_directories(home, environment) for name in PRODUCTS]
    return (
        *(product / "conversations" for product in products),
        *(profile / SERVER / "conversations" for profile in profiles),
        *(base / name / "User" / "globalStorage" for base in applications for name in APPLICATIONS),
    )


def base_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories with the directories of the products; usually one, `~/.gemini`."""
    named = environment.get("GEMINI_HOME")
    own = home / DATA_FOLDER
    return tuple(dict.fromkeys((own, named_path(named)))) if named else (own,)


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
    bases=lambda home, environment: (*base_directories(home, environment), home / T3_PROFILES),
    files=files,
    read=read,
    signature=ProcessSignature(
        executables=frozenset({"agy", "agy_acp_server", "agy_acp_server.par", "antigravity"}),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS),
        prompt_options=frozenset({"-p", "--print"}),
        resume_options=frozenset({"--conversation"}),
    ),
    effort_source="the label of the model",
    exact="tokens of each response since version 2, context window",
    not_in_files=(
        "requests that failed and were repeated; in older versions tokens, turns and state"
    ),
    unread=((".gemini/antigravity*/implicit", "completions in the editor"),),
)
