"""Finds and reads the files of GitHub Copilot: the command line tool, and Copilot Chat in editors.

The editors are VS Code and similar ones. The code was checked against version 1.0.102 of the
command line tool. The file formats are not documented; see tests/agents/copilot/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import (
    Agent,
    Entry,
    Environment,
    application_folders,
    is_folder,
    listed_roots,
    named_files,
    named_path,
    walk,
)
from agtop_exporter.agents.copilot import changes, chat, cli, otel, signals, store
from agtop_exporter.agents.copilot.logs import FOLDER, LOG
from agtop_exporter.agents.copilot.processes import SIGNATURE
from agtop_exporter.agents.copilot.rows import STORE
from agtop_exporter.editors import user_folders
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.file_group import database_group

TRACES = "User/globalStorage/github.copilot-chat"
INCOMPLETE = "traces of a part of the requests, if a setting is on"
AGAIN = "traces of sessions whose logs are read, if a setting is on"
UNREAD = (
    (".copilot/history-session-state", "sessions of older versions of the tool"),
    *(
        (place, "chats of JetBrains editors, which have no token counts")
        for place in (
            ".copilot/jb",
            ".config/github-copilot/*/*-sessions",
            "AppData/Local/github-copilot/*/*-sessions",
        )
    ),
    (".copilot/data.db", "sums of the desktop app, which name one model only"),
    *(
        (f"{settings}/*/{place}", reason)
        for settings in (".config", "Library/Application Support", "AppData/Roaming")
        for place, reason in (
            ("User/workspaceStorage/*/chatSessions", "chats of an unknown editor"),
            (
                "User/workspaceStorage/*/GitHub.copilot-chat/debug-logs",
                "requests of chats without cache writes, if a setting is on",
            ),
            (f"{TRACES}/agent-traces.db", INCOMPLETE),
            (f"{TRACES}/otel/spans.db", INCOMPLETE),
            (f"{TRACES}/agent-host-traces.db", AGAIN),
            ("agent-host/otel/agent-host-traces.db", AGAIN),
        )
    ),
)
CHAT_FOLDERS = ("chatSessions", "emptyWindowChatSessions")


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the home directory of the tool, and the settings folders of the editors."""
    settings = application_folders(home, environment)
    data = named_path(environment.get("XDG_DATA_HOME") or str(home / ".local" / "share"))
    tool = listed_roots(environment, "COPILOT_HOME", home / ".copilot")
    return tuple(dict.fromkeys((*tool, *user_folders(home, settings, data))))


def files(root: Path) -> Iterator[Entry]:
    """List the files to read below `root`, a directory that `roots` returns.

    The home of the command line tool has logs, the session store and telemetry files. The settings
    folder of an editor has chats.
    """
    logs = root / FOLDER  # the oldest versions wrote `<id>.jsonl` here
    yield from walk(logs, suffix=".jsonl", depth=0)
    yield from named_files(logs, LOG, depth=1)
    for entry in named_files(root, STORE):
        yield database_group(entry.path)
    yield from walk(root / "otel", suffix=".jsonl", depth=0)
    for folder in folders(root / "workspaceStorage"):
        yield from chats(Path(folder, "chatSessions"))
    yield from chats(root / "globalStorage" / "emptyWindowChatSessions")


def folders(directory: Path) -> list[str]:
    """Return the paths of the folders in a directory; [] if the directory cannot be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.path for entry in entries if is_folder(entry)]
    except OSError:
        return []


def chats(directory: Path) -> Iterator[os.DirEntry[str]]:
    """List the chat files in a directory.

    A chat can be stored as a document, as a change log, or as both. If it is stored as both, only
    the change log is listed.
    """
    logs = list(walk(directory, suffix=".jsonl", depth=0))
    replaced = {entry.name.removesuffix("l") for entry in logs}
    yield from logs
    for entry in walk(directory, suffix=".json", depth=0):
        if entry.name not in replaced:
            yield entry


def read(path: str, cursor: Cursor) -> Batch:
    """Read the records after `cursor` in one of the files that `files` lists. Raises OSError."""
    folder = path.split("/")[-2]
    if folder in CHAT_FOLDERS:
        return chat.read(path, cursor)
    if folder == "otel":
        return otel.read(path, cursor)
    if path.endswith(STORE):
        return store.read(path, cursor)
    return cli.read(path, cursor)


AGENT = Agent(
    name=cli.NAME,
    title="GitHub Copilot",
    roots=roots,
    files=files,
    read=read,
    signature=SIGNATURE,
    aliases=("github-copilot",),
    worktrees={"copilot-worktrees": 0},  # <folder>/copilot-worktrees/<repository>/<name>
    unread=UNREAD,
    known_types=signals.KNOWN_TYPES | changes.KNOWN_TYPES | otel.KNOWN_TYPES,
    effort_source="reasoningEffort or reasoning_effort",
    exact=(
        "tokens and AI credits of each request of the command line tool; AI credits of VS Code "
        "chats"
    ),
    not_in_files=(
        "VS Code chats before 1.109 have no tokens, and later ones none of subagents; premium "
        "requests as money, the plan, rate limits"
    ),
    versions_seen=("1.0.102",),
)
