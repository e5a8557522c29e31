"""DeepSeek Harness: reads `<home directory>/sessions/<project>/<session id>/session*.jsonl*`.

The logs are compressed with Zstandard, and each write appends a frame. Checked with version
0.2.1rc2 of the runtime; see tests/agents/dsh/README.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.dsh import reader
from agtop_exporter.agents.dsh.records import KNOWN_TYPES
from agtop_exporter.signature import MAINTENANCE_COMMANDS, UUID, ProcessSignature

SUFFIXES = (".jsonl", ".jsonl.zstd")
LOG = re.compile(r"session(?:\.v([1-9]\d{0,3}))?\.jsonl(?:\.zstd)?")  # its group is the version


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of sessions."""
    return (
        *listed_roots(environment, "DSH_SESSION_ROOT"),
        *listed_roots(environment, "DSH_HOME", home / ".dsh", below="sessions"),
    )


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the logs of all sessions.

    If a session has logs in several versions of the format, only the latest is listed: it contains
    the events of the others.
    """
    latest: dict[str, tuple[int, os.DirEntry[str]]] = {}
    for entry in walk(root, suffix=SUFFIXES, depth=2):
        if found := LOG.fullmatch(entry.name):
            folder, version = entry.path.removesuffix(entry.name), int(found[1] or 0)
            known = latest.get(folder)
            if known is None or version > known[0]:
                latest[folder] = version, entry
    return (entry for _, entry in latest.values())


AGENT = Agent(
    name=reader.NAME,
    title="DeepSeek Harness",
    roots=roots,
    files=files,
    read=reader.read,
    aliases=("deepseek-harness",),
    signature=ProcessSignature(
        executables=frozenset({"dsh", "deepseek-harness-sdk-runtime-linux-x64"}),
        packages=("@deepseek-ai/dsh",),
        helpers=(*MAINTENANCE_COMMANDS, ("plugin",)),
        hosts=(("web",),),
        value_options=frozenset({"--profile", "--from-default-profile", "--patch"}),
        resume_options=frozenset({"--resume", "--session-id"}),
        session_id_pattern=f"(?:session-)?{UUID}",
    ),
    known_types=KNOWN_TYPES,
    effort_source="request/header.config.reasoningEffort",
    exact="tokens of each request, subagents, context window",
    not_in_files="cost, title requests, requests of the web search, rate limits",
    versions_seen=("0.2.1rc2",),
)
