"""The agent pi.

Its transcripts are `<base directory>/sessions/<folder>/*.jsonl`, one for each session. The reader
was checked with versions 0.73.1 and 1.5.2. The format of the files is documented in
packages/coding-agent/docs/session-format.md of https://github.com/earendil-works/pi; see also
tests/agents/pi/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.pi.family import (
    EFFORT_SOURCE,
    KNOWN_TYPES,
    files,
    read,
    session_folders,
)
from agtop_exporter.signature import ProcessSignature

NAME = "pi"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions."""
    bases = base_directories(home, environment)
    return session_folders(bases, environment, "PI_CODING_AGENT_SESSION_DIR")


def base_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the base directories of pi, which contain the user's settings."""
    return listed_roots(environment, "PI_CODING_AGENT_DIR", home / ".pi" / "agent")


AGENT = Agent(
    name=NAME,
    title="pi",
    roots=roots,
    bases=base_directories,
    files=files,
    read=partial(read, agent=NAME),
    signature=ProcessSignature(
        titles=frozenset({"pi"}),  # many other programs have this name
        packages=("@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
    ),
    known_types=KNOWN_TYPES,
    effort_source=EFFORT_SOURCE,
    exact="tokens and cost of each response",
    not_in_files="the version, the context window and rate limits",
    versions_seen=("1.6.0", "1.5.2", "0.73.1"),
)
