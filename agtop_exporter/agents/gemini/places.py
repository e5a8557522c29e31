"""Finds the directories and files of Gemini CLI.

Some functions read small files, such as settings, to find the plan and the working directory of a
session.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import (
    MAX_DEPTH,
    Environment,
    entries_of,
    is_folder,
    listed_roots,
    named_files,
    named_path,
    walk,
)
from agtop_exporter.agents.openclaw import family as openclaw
from agtop_exporter.credentials import selected_sign_in
from agtop_exporter.existence import is_directory
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.profiles import folder_names

FOLDER = ".gemini"
OPENCLAW_PROFILES = Path("google-gemini-cli-home", "profiles")
PROJECTS, CHATS = "tmp", "chats"
IN_CHATS = re.compile(rf"(/{PROJECTS}/[^/]+)/{CHATS}/(?:([^/]+)/)?")
CHAT_SUFFIXES = (".jsonl", ".json")
SETTINGS = "settings.json"
TELEMETRY = "telemetry.log"  # default name; settings and environment can set another one
SMALL_FILE_BYTES = 1024 * 1024
SUBSCRIPTIONS = {  # plan names by kind of authentication, which does not identify the user
    "oauth-personal": "Google account",
    "gemini-api-key": "Gemini API key",
    "vertex-ai": "Vertex AI",
    "cloud-shell": "Cloud Shell",
    "compute-default-credentials": "Google Cloud",
}


class Telemetry(msgspec.Struct):
    """The member `telemetry` of `settings.json`: the path of the telemetry file."""

    outfile: str | None = None


class Settings(msgspec.Struct):
    """The decoded part of `settings.json`."""

    telemetry: Telemetry | None = None


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and telemetry files named in settings or the environment."""
    bases = (*data_directories(home, environment), *openclaw_directories(home, environment))
    outfiles = [environment.get("GEMINI_TELEMETRY_OUTFILE")]
    for base in bases:
        telemetry = settings(base).telemetry
        outfiles.append(telemetry.outfile if telemetry else None)
    named = (named_path(name) for name in outfiles if name and clean_path(name))
    # A relative path is relative to the unknown project in which the CLI was started.
    return tuple(dict.fromkeys((*bases, *(path for path in named if path.is_absolute()))))


def base_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories, and the directories that contain further data directories."""
    return (*data_directories(home, environment), *openclaw.bases(home, environment))


def data_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the user's data directories; by default one, `~/.gemini`."""
    user = named_path(environment.get("GEMINI_CLI_HOME") or str(home))
    return listed_roots(environment, "GEMINI_DATA_DIR", user / FOLDER)


def openclaw_directories(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the data directories that OpenClaw may have made, one for each of its profiles.

    OpenClaw runs Gemini CLI with `google-gemini-cli-home/profiles/<profile>` in the directory of
    an agent as the home directory. The source is in tests/agents/openclaw/README.
    """
    places = [folder / OPENCLAW_PROFILES for folder in openclaw.agent_folders(home, environment)]
    return tuple(place / name / FOLDER for place in places for name in folder_names(place))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts and the telemetry file of a data directory.

    If `root` is not a directory but a telemetry file, list only this file.
    """
    if is_directory(root):
        yield from chats(root)
        yield from named_files(root, TELEMETRY)
    else:
        yield from named_files(root.parent, root.name)


def chats(base: Path) -> Iterator[os.DirEntry[str]]:
    """List all transcripts in the data directory `base`.

    Transcripts of sessions are `tmp/<project>/chats/*`. Transcripts of subagents are in folders
    below `chats`.
    """
    for project in filter(is_folder, entries_of(base / PROJECTS)):
        for suffix in CHAT_SUFFIXES:
            yield from walk(f"{project.path}/{CHATS}", suffix=suffix, depth=MAX_DEPTH)


def is_chat(path: str) -> bool:
    """Return whether a file is in a `chats` folder and therefore a transcript, not telemetry."""
    return IN_CHATS.search(path) is not None


def project_folder(path: str) -> str:
    """Return the path of a transcript's project folder, `<root>/tmp/<project>`."""
    found = IN_CHATS.search(path)
    return path[: found.end(1)] if found else path.rsplit("/", 2)[0]


def parent_of(path: str) -> str:
    """Return the id of the parent session of a subagent's transcript; "" for other transcripts.

    The id is the name of the first folder below `chats`. The transcript of a nested subagent can be
    in a deeper folder.
    """
    found = IN_CHATS.search(path)
    return (found[2] or "") if found else ""


def settings(base: Path) -> Settings:
    """Return the settings in the data directory `base`; default settings if they cannot be read."""
    try:
        return msgspec.json.decode(read_head(base / SETTINGS, SMALL_FILE_BYTES), type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Settings()


def subscription(base: str) -> str:
    """Return the name of the user's plan; "" if unknown.

    The plan follows from the kind of authentication in the settings of the data directory `base`.
    """
    return SUBSCRIPTIONS.get(selected_sign_in(f"{base}/{SETTINGS}"), "")


def working_directory(project: str) -> str:
    """Return the working directory of the project folder `<root>/tmp/<project>`; "" if unknown.

    The file `.project_root` in the folder contains the directory. Otherwise `projects.json` lists
    directories with the names of their project folders. In older versions the name of the project
    folder is the SHA-256 of the directory.
    """
    try:
        text = read_head(f"{project}/.project_root", SMALL_FILE_BYTES)
        if root := clean_path(text.decode().strip()):
            return root
    except (OSError, UnicodeDecodeError):
        pass
    folder = project.rpartition("/")[2]
    for directory, name in _projects(project.rsplit("/", 2)[0]).items():
        if folder in (name, hashlib.sha256(directory.encode()).hexdigest()):
            return clean_path(directory)
    return ""


def _projects(base: str) -> dict[str, object]:
    """Return the content of `projects.json`: names of project folders by working directory."""
    try:
        text = read_head(f"{base}/projects.json", SMALL_FILE_BYTES)
        known = msgspec.json.decode(text, type=dict[str, object])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    inner = known.get("projects")
    return inner if isinstance(inner, dict) else known
