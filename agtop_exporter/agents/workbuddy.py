"""The agent WorkBuddy of Tencent, which has the engine of CodeBuddy and shares its reader.

Its transcripts are below `~/.workbuddy/projects`. The program is not public; see
tests/agents/workbuddy/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.codebuddy import family

NAME = "workbuddy"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders with projects."""
    return listed_roots(environment, "WORKBUDDY_CONFIG_DIR", home / ".workbuddy", below="projects")


AGENT = Agent(
    name=NAME,
    title="WorkBuddy",
    roots=roots,
    files=family.files,
    read=partial(family.read, agent=NAME),
    known_types=family.KNOWN_TYPES,
    exact="tokens of each response, subagents, compactions",
    not_in_files=(
        "cost other than credits, the model behind `auto`, title requests, requests that failed, "
        "the context window, rate limits, processes"
    ),
)
