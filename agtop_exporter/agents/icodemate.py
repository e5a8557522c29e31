"""The agent ICodeMate, which is made from OpenCode and shares its reader.

The database is `icodemate.db`. The only source is another reader, kenn-io/agentsview; its makers
publish neither the program nor a description of its files. See tests/agents/icodemate/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.agents.opencode import family

NAME = "icodemate"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories."""
    return family.data_folders(home, environment, NAME)


AGENT = Agent(
    name=NAME,
    title="ICodeMate",
    roots=roots,
    files=partial(family.files, databases=(NAME,)),
    read=partial(family.read, agent=NAME),
    known_types=family.KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each request",
    not_in_files="title requests, the context window, requests that failed, processes",
)
