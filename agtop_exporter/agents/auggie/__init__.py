"""Auggie, the command line tool of Augment Code: reads `~/.augment/sessions/<session id>.json`.

A document has all exchanges of a session, and each exchange is one request to a model. The format
and the meaning of the figures are those of the program of version 0.36.0; see
tests/agents/auggie/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, walk
from agtop_exporter.agents.auggie import reader
from agtop_exporter.agents.auggie.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature


def roots(home: Path, _environment: Environment) -> tuple[Path, ...]:
    """Return the directory of sessions."""
    return (home / ".augment" / "sessions",)


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the documents of all sessions, and their backups."""
    return walk(root, suffix=".json", depth=0)


AGENT = Agent(
    name=reader.NAME,
    title="Auggie",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("augment",),
    signature=ProcessSignature(
        executables=frozenset({"auggie"}),
        packages=("@augmentcode/auggie",),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("account",),
            ("cloud",),
            ("session",),
            ("tools",),
        ),
        hosts=(("daemon",),),
        host_options=frozenset({"--acp"}),
        value_options=frozenset(
            {"-m", "--model", "-w", "--workspace", "--workspace-root", "--log-file", "--rules"}
        ),
        resume_options=frozenset({"-r", "--resume"}),
        session_id_pattern=UUID,
    ),
    known_types=KNOWN_TYPES,
    exact="tokens of each request of a session",
    not_in_files=(
        "requests of compactions and of subagents in most versions, requests that improve a "
        "prompt, dollars, the context window, rate limits; directories that "
        "`--augment-cache-dir` names are not found"
    ),
)
