"""Claude Code: `<root>/projects/<folder>/**.jsonl`, one transcript per session or subagent.

Checked against versions 1.0.100 to 2.1.332. The format is not documented; see
tests/agents/claude/README.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Entry, Environment, listed_roots, walk
from agtop_exporter.agents.claude import cowork, limits
from agtop_exporter.agents.claude.account import account_plan
from agtop_exporter.agents.claude.journal import JOURNAL, JournalParser
from agtop_exporter.agents.claude.limits import NAME
from agtop_exporter.agents.claude.processes import SIGNATURE, read_registries
from agtop_exporter.agents.claude.reader import TranscriptParser
from agtop_exporter.agents.claude.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.signature import RegistryReading

FOLDER_DEPTH = 12  # levels below the folder of projects; workflows of 2.1 need 5


def read(path: str, cursor: Cursor) -> Batch:
    """Read a transcript, journal or rate-limit file after a cursor. Raises OSError."""
    if path.endswith(limits.STATE):
        return limits.read(path, cursor)
    if Path(path).name == JOURNAL:
        return read_jsonl(NAME, JournalParser, path, cursor)
    return read_jsonl(NAME, TranscriptParser, path, cursor)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the project folders of all configuration directories and of Cowork's sessions."""
    return (*_configured(home, environment), *cowork.roots(home))


def _configured(home: Path, environment: Environment) -> tuple[Path, ...]:
    return listed_roots(
        environment,
        "CLAUDE_CONFIG_DIR",
        home / ".claude",
        home / ".config" / "claude",
        below="projects",
    )


def files(root: Path) -> Iterator[Entry]:
    """List the transcripts of a folder of projects, and the file with its rate limits.

    Transcripts are `<project>/*.jsonl`, `<project>/<session>/subagents/agent-*.jsonl`, and for the
    agents of a workflow `<project>/<session>/subagents/workflows/<run>/agent-*.jsonl`, with a
    journal beside them.
    """
    if root.name == cowork.SESSIONS:
        for projects in root.glob(cowork.PROJECTS):
            yield from walk(projects, suffix=".jsonl", depth=FOLDER_DEPTH)
        return
    yield from walk(root, suffix=".jsonl", depth=FOLDER_DEPTH)
    yield from limits.files(root)


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account, from the first configuration directory that has one."""
    folders = (root.parent for root in _configured(home, environment))
    return next(filter(None, map(account_plan, folders)), "")


def live_registry(home: Path, environment: Environment) -> RegistryReading:
    """Return Claude Code's own list of its live processes. Never raises OSError."""
    return read_registries(root.parent for root in _configured(home, environment))


AGENT = Agent(
    name=NAME,
    title="Claude Code",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    plan_covers=frozenset({"max"}),
    signature=SIGNATURE,
    live_registry=live_registry,
    aliases=("claude-code", "claudecode"),
    unread=((".claude-*/projects", "CLAUDE_CONFIG_DIR does not name it"),),
    known_types=KNOWN_TYPES,
    not_in_files="title, compaction and safety requests, streams that were cut or retried",
)
