"""Hermes: reads `<home directory of Hermes>/state.db`, and that of each profile.

Checked against files of version 0.19.0; see tests/agents/hermes/README.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_files, named_path
from agtop_exporter.agents.hermes import database
from agtop_exporter.agents.hermes.records import KNOWN_TYPES
from agtop_exporter.reading.file_group import FileGroup, database_group
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

DATABASE, PROFILES = "state.db", "profiles"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the home directories of Hermes on Linux, macOS and Windows."""
    if given := environment.get("HERMES_HOME"):
        folder = named_path(given)
        # The variable can name a profile, whose directory is `<home of Hermes>/profiles/<name>`.
        return (folder.parent.parent if folder.parent.name == PROFILES else folder,)
    return (home / ".hermes", home / "AppData" / "Local" / "hermes")


def files(root: Path) -> Iterator[FileGroup]:
    """List the database of the default profile, and those of the other profiles."""
    for entry in (*named_files(root, DATABASE), *named_files(root / PROFILES, DATABASE, depth=1)):
        yield database_group(entry.path)


AGENT = Agent(
    name=database.NAME,
    title="Hermes",
    roots=roots,
    files=files,
    read=database.read,
    aliases=("hermes-agent",),
    signature=ProcessSignature(
        executables=frozenset({"hermes-agent", "hermes-acp"}),
        titles=frozenset({"hermes"}),  # a JavaScript engine has this name, too
        modules=frozenset({"hermes_cli"}),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("config",),
            ("insights",),
            ("logs",),
            ("model",),
            ("sessions",),
            ("setup",),
            ("status",),
        ),
        hosts=(("gateway",), ("acp",), ("serve",), ("dashboard",), ("desktop",)),
        value_options=frozenset(
            {"-m", "--model", "-p", "--profile", "--provider", "-t", "--toolsets"}
        ),
        prompt_options=frozenset({"-z", "-q", "--query"}),
        resume_options=frozenset({"--resume", "-r"}),
        session_id_pattern=r"\d{8}_\d{6}_[0-9a-f]{6,8}",
    ),
    known_types=KNOWN_TYPES,
    exact="sums of tokens and cost by session, model and task",
    not_in_files=(
        "the times of single requests before the first scan, failed tool calls, the context "
        "window, rate limits, and which requests Codex made for it (runtime `codex_app_server`): "
        "these count for both agents"
    ),
    versions_seen=("0.19.0",),
)
