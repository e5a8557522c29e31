"""The agent Kimchi of Cast AI, which is made from pi and shares its reader.

Its session files are `~/.config/kimchi/harness/sessions/<folder>/*.jsonl`; those of subagents are
in the same folder. Source: https://github.com/getkimchi/kimchi, `src/entry.ts`,
`src/extensions/agents/index.ts` and `benchmark/audit-session/README.md`, August 2026; see also
tests/agents/kimchi/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.agents.pi import family
from agtop_exporter.signature import MAINTENANCE_COMMANDS, ProcessSignature

NAME = "kimchi"


def bases(home: Path, _environment: Environment) -> tuple[Path, ...]:
    """Return the base directory, which contains the user's settings. No variable changes it."""
    return (home / ".config" / "kimchi" / "harness",)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions."""
    return family.session_folders(
        bases(home, environment), environment, "KIMCHI_CODING_AGENT_SESSION_DIR"
    )


AGENT = Agent(
    name=NAME,
    title="Kimchi",
    roots=roots,
    bases=bases,
    files=family.files,
    read=partial(family.read, agent=NAME),
    signature=ProcessSignature(
        executables=frozenset({"kimchi"}),
        packages=("@kimchi-dev/cli",),
        helpers=MAINTENANCE_COMMANDS,
    ),
    known_types=family.KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each response",
    not_in_files="the version, the context window, rate limits and remote sessions",
)
