"""The code for CodeBuddy and for WorkBuddy, which have the same engine and the same transcripts.

The names of their directories, variables and processes differ.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import walk
from agtop_exporter.agents.codebuddy.reader import SessionParser
from agtop_exporter.agents.codebuddy.records import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

__all__ = ["KNOWN_TYPES", "files", "read", "signature"]

DEPTH = 3  # <project>/<session id>/subagents/agent-<id>.jsonl
SIGNATURE = ProcessSignature(
    helpers=(
        *MCP_COMMANDS,
        *MAINTENANCE_COMMANDS,
        *((name,) for name in ("config", "sandbox", "plugin", "project", "cleanup", "daemon")),
        *((name,) for name in ("ps", "logs", "attach", "kill", "stop", "rm", "agents")),
        ("auto-mode",),
    ),
    host_options=frozenset({"--serve", "--acp"}),
    value_options=frozenset(
        {"--model", "--fallback-model", "--settings", "--mcp-config", "--permission-mode"}
        | {"--append-system-prompt", "--system-prompt", "--output-format", "--input-format"}
        | {"--session-id", "-r", "--resume", "--agent", "--agents", "--max-turns", "--effort"}
    ),
    prompt_options=frozenset({"-p", "--print"}),
    resume_options=frozenset({"-r", "--resume", "--session-id"}),
    fork_marks=frozenset({"--fork-session"}),
)


def files(projects: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts of sessions and of their subagents in a folder with projects."""
    return walk(projects, suffix=".jsonl", depth=DEPTH)


def read(path: str, cursor: Cursor, *, agent: str) -> Batch:
    """Read one transcript after a cursor. Raises OSError. `agent` is the name of the agent."""
    return read_jsonl(agent, SessionParser, path, cursor)


def signature(executables: frozenset[str], packages: tuple[str, ...]) -> ProcessSignature:
    """Return the process signature of a program by the names of its files and npm packages."""
    return msgspec.structs.replace(SIGNATURE, executables=executables, packages=packages)
