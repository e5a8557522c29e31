"""The agent TraeX, version 2 of the TRAE CLI, which is made from Codex and shares its reader.

Its rollouts, which are its transcripts, are in `~/.trae/cli/sessions` and
`~/.trae/cli/archived_sessions`. The program is not public. Sources: kenn-io/agentsview
(`docs/internal/session-format-sources.md`, TraeX), Javis603/token-monitor issue 347 (a record of a
real rollout); see also tests/agents/traex/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_path
from agtop_exporter.agents.codex import family

NAME = "traex"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts.

    The variable TRAECLI_HOME names the home directory of the program. The variable TRAE_HOME names
    the directory that contains it.
    """
    own, shared = environment.get("TRAECLI_HOME"), environment.get("TRAE_HOME")
    if own:
        return family.rollout_folders((named_path(own),))
    return family.rollout_folders(((named_path(shared) if shared else home / ".trae") / "cli",))


AGENT = Agent(
    name=NAME,
    title="TraeX",
    roots=roots,
    files=family.files,
    read=partial(family.read, agent=NAME),
    signature=family.signature(frozenset({"traex", "traecli"})),
    known_types=family.KNOWN_TYPES,
    effort_source="turn_context or thread_settings",
    exact="tokens of each response",
    not_in_files="ephemeral threads, hidden title threads, streams that were cut",
)
