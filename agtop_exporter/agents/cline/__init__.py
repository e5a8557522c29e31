"""Cline: reads `<data directory>/sessions/<session id>/*.json`, one folder per session.

The command line tool and newer versions of the editor extension write this format. Checked against
files of version 3.0.65 of the tool; see tests/agents/cline/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.cline import reader
from agtop_exporter.agents.cline.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    settings = listed_roots(environment, "CLINE_DIR", home / ".cline", below="data")
    data = listed_roots(environment, "CLINE_DATA_DIR", *settings)
    return listed_roots(
        environment, "CLINE_SESSION_DATA_DIR", *(base / "sessions" for base in data)
    )


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the messages and the descriptions of all sessions."""
    for entry in walk(root, suffix=".json", depth=1):
        folder = os.path.basename(os.path.dirname(entry.path))  # noqa: PTH119, PTH120 - called at each refresh
        if entry.name.endswith(reader.MESSAGES) or entry.name == f"{folder}.json":
            yield entry


AGENT = Agent(
    name=reader.NAME,
    title="Cline",
    roots=roots,
    files=files,
    read=reader.read,
    signature=ProcessSignature(
        executables=frozenset({"cline"}),
        packages=("cline",),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("auth",),
            ("config",),
            ("history",),
            ("schedule",),
        ),
        hosts=(("hub",),),
        host_options=frozenset({"--cline-hub-daemon", "--acp"}),
        value_options=frozenset({"-c", "--cwd", "--config", "--data-dir", "-P", "--provider"}),
        resume_options=frozenset({"--id"}),
        session_id_pattern=r"\d{13}_[0-9a-z]{5}",
    ),
    known_types=KNOWN_TYPES,
    exact="tokens and cost of each request",
    not_in_files=(
        "requests that a compaction had removed before the first scan, requests of compactions, "
        "the context window, rate limits"
    ),
    versions_seen=("3.0.65",),
    unread=(
        (
            ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks",
            "tasks of older versions of the editor extension",
        ),
        (".cline/data/tasks", "tasks of older versions of the command line tool"),
    ),
)
