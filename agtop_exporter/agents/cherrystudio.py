"""The agent of Cherry Studio, which runs Claude Code's SDK and shares the reader of Claude Code.

Its transcripts are below `CherryStudio/Data/Agents/.claude/projects` in the folder of applications;
before version 2 they are below `CherryStudio/.claude/projects`. Sources: junhoyeo/tokscale pull
request 1105 and vshulcz/deja-vu issue 3644; see also tests/agents/cherrystudio/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, application_folders
from agtop_exporter.agents.claude import family

NAME = "cherrystudio"
PLACES = "Data/Agents/.claude/projects", ".claude/projects"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders with projects."""
    folders = application_folders(home, environment)
    return tuple(folder / "CherryStudio" / place for folder in folders for place in PLACES)


AGENT = Agent(
    name=NAME,
    title="Cherry Studio",
    roots=roots,
    files=family.transcripts,
    read=partial(family.read_transcript, agent=NAME),
    aliases=("cherry-studio",),
    known_types=family.KNOWN_TYPES,
    effort_source="assistant.effort",
    exact="tokens of each response of an agent with both cache-write lifetimes, subagents",
    not_in_files="chats without an agent, title, compaction and safety requests, streams that were "
    "cut or retried, rate limits, processes",
)
