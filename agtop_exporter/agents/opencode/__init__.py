"""Finds and reads the files of OpenCode: its databases, and the JSON files of old versions.

The default database is `opencode.db`. Other release channels have databases with other names. The
code was checked against versions 1.1.34 and 1.18.33. The format is not documented; see
tests/agents/opencode/README.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, named_path, walk
from agtop_exporter.agents.opencode import database, storage
from agtop_exporter.agents.opencode.events import NAME
from agtop_exporter.agents.opencode.processes import SIGNATURE
from agtop_exporter.agents.opencode.records import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import FileGroup, database_group


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the database paths from the variable OPENCODE_DB."""
    shared = environment.get("XDG_DATA_HOME")
    bases = listed_roots(
        environment,
        "OPENCODE_DATA_DIR",
        *((named_path(shared) / "opencode",) if shared else ()),
        home / ".local" / "share" / "opencode",
        home / "Library" / "Application Support" / "opencode",
    )
    named = environment.get("OPENCODE_DB", "")
    if named in ("", ":memory:"):
        return bases
    return tuple(dict.fromkeys((*bases, *(base / named_path(named) for base in bases))))


def files(root: Path) -> Iterator[FileGroup]:
    """List the databases and JSON sessions of a data directory, or the single database `root`."""
    if root.is_dir():
        for entry in walk(root, suffix=".db", depth=0):
            if entry.name.startswith("opencode"):
                yield database_group(entry.path)
        yield from storage.files(root)
    elif root.is_file():
        yield database_group(str(root))


def read(path: str, cursor: Cursor) -> Batch:
    """Read the records after `cursor` in a database or a JSON session. Raises OSError."""
    if path.endswith(".json"):
        return storage.read(path, cursor)
    return database.read(path, cursor)


AGENT = Agent(
    name=NAME,
    title="OpenCode",
    roots=roots,
    files=files,
    read=read,
    signature=SIGNATURE,
    aliases=("open-code",),
    unread=((".local/share/opencode/project", "sessions of versions before 1.0"),),
    known_types=KNOWN_TYPES,
    effort_source="message.variant or model.variant",
    exact="tokens and cost of each request",
    not_in_files="title requests before version 2, the context window, requests that failed",
    versions_seen=("1.18.33", "1.1.34"),
)
