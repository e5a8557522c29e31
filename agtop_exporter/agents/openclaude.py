"""The agent OpenClaude, which is made from Claude Code and shares its reader.

Its transcripts are `~/.openclaude/projects/<folder>/**.jsonl`, one for each session or subagent. It
does not use the directory and the variables of Claude Code. Source:
https://github.com/Gitlawb/openclaude, `src/utils/envUtils.ts` and `src/utils/sessionStorage.ts`,
version 0.29.1; see also tests/agents/openclaude/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.claude import family
from agtop_exporter.reading.profiles import account_of, profile_folders
from agtop_exporter.signature import RegistryReading

NAME = "openclaude"
FOLDER = ".openclaude"  # name of the default configuration directory
KNOWN_TYPES = family.KNOWN_TYPES | frozenset(
    {"goal-state", "marble-origami-commit", "marble-origami-snapshot"}
)


class Parser(family.TranscriptParser):
    """The parser of a transcript of OpenClaude."""

    known_types = KNOWN_TYPES


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders with projects."""
    return listed_roots(
        environment,
        "OPENCLAUDE_CONFIG_DIR",
        home / FOLDER,
        *profile_folders(home, FOLDER),
        below="projects",
    )


def bases(home: Path, _environment: Environment) -> tuple[Path, ...]:
    """Return the directory that contains the configuration directories of further accounts."""
    return (home,)


def live_registry(home: Path, environment: Environment) -> RegistryReading:
    """Return the live processes that OpenClaude lists in its own files.

    Never raises OSError.
    """
    folders = (root.parent for root in roots(home, environment))
    return family.read_registries(folders, agent=NAME)


AGENT = Agent(
    name=NAME,
    title="OpenClaude",
    roots=roots,
    bases=bases,
    files=family.transcripts,
    read=partial(family.read_transcript, agent=NAME, parser=Parser),
    account=partial(account_of, default=FOLDER),
    aliases=("open-claude",),
    signature=family.signature(frozenset({"openclaude"}), ("@gitlawb/openclaude",)),
    live_registry=live_registry,
    known_types=KNOWN_TYPES,
    effort_source="assistant.effort",
    exact="tokens of each response with both cache-write lifetimes, subagents",
    not_in_files="title, compaction and safety requests, streams that were cut or retried, rate "
    "limits",
)
