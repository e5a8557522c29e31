"""Zed: reads `<data directory>/threads/threads.db`, with the threads of the editor's own agent.

Zed runs other agents too, such as Claude Code. Those agents write their own transcripts, and their
usage is not in this database. Threads are not matched with processes, because one editor process
runs the threads of all projects. See tests/agents/zed/README for the versions.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_files, named_path
from agtop_exporter.agents.zed import database
from agtop_exporter.agents.zed.records import KNOWN_TYPES
from agtop_exporter.reading.file_group import FileGroup, database_group


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of the database on Linux, macOS and Windows, and with Flatpak."""
    shared = [environment.get(name) for name in ("XDG_DATA_HOME", "FLATPAK_XDG_DATA_HOME")]
    folders = (
        *(named_path(each) / "zed" for each in shared if each),
        home / ".local" / "share" / "zed",
        home / ".var" / "app" / "dev.zed.Zed" / "data" / "zed",
        home / "Library" / "Application Support" / "Zed",
        home / "AppData" / "Local" / "Zed",
    )
    return tuple(dict.fromkeys(folder / "threads" for folder in folders))


def files(root: Path) -> Iterator[FileGroup]:
    """List the database in a directory."""
    return (database_group(entry.path) for entry in named_files(root, "threads.db"))


AGENT = Agent(
    name=database.NAME,
    title="Zed",
    roots=roots,
    files=files,
    read=database.read,
    known_types=KNOWN_TYPES,
    exact="tokens of each thread since June 2026, as the growth of a sum",
    not_in_files=(
        "requests before June 2026 (Zed did not add them up), single requests and their times, the "
        "earlier models of threads that were saved before the first scan, cost, rate limits"
    ),
)
