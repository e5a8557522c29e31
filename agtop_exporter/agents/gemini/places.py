"""Where Gemini CLI keeps what, and what its files beside the transcripts say of a session."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Environment, listed_roots, walk
from agtop_exporter.credentials import selected_sign_in

CHATS = "chats"
CHAT_SUFFIXES = (".jsonl", ".json")
SETTINGS = "settings.json"
TELEMETRY = "telemetry.log"  # the usual name; settings and environment may give another
SMALL_FILE_BYTES = 1024 * 1024
SUBSCRIPTIONS = {  # by kind of authentication, which says nothing of who it is
    "oauth-personal": "Google account",
    "gemini-api-key": "Gemini API key",
    "vertex-ai": "Vertex AI",
    "cloud-shell": "Cloud Shell",
    "compute-default-credentials": "Google Cloud",
}


class Telemetry(msgspec.Struct):
    """The part of the settings that says where telemetry goes."""

    outfile: str | None = None


class Settings(msgspec.Struct):
    """`settings.json`, of which only this and the kind of authentication are looked at."""

    telemetry: Telemetry | None = None


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the telemetry files that lie elsewhere."""
    user = Path(environment.get("GEMINI_CLI_HOME") or home).expanduser()
    bases = listed_roots(environment, "GEMINI_DATA_DIR", user / ".gemini")
    outfiles = [environment.get("GEMINI_TELEMETRY_OUTFILE")]
    for base in bases:
        telemetry = settings(base).telemetry
        outfiles.append(telemetry.outfile if telemetry else None)
    named = (Path(name).expanduser() for name in outfiles if name)
    # A relative name starts at the project that the CLI was started in: none of ours to guess.
    return tuple(dict.fromkeys((*bases, *(path for path in named if path.is_absolute()))))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts and the telemetry file of a data directory, or the one file named."""
    if root.is_dir():
        yield from chats(root)
        yield from _named(root, TELEMETRY)
    else:
        yield from _named(root.parent, root.name)


def chats(base: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts: `tmp/<project>/chats/*` and those of subagents one folder below."""
    try:
        projects = os.scandir(base / "tmp")
    except OSError:
        return
    with projects:
        for project in projects:
            for suffix in CHAT_SUFFIXES:
                yield from walk(f"{project.path}/{CHATS}", suffix=suffix, depth=1)


def is_chat(path: Path) -> bool:
    """Say whether a file is a transcript; its place tells, for telemetry may have any name."""
    return CHATS in (path.parent.name, path.parent.parent.name)


def _named(directory: Path, name: str) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in walk(directory, suffix=name, depth=0) if entry.name == name)


def settings(base: Path) -> Settings:
    """Return the user's settings; empty where they cannot be read."""
    try:
        return msgspec.json.decode(_small(base / SETTINGS), type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Settings()


def subscription(base: Path) -> str:
    """Name what pays for the tokens; empty where it is not said."""
    return SUBSCRIPTIONS.get(selected_sign_in(base / SETTINGS), "")


def working_directory(project: Path) -> str:
    """Return the directory that a project folder stands for; empty where nothing says it.

    The folder's own `.project_root` says it, else `projects.json` by the folder's name; older
    versions named the folder by the SHA-256 of the directory.
    """
    try:
        if root := _small(project / ".project_root").decode().strip():
            return root
    except (OSError, UnicodeDecodeError):
        pass
    for directory, name in _projects(project.parent.parent).items():
        if project.name in (name, hashlib.sha256(directory.encode()).hexdigest()):
            return directory
    return ""


def _projects(base: Path) -> dict[str, object]:
    """Return directory -> folder name; the map may be the document, or its `projects`."""
    try:
        known = msgspec.json.decode(_small(base / "projects.json"), type=dict[str, object])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    inner = known.get("projects")
    return inner if isinstance(inner, dict) else known


def _small(path: Path) -> bytes:
    """Read a small file. Raises OSError where it is none."""
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        return file.read(SMALL_FILE_BYTES)
