"""Junie: reads `<data directory>/sessions/<session id>/events.jsonl`, and the index of sessions.

The format is not documented; see tests/agents/junie/README for the versions and the sources.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.junie import reader
from agtop_exporter.agents.junie.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return listed_roots(environment, "JUNIE_HOME", home / ".junie", below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the events of all sessions, and the index."""
    for entry in walk(root, suffix=".jsonl", depth=1):
        if entry.name in {reader.EVENTS, reader.INDEX}:
            yield entry


AGENT = Agent(
    name=reader.NAME,
    title="Junie",
    roots=roots,
    files=files,
    read=reader.read,
    signature=ProcessSignature(
        executables=frozenset({"junie"}),
        packages=("@jetbrains/junie",),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS),
        session_id_pattern=r"session-\d{6}-\d{6}-[0-9a-z]+",
    ),
    known_types=KNOWN_TYPES,
    exact="tokens and cost of each response",
    not_in_files=(
        "the cost of models that Junie has no price for, credits of the JetBrains AI subscription, "
        "sessions inside JetBrains IDEs, rate limits"
    ),
)
