"""Cline: reads `<data directory>/sessions/<session id>/*.json`, one folder per session.

The command line tool and version 4 of the editor extension write this format. Checked against files
of version 3.0.65 of the tool. Version 3 of the extension wrote `tasks/<task id>/ui_messages.json`;
see `tasks`, and tests/agents/cline/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import (
    Agent,
    Environment,
    application_folders,
    listed_roots,
    named_files,
    named_path,
    walk,
)
from agtop_exporter.agents.cline import reader, tasks
from agtop_exporter.agents.cline.records import KNOWN_TYPES
from agtop_exporter.editors import EDITORS, SERVERS, user_folders
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

EXTENSION = "globalStorage/saoudrizwan.claude-dev"
KIN = ("Cursor", "Windsurf", "Windsurf - Next", "Trae", "Kiro", "Antigravity", "Positron")
KIN_SERVERS = (".cursor-server", ".windsurf-server", ".trae-server", ".kiro-server")


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions, and the directories that can have a folder `tasks`."""
    settings = listed_roots(environment, "CLINE_DIR", home / ".cline", below="data")
    data = listed_roots(environment, "CLINE_DATA_DIR", *settings)
    sessions = listed_roots(
        environment, "CLINE_SESSION_DATA_DIR", *(base / "sessions" for base in data)
    )
    editors = user_folders(
        home,
        application_folders(home, environment),
        named_path(environment.get("XDG_DATA_HOME") or str(home / ".local" / "share")),
        names=(*EDITORS, *KIN),
        servers=(*SERVERS, *KIN_SERVERS),
    )
    return tuple(dict.fromkeys((*sessions, *data, *(user / EXTENSION for user in editors))))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the documents of all sessions and tasks below a directory that `roots` returns."""
    for entry in walk(root, suffix=".json", depth=1):
        folder = os.path.basename(os.path.dirname(entry.path))  # noqa: PTH119, PTH120 - called at each refresh
        if entry.name.endswith(reader.MESSAGES) or entry.name == f"{folder}.json":
            yield entry
    yield from named_files(root / "state", tasks.HISTORY)
    yield from named_files(root / "tasks", tasks.MESSAGES, depth=1)


def read(path: str, cursor: Cursor) -> Batch:
    """Read one document if it has changed since `cursor`. Raises OSError."""
    if path.endswith((tasks.HISTORY, tasks.MESSAGES)):
        return tasks.read(path, cursor)
    return reader.read(path, cursor)


AGENT = Agent(
    name=reader.NAME,
    title="Cline",
    roots=roots,
    files=files,
    read=read,
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
    known_types=KNOWN_TYPES | tasks.KNOWN_TYPES,
    exact=(
        "tokens and cost of each request; before version 4 of the editor extension, of requests to "
        "providers whose counts have a known meaning"
    ),
    not_in_files=(
        "requests that a compaction or a restored checkpoint had removed before the first scan, "
        "requests of compactions, the context window, rate limits. In tasks of version 3 of the "
        "editor extension: the provider before 3.37, the models of subagents, reasoning of Gemini "
        "and xAI; output of Anthropic's API is a few tokens too high"
    ),
    versions_seen=("3.0.65",),
)
