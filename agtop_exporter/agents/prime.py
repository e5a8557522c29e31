"""The agent Prime Agent of Prime Intellect, which is made from pi and shares its reader.

Its session files are `~/.prime/agent/sessions/<id>.jsonl`. A session can start subagents; their
session files are in folders `sub-<number>` below `~/.prime/agent/session-artifacts/<id>`. Source:
https://github.com/PrimeIntellect-ai/prime-agent, `packages/coding-agent/docs/session-format.md` and
`packages/coding-agent/src/core/session-manager.ts`, version 0.8.0; see also
tests/agents/prime/README.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.pi import family
from agtop_exporter.signature import MAINTENANCE_COMMANDS, ProcessSignature

NAME = "prime"
ARTIFACTS = "session-artifacts"  # folder with the files of subagents
SUBAGENT = "sub-"  # beginning of the name of a subagent's folder
KNOWN_TYPES = family.KNOWN_TYPES | frozenset(
    {"agent_status", "child_usage_attributed", "git_state", "service_tier_change", "session_state"}
)


class Parser(family.SessionParser):
    """The parser of a session file of Prime Agent.

    An entry `child_usage_attributed` repeats the usage of a subagent, whose own session file has
    the same usage. When a session is forked, the program adds the usage of subagents to the copies
    of the responses. The usage of copies is therefore not counted.
    """

    known_types = KNOWN_TYPES
    counts_copies = False

    def parent_of(self, header: family.Record) -> str:
        """Return the id of the session that started this subagent.

        The header has the path of its session file, whose name is the id.
        """
        path = (header.parent_session or "").replace("\\", "/")
        return PurePosixPath(path).stem if header.rlm_depth else ""


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the base directories, which contain the user's settings."""
    return listed_roots(environment, "PRIME_AGENT_CODING_AGENT_DIR", home / ".prime" / "agent")


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions, and those that contain the files of subagents."""
    folders = family.session_folders(
        bases(home, environment),
        environment,
        "PRIME_AGENT_SESSION_DIR",
        "PRIME_AGENT_CODING_AGENT_SESSION_DIR",
    )
    return tuple(dict.fromkeys((*folders, *(folder.parent / ARTIFACTS for folder in folders))))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files in a folder with sessions, or with the files of subagents."""
    for entry in family.files(root):
        folder = os.path.dirname(entry.path).rpartition(os.sep)[2]  # noqa: PTH120 - called per file
        if root.name != ARTIFACTS or folder.startswith(SUBAGENT):
            yield entry


AGENT = Agent(
    name=NAME,
    title="Prime Agent",
    roots=roots,
    bases=bases,
    files=files,
    read=partial(family.read, agent=NAME, parser=Parser),
    aliases=("prime-agent",),
    signature=ProcessSignature(
        executables=frozenset({"prime-agent"}),
        packages=("prime-agent",),
        helpers=MAINTENANCE_COMMANDS,
    ),
    known_types=KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each response",
    not_in_files="the version, the context window, rate limits and compaction requests",
)
