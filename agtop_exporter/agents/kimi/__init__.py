"""Kimi Code: reads `<data directory>/sessions/<project>/<session id>/`, one folder per session.

Checked against version 2.1.0; see tests/agents/kimi/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.kimi import reader
from agtop_exporter.agents.kimi.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature

DEPTH = 4  # <project>/<session id>/agents/<agent>/wire.jsonl


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return listed_roots(environment, "KIMI_CODE_HOME", home / ".kimi-code", below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the records of all agents, and the descriptions of all sessions."""
    for entry in walk(root, suffix=(reader.WIRE, reader.DESCRIPTION), depth=DEPTH):
        folder = Path(entry.path).parent
        is_description = entry.name == reader.DESCRIPTION and folder.parent.parent == root
        if is_description or (entry.name == reader.WIRE and folder.parent.name == reader.AGENTS):
            yield entry


AGENT = Agent(
    name=reader.NAME,
    title="Kimi Code",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("kimi-code",),
    signature=ProcessSignature(
        executables=frozenset({"kimi"}),
        packages=("@moonshot-ai/kimi-code",),
        helpers=(
            *MCP_COMMANDS,
            *MAINTENANCE_COMMANDS,
            ("provider",),
            ("export",),
            ("vis",),
        ),
        hosts=(("acp",), ("web",), ("server",)),
        value_options=frozenset({"-m", "--model", "--output-format", "--skills-dir"}),
        prompt_options=frozenset({"-p", "--prompt"}),
        resume_options=frozenset({"-S", "--session", "-r", "--resume"}),
        session_id_pattern=f"session_{UUID}",
    ),
    known_types=KNOWN_TYPES,
    effort_source="llm.request.thinkingEffort",
    exact="tokens of each request",
    not_in_files="cost, requests that failed, the context window, rate limits",
    versions_seen=("2.1.0",),
    unread=((".kimi/sessions", "sessions of kimi-cli, which is no longer maintained"),),
)
