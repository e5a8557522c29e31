"""The agent Senpi, and OmO, which is Senpi under another name. They are made from pi.

The session files are `<base directory>/sessions/<folder>/*.jsonl`, in the format of pi. The base
directory of Senpi is `~/.senpi/agent`. That of OmO is `~/.omo/agent` or `~/.omo`; its subagents are
in `~/.omo/senpi-task/children`. Source: https://github.com/code-yeongyu/senpi,
`packages/coding-agent/src/config.ts` and `packages/coding-agent/docs/session-format.md`, version
2026.8.22; junhoyeo/tokscale pull request 1245 and issue 1254. See also tests/agents/senpi/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.pi import family
from agtop_exporter.signature import MAINTENANCE_COMMANDS, ProcessSignature

NAME = "senpi"
OMO = ".omo"  # directory of OmO below a home


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the base directories of Senpi and OmO, which contain the user's settings."""
    return (
        *listed_roots(environment, "SENPI_CODING_AGENT_DIR", home / ".senpi" / "agent"),
        *listed_roots(environment, "OMO_CODING_AGENT_DIR", home / OMO / "agent", home / OMO),
    )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions or subagents."""
    variables = "SENPI_CODING_AGENT_SESSION_DIR", "OMO_CODING_AGENT_SESSION_DIR"
    named = [named for variable in variables for named in listed_roots(environment, variable)]
    folders = family.session_folders(bases(home, environment), environment)
    return tuple(dict.fromkeys((*named, *folders, home / OMO / "senpi-task" / "children")))


AGENT = Agent(
    name=NAME,
    title="Senpi",
    roots=roots,
    bases=bases,
    files=family.files,
    read=partial(family.read, agent=NAME),
    aliases=("omo",),
    signature=ProcessSignature(
        executables=frozenset({"senpi", "omo"}),
        packages=("@code-yeongyu/senpi", "omo-ai"),
        helpers=MAINTENANCE_COMMANDS,
    ),
    known_types=family.KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each response",
    not_in_files="the version, the context window and rate limits; the subagents of a project are "
    "in the project",
)
