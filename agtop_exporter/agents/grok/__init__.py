"""Grok Build: reads `<data directory>/sessions/<project>/<session id>/`.

The format is that of the published source of August 2026, and of what version 1.0.41 writes; see
tests/agents/grok/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.grok import reader
from agtop_exporter.agents.grok.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return listed_roots(environment, "GROK_HOME", home / ".grok", below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the logs, the descriptions and the context sizes of all sessions."""
    names = (reader.LOG, reader.DESCRIPTION, reader.SIGNALS)
    return (entry for entry in walk(root, suffix=names, depth=2) if entry.name in names)


AGENT = Agent(
    name=reader.NAME,
    title="Grok Build",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("grok-build",),
    signature=ProcessSignature(
        executables=frozenset({"grok", "xai-grok-pager"}),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS, ("sessions",), ("logout",), ("models",)),
        hosts=(("agent",),),
        prompt_options=frozenset({"-p", "--prompt"}),
        resume_options=frozenset({"-r", "--resume", "-s", "--session-id"}),
        session_id_pattern=UUID,
        fork_marks=frozenset({"--fork-session"}),
    ),
    known_types=KNOWN_TYPES,
    versions_seen=("1.0.41",),
    exact="tokens of each turn by model, and the billed cost if it is complete",
    not_in_files=(
        "turns of versions before July 2026, single requests, compactions and other side requests, "
        "rate limits"
    ),
)
