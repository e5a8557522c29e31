"""The code for OpenCode and for the programs that were made from it.

The programs have the same records. The names of their folders, databases, variables and processes
differ.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Environment, named_path, walk
from agtop_exporter.agents.opencode import layout, storage
from agtop_exporter.agents.opencode.database import TableParser
from agtop_exporter.agents.opencode.processes import SIGNATURE
from agtop_exporter.agents.opencode.records import KNOWN_TYPES
from agtop_exporter.existence import is_directory, is_file
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import FileGroup, database_group
from agtop_exporter.reading.sqlite import read_sqlite
from agtop_exporter.signature import ProcessSignature

__all__ = [
    "EFFORT_SOURCE",
    "KNOWN_TYPES",
    "TableParser",
    "data_folders",
    "files",
    "read",
    "signature",
    "with_database",
]

EFFORT_SOURCE = "message.variant or model.variant"  # of `Agent.effort_source`


def signature(
    executables: frozenset[str],
    packages: tuple[str, ...],
    *,
    helpers: tuple[tuple[str, ...], ...] = (),
) -> ProcessSignature:
    """Return the process signature of a program by the names of its files and npm packages.

    `helpers` are commands that OpenCode lacks and that never run a session.
    """
    return msgspec.structs.replace(
        SIGNATURE,
        executables=executables,
        packages=packages,
        helpers=(*SIGNATURE.helpers, *helpers),
    )


def data_folders(home: Path, environment: Environment, name: str) -> tuple[Path, ...]:
    """Return the data directories of a program; `name` is the name of its directory."""
    shared = environment.get("XDG_DATA_HOME")
    return (
        *((named_path(shared) / name,) if shared else ()),
        home / ".local" / "share" / name,
        home / "Library" / "Application Support" / name,
    )


def with_database(
    folders: tuple[Path, ...], environment: Environment, variable: str
) -> tuple[Path, ...]:
    """Return data directories and the database that an environment variable names.

    If the path of the database is relative, it is relative to a data directory.
    """
    named = environment.get(variable, "")
    if named in ("", ":memory:"):
        return folders
    return tuple(dict.fromkeys((*folders, *(folder / named_path(named) for folder in folders))))


def files(root: Path, *, databases: tuple[str, ...]) -> Iterator[FileGroup]:
    """List the databases and JSON sessions of a data directory, or the single database `root`.

    `databases` are the beginnings of the names of databases.
    """
    if is_directory(root):
        for entry in walk(root, suffix=".db", depth=0):
            if entry.name.startswith(databases):
                yield database_group(entry.path)
        yield from layout.files(root)
    elif is_file(root):
        yield database_group(str(root))


def read(
    path: str, cursor: Cursor, *, agent: str, parser: type[TableParser] = TableParser
) -> Batch:
    """Read the records after `cursor` in a database or a JSON session. Raises OSError.

    `agent` is the name of the agent, and `parser` the parser of its databases.
    """
    if path.endswith(".json"):
        return storage.read(path, cursor, agent=agent)
    return read_sqlite(agent, parser, path, cursor)
