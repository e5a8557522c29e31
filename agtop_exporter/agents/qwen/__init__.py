"""The agent Qwen Code.

Its transcripts are `<data directory>/projects/<folder>/chats/*.jsonl`. The transcripts of subagents
are in a folder `subagents` beside `chats`. The first versions wrote `tmp/<hash>/chats/*.json`. The
reader was checked with versions 0.1.4, 0.15.10 and 0.24.4. The format of the files is not
documented; see tests/agents/qwen/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import MAX_DEPTH, Agent, Environment, listed_roots, named_path, walk
from agtop_exporter.agents.qwen import earlier
from agtop_exporter.agents.qwen.processes import SIGNATURE
from agtop_exporter.agents.qwen.reader import TranscriptParser
from agtop_exporter.agents.qwen.records import KNOWN_TYPES
from agtop_exporter.credentials import selected_sign_in
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.profiles import folder_names

NAME = "qwen"
EARLIER, CHATS, CHAT_SUFFIX = "tmp", "chats", ".json"
SUBSCRIPTIONS = {  # plan names by sign-in method
    "anthropic": "Anthropic API key",
    "gemini": "Gemini API key",
    "openai": "OpenAI-compatible API key",
    "qwen-oauth": "Qwen account",
    "vertex-ai": "Vertex AI",
}


def read(path: str, cursor: Cursor) -> Batch:
    """Read one transcript after a cursor. Raises OSError."""
    if path.endswith(CHAT_SUFFIX):
        return read_document(NAME, earlier.ChatParser, path, cursor)
    return read_jsonl(NAME, TranscriptParser, path, cursor)


def user_folder(home: Path, environment: Environment) -> Path:
    """Return the folder with the user's settings of Qwen Code."""
    named = environment.get("QWEN_HOME")
    return named_path(named) if named else home / ".qwen"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folder `projects` of every data directory, and the folder of the first versions.

    The first versions did not know the environment variables.
    """
    folder = user_folder(home, environment)
    projects = listed_roots(environment, "QWEN_RUNTIME_DIR", folder, below="projects")
    return (*projects, home / ".qwen" / EARLIER)


def plan(home: Path, environment: Environment) -> str:
    """Return the name of the plan, from the sign-in method in the settings; "" if unknown."""
    settings = user_folder(home, environment) / "settings.json"
    return SUBSCRIPTIONS.get(selected_sign_in(settings), "")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts below a root.

    Transcripts of sessions are in `<project>/chats/`. Transcripts of subagents are in folders below
    `<project>/subagents/<session>/`. Chats of the first versions are `<hash>/chats/*.json`.
    """
    if root.name != EARLIER:
        yield from walk(root, suffix=".jsonl", depth=MAX_DEPTH)
        return
    for folder in folder_names(root):
        yield from walk(root / folder / CHATS, suffix=CHAT_SUFFIX, depth=0)


AGENT = Agent(
    name=NAME,
    title="Qwen Code",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    signature=SIGNATURE,
    aliases=("qwen-code",),
    known_types=KNOWN_TYPES | earlier.KNOWN_TYPES,
    exact="tokens of each response",
    not_in_files=(
        "suggestions of what to type next, requests that failed, cache writes, rate limits; before "
        "0.24 the tokens of sub-agents apart from their parent's; in chats of the first "
        "versions responses without text, tools, turns and directories"
    ),
    versions_seen=("0.24.4", "0.15.10", "0.1.4"),
)
