"""Kimi Code: reads `<data directory>/sessions/<project>/<session id>/`, one folder per session.

The sessions of kimi-cli, the program before Kimi Code, are read too. Checked against version 2.1.0;
see tests/agents/kimi/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.kimi import earlier, reader
from agtop_exporter.agents.kimi.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, UUID, ProcessSignature

DEPTH = 4  # <project>/<session id>/agents/<agent>/wire.jsonl


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return (
        *listed_roots(environment, "KIMI_CODE_HOME", home / ".kimi-code", below="sessions"),
        *listed_roots(environment, "KIMI_SHARE_DIR", home / ".kimi", below="sessions"),
    )


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the records of all agents, and the descriptions of all sessions."""
    for entry in walk(root, suffix=(reader.WIRE, reader.DESCRIPTION), depth=DEPTH):
        folder = Path(entry.path).parent
        is_earlier = bool(earlier.IS_PROJECT(folder.parent.name))
        if entry.name == reader.DESCRIPTION:
            is_read = folder.parent.parent == root and not is_earlier
        else:
            is_read = folder.parent.name in {reader.AGENTS, earlier.SUBAGENTS} or is_earlier
        if is_read and entry.name in {reader.DESCRIPTION, reader.WIRE}:
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
        modules=frozenset({"kimi_cli"}),
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
    known_types=KNOWN_TYPES | earlier.KNOWN_TYPES,
    effort_source="llm.request.thinkingEffort",
    exact="tokens of each request",
    not_in_files=(
        "cost, requests that failed, rate limits, the context window; in the files of kimi-cli "
        "the models and the requests of compactions"
    ),
    versions_seen=("2.1.0",),
)
