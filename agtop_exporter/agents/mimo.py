"""The agent MiMo Code of Xiaomi: its command line program and its desktop application.

MiMo Code is made from OpenCode and shares its reader. The database is `mimocode.db`; other release
channels have `mimocode-<channel>.db`. The database also has sessions that MiMo Code imported from
other agents; their messages are not counted. The format is not documented; see
tests/agents/mimo/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_path
from agtop_exporter.agents.opencode import family

NAME = "mimo"
FOLDER = "mimocode"  # name of the data directory, and beginning of the names of databases


class Parser(family.TableParser):
    """The parser of a database of MiMo Code, whose versions are not those of OpenCode."""

    excludes_reasoning = True


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the database paths from the variable MIMOCODE_DB.

    The variable MIMOCODE_HOME names the directory that contains the data directory.
    """
    own = environment.get("MIMOCODE_HOME")
    folders = (named_path(own) / "data",) if own else family.data_folders(home, environment, FOLDER)
    return family.with_database(folders, environment, "MIMOCODE_DB")


AGENT = Agent(
    name=NAME,
    title="MiMo Code",
    roots=roots,
    files=partial(family.files, databases=(FOLDER,)),
    read=partial(family.read, agent=NAME, parser=Parser),
    signature=family.signature(frozenset({"mimo"}), ("@mimo-ai/cli",)),
    aliases=("mimocode", "mimo-code"),
    known_types=family.KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each request",
    not_in_files="title requests, the context window, requests that failed",
)
