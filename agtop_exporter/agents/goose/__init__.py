"""Goose: reads `<data directory>/sessions/sessions.db`, with the sessions of all projects.

The schema is that of version 15 and older; see tests/agents/goose/README.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_files, named_path
from agtop_exporter.agents.goose import database
from agtop_exporter.agents.goose.records import KNOWN_TYPES
from agtop_exporter.reading.file_group import FileGroup, database_group
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of databases on Linux, macOS and Windows."""
    if root := environment.get("GOOSE_PATH_ROOT"):
        return (named_path(root) / "data" / "sessions",)
    shared = environment.get("XDG_DATA_HOME")
    bases = (
        *((named_path(shared),) if shared else ()),
        home / ".local" / "share",
    )
    windows = home / "AppData" / "Roaming" / "Block" / "goose" / "data" / "sessions"
    return (*dict.fromkeys(base / "goose" / "sessions" for base in bases), windows)


def files(root: Path) -> Iterator[FileGroup]:
    """List the database in a directory."""
    return (database_group(entry.path) for entry in named_files(root, "sessions.db"))


AGENT = Agent(
    name=database.NAME,
    title="Goose",
    roots=roots,
    files=files,
    read=database.read,
    signature=ProcessSignature(
        executables=frozenset({"goose", "goosed"}),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("configure",),
            ("info",),
            ("schedule",),
            ("recipe",),
            ("session", "list"),
            ("session", "remove"),
            ("session", "export"),
        ),
        hosts=(("agent",), ("serve",), ("acp",), ("web",)),
        resume_options=frozenset({"--session-id", "--id"}),
        session_id_pattern=r"\d{8}_\d+",
    ),
    known_types=KNOWN_TYPES,
    exact="tokens and cost of each request since schema version 15, and sums of earlier sessions",
    not_in_files=(
        "requests of versions before schema 15 except their sum, requests that another agent makes "
        "for it (Claude Code, Codex), the context window, rate limits"
    ),
    unread=((".local/share/goose/sessions/*.jsonl", "sessions of versions before 1.10"),),
)
