"""Mistral Vibe: reads `<data directory>/logs/session/unified`, with one folder per session.

Checked against version 3.0.2. The format is not documented; see tests/agents/vibe/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.vibe import reader
from agtop_exporter.agents.vibe.records import KNOWN_TYPES
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.signature import MCP_COMMANDS, UUID, ProcessSignature

JOURNALS = "journal"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return listed_roots(environment, "VIBE_HOME", home / ".vibe", below="logs/session/unified")


def files(root: Path) -> Iterator[os.DirEntry[str] | FileGroup]:
    """List the journals and the descriptions of all sessions."""
    for entry in walk(root, suffix=(".jsonl", reader.DESCRIPTION), depth=2):
        if entry.name == reader.DESCRIPTION:
            yield entry
        elif Path(entry.path).parent.name == JOURNALS:
            yield reader.journal_group(entry.path)


AGENT = Agent(
    name=reader.NAME,
    title="Mistral Vibe",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("mistral-vibe",),
    signature=ProcessSignature(
        executables=frozenset({"vibe", "vibe-rs", "vibe-acp"}),
        helpers=MCP_COMMANDS,
        value_options=frozenset({"--workdir", "--agent", "--output", "--add-dir"}),
        prompt_options=frozenset({"-p", "--prompt"}),
        resume_options=frozenset({"--resume"}),
        session_id_pattern=UUID,
    ),
    known_types=KNOWN_TYPES,
    exact="tokens of each request of the last turns, and the sum of the earlier ones",
    not_in_files=(
        "the single requests of turns that ended before the first scan, turns of a known session "
        "that ended while the exporter did not run, cost, rate limits"
    ),
    versions_seen=("3.0.2",),
    unread=(
        (".vibe/logs/session/session_*", "sessions of versions before 3, which have only sums"),
    ),
)
