"""The agent Gajae-Code (`gjc`), which is made from Oh My Pi and pi, and shares the reader of pi.

Its session files are `~/.gjc/agent/sessions/<folder>/<time>_<id>.jsonl`, or in `gjc/sessions` below
the directory that the variable XDG_DATA_HOME names. The files of the subagents of a session are in
the folder `<time>_<id>`. Source: https://github.com/Yeachan-Heo/gajae-code,
`packages/utils/src/dirs.ts` and `packages/coding-agent/src/session/session-manager.ts`, November
2026; see also tests/agents/gjc/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, named_path
from agtop_exporter.agents.pi import family
from agtop_exporter.signature import MAINTENANCE_COMMANDS, ProcessSignature

NAME = "gjc"
FOLDER = ".gjc"  # name of the default directory
KNOWN_TYPES = family.KNOWN_TYPES | frozenset(
    {"mcp_tool_selection", "mode_change", "service_tier_change", "session_init", "ttsr_injection"}
    | {f"message.{role}" for role in ("developer", "fileMention", "pythonExecution")}
)


class Parser(family.SessionParser):
    """The parser of a session file of Gajae-Code."""

    known_types = KNOWN_TYPES


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories that contain the user's settings or the sessions.

    The variable GJC_CONFIG_DIR has another name of the default directory.
    """
    own = home / (environment.get("GJC_CONFIG_DIR") or FOLDER) / "agent"
    shared = environment.get("XDG_DATA_HOME")
    return (
        *listed_roots(environment, "GJC_CODING_AGENT_DIR", own),
        named_path(shared) / NAME if shared else home / ".local" / "share" / NAME,
    )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions."""
    return tuple(base / "sessions" for base in bases(home, environment))


AGENT = Agent(
    name=NAME,
    title="Gajae-Code",
    roots=roots,
    bases=bases,
    files=family.files,
    read=partial(family.read, agent=NAME, parser=Parser),
    aliases=("gajae", "gajae-code"),
    signature=ProcessSignature(executables=frozenset({"gjc"}), helpers=MAINTENANCE_COMMANDS),
    known_types=KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each response, service tier",
    not_in_files="title requests, the version, the context window and rate limits",
)
