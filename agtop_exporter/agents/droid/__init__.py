"""Droid: reads the settings and the transcripts below `~/.factory/sessions`.

The format is that of version 0.225.2; see tests/agents/droid/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import MAX_DEPTH, Agent, Environment, named_path, walk
from agtop_exporter.agents.droid import reader
from agtop_exporter.agents.droid.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directory of sessions."""
    base = environment.get("FACTORY_HOME_OVERRIDE")
    return ((named_path(base) if base else home) / ".factory" / "sessions",)


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the settings and the transcripts of all sessions."""
    return walk(root, suffix=(reader.SETTINGS, reader.TRANSCRIPT), depth=MAX_DEPTH)


AGENT = Agent(
    name=reader.NAME,
    title="Droid",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("factory",),
    signature=ProcessSignature(
        executables=frozenset({"droid"}),
        packages=("droid", "@factory/cli"),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS, ("daemon",), ("plugin",), ("search",)),
        resume_options=frozenset({"-r", "--resume", "-s", "--session-id"}),
        session_id_pattern=UUID,
    ),
    known_types=KNOWN_TYPES,
    effort_source="reasoningEffort",
    exact="tokens of each session, as the growth of a sum",
    versions_seen=("0.215.0",),
    not_in_files=(
        "single requests and their times, requests that the user interrupted, the earlier models "
        "of sessions that were written before the first scan, cost in dollars, turns, rate limits"
    ),
)
