"""OpenClaw: reads `<state directory>/agents/<agent>/`, one folder for each agent of the user.

Since version 2026.8 the sessions are in `agent/openclaw-agent.sqlite`. Older versions wrote one
file per session into the folder `sessions`, which still has archives. Checked against files of
version 2026.9.6; see tests/agents/openclaw/README.
"""

import os
import re
import string
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import (
    Agent,
    Environment,
    entries_of,
    is_folder,
    named_files,
    walk,
)
from agtop_exporter.agents.openclaw import database
from agtop_exporter.agents.openclaw.family import AGENT_FOLDER, AGENTS, bases
from agtop_exporter.agents.openclaw.files import SUFFIX, FileParser
from agtop_exporter.agents.openclaw.records import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import FileGroup, database_group
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.sqlite import read_sqlite
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature

NAME = "openclaw"
DATABASE = "openclaw-agent.sqlite"
SESSIONS, ARCHIVES = "sessions", "session-sqlite-import-archive"
ENDS = (".jsonl", ".zst", "Z")  # the name of an archive can end with its time
IMPORTED = re.compile(r"(?!.*\.(?:trajectory|checkpoint)\.).*\.jsonl\.imported-\d+(?:\.\d+)?")
"""Pattern of the name of a transcript in `ARCHIVES`.

The update to version 2026.8 imported the transcripts of the sessions in `sessions.json` into the
database, and moved the files of all sessions.
"""
DEPTH = 3


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories that have a folder for each agent of the user."""
    return tuple(base / AGENTS for base in bases(home, environment))


def files(root: Path) -> Iterator[os.DirEntry[str] | FileGroup]:
    """List the databases, transcripts and archives of all agents of the user."""
    for agent in _folders(root):
        for entry in named_files(agent / AGENT_FOLDER, DATABASE):
            yield database_group(entry.path)
        for folder, ends in ((SESSIONS, ENDS), (ARCHIVES, (*ENDS, *string.digits))):
            for entry in walk(agent / folder, suffix=ends, depth=DEPTH):
                stem, suffix, _ = entry.name.partition(SUFFIX)
                # Other files with a dot in the name have copies, or no transcripts.
                if suffix and ("." not in stem or IMPORTED.fullmatch(entry.name)):
                    yield entry


def _folders(root: Path) -> list[Path]:
    """Return the folders in a directory; an empty list if the directory cannot be read."""
    return sorted(Path(entry.path) for entry in entries_of(root) if is_folder(entry))


def read(path: str, cursor: Cursor) -> Batch:
    """Read a database or a file after a cursor. Raises OSError."""
    if path.endswith(DATABASE):
        return read_sqlite(NAME, database.AgentParser, path, cursor)
    return read_jsonl(NAME, FileParser, path, cursor)


AGENT = Agent(
    name=NAME,
    title="OpenClaw",
    roots=roots,
    bases=bases,
    files=files,
    read=read,
    aliases=("clawdbot", "moltbot"),
    signature=ProcessSignature(
        executables=frozenset({"openclaw", "clawdbot", "moltbot"}),
        packages=("openclaw",),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("sessions",),
            ("status",),
            ("config",),
            ("configure",),
            ("onboard",),
            ("logs",),
        ),
        hosts=(("gateway",), ("daemon",), ("node",), ("acp",)),
        value_options=frozenset({"--profile", "--log-level"}),
        prompt_options=frozenset({"-m", "--message"}),
        resume_options=frozenset({"--session-id"}),
        session_id_pattern=UUID,
    ),
    known_types=KNOWN_TYPES,
    effort_source="thinking_level_change.thinkingLevel",
    exact="tokens and cost of each response",
    not_in_files=(
        "requests of compactions, the context window, rate limits. Requests that another agent "
        "(Codex, Claude Code, Gemini CLI) makes for it are in that agent's files, and count as its "
        "usage"
    ),
    versions_seen=("2026.9.6",),
)
