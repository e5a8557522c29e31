"""Finds and reads the files of OpenCode: its databases, and the JSON files of old versions.

The default database is `opencode.db`. Other release channels have databases with other names. The
code was checked against versions 1.1.34 and 1.18.33. The format is not documented; see
tests/agents/opencode/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.opencode.family import (
    EFFORT_SOURCE,
    data_folders,
    files,
    read,
    with_database,
)
from agtop_exporter.agents.opencode.processes import SIGNATURE
from agtop_exporter.agents.opencode.records import KNOWN_TYPES

NAME = "opencode"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the database paths from the variable OPENCODE_DB."""
    folders = data_folders(home, environment, NAME)
    bases = listed_roots(environment, "OPENCODE_DATA_DIR", *folders)
    return with_database(bases, environment, "OPENCODE_DB")


AGENT = Agent(
    name=NAME,
    title="OpenCode",
    roots=roots,
    files=partial(files, databases=(NAME,)),
    read=partial(read, agent=NAME),
    signature=SIGNATURE,
    aliases=("open-code",),
    unread=((".local/share/opencode/project", "sessions of versions before 1.0"),),
    known_types=KNOWN_TYPES,
    effort_source=EFFORT_SOURCE,
    exact="tokens and cost of each request",
    not_in_files=(
        "title requests before version 2, requests that keep a cache warm, the context window, "
        "requests that failed"
    ),
    versions_seen=("1.18.33", "1.1.34"),
)
