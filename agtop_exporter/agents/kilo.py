"""The agent Kilo Code: its command line program, and its editor extensions since April 2026.

Kilo Code is made from OpenCode and shares its reader. The database is `kilo.db`; other release
channels have `kilo-<channel>.db`. Before the program got its name, the database of a channel was
`opencode-<channel>.db` in the same directory. The code was checked against version 7.7.9. The
format is not documented; see tests/agents/kilo/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.agents.opencode import family

NAME = "kilo"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the database paths from the variable KILO_DB."""
    return family.with_database(
        family.data_folders(home, environment, NAME), environment, "KILO_DB"
    )


AGENT = Agent(
    name=NAME,
    title="Kilo Code",
    roots=roots,
    files=partial(family.files, databases=("kilo", "opencode")),
    read=partial(family.read, agent=NAME),
    signature=family.signature(
        frozenset({"kilo", "kilocode"}),
        ("@kilocode/cli",),
        helpers=(("config",), ("console",), ("daemon",), ("plugin",), ("profile",), ("remote",)),
    ),
    aliases=("kilocode", "kilo-code"),
    unread=(
        (
            ".config/*/User/globalStorage/kilocode.kilo-code/tasks",
            "tasks of the editor extension before April 2026",
        ),
    ),
    known_types=family.KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each request",
    not_in_files="title requests, the context window, requests that failed",
    versions_seen=("7.7.9",),
)
