"""The agent Claude Code.

Its transcripts are `<configuration directory>/projects/<folder>/**.jsonl`, one for each session or
subagent. The reader was checked with versions 1.0.100 to 2.1.332. The format of the files is not
documented; see tests/agents/claude/README.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Entry, Environment, listed_roots
from agtop_exporter.agents.claude import cowork, limits
from agtop_exporter.agents.claude.account import account_plan
from agtop_exporter.agents.claude.family import read_transcript, transcripts
from agtop_exporter.agents.claude.hosts import HOSTS
from agtop_exporter.agents.claude.limits import FOLDER
from agtop_exporter.agents.claude.processes import SIGNATURE, read_registries
from agtop_exporter.agents.claude.status_line import read_status_line
from agtop_exporter.agents.claude.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.hosts import host_account, host_folders
from agtop_exporter.reading.profiles import account_of, profile_folders
from agtop_exporter.signature import RegistryReading

NAME = "claude"


def read(path: str, cursor: Cursor) -> Batch:
    """Read a transcript, a workflow journal or a `.claude.json` after a cursor. Raises OSError."""
    if path.endswith(limits.STATE):
        return limits.read(path, cursor, agent=NAME)
    return read_transcript(path, cursor, agent=NAME)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders with projects of Claude Code, and the folders with sessions of Cowork."""
    return (*_configured(home, environment), *cowork.roots(home, environment))


def _configured(home: Path, environment: Environment) -> tuple[Path, ...]:
    own = listed_roots(
        environment,
        "CLAUDE_CONFIG_DIR",
        home / ".claude",
        home / ".config" / "claude",
        *profile_folders(home, FOLDER),
        below="projects",
    )
    return (*own, *(folder / "projects" for folder in host_folders(home, HOSTS)))


def bases(home: Path, _environment: Environment) -> tuple[Path, ...]:
    """Return the directory that contains the configuration directories of further accounts."""
    return (home,)


def files(root: Path) -> Iterator[Entry]:
    """List the transcripts below a root, and the files with the rate limits of the account."""
    if root.name == cowork.SESSIONS:
        for projects in cowork.projects(root):
            yield from transcripts(projects)
        return
    yield from transcripts(root)
    yield from limits.files(root)


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account in the default configuration directories; "" if unknown.

    The plan is read from the first configuration directory that contains one.
    """
    folders = (root.parent for root in _configured(home, environment))
    return next(filter(None, (account_plan(one) for one in folders if not account(one))), "")


def account(folder: Path) -> str:
    """Return the name of the account of a configuration directory; "" for the default one."""
    made = host_account(folder, HOSTS)
    return account_of(folder, default=FOLDER) if made is None else made


def live_registry(home: Path, environment: Environment) -> RegistryReading:
    """Return the live processes that Claude Code lists in its own files.

    Never raises OSError.
    """
    folders = (root.parent for root in _configured(home, environment))
    return read_registries(folders, agent=NAME)


AGENT = Agent(
    name=NAME,
    title="Claude Code",
    roots=roots,
    files=files,
    read=read,
    bases=bases,
    plan=plan,
    account=account,
    account_plan=account_plan,
    status_line=partial(read_status_line, agent=NAME, account=account),
    plan_covers=frozenset({"max"}),
    signature=SIGNATURE,
    live_registry=live_registry,
    aliases=("claude-code", "claudecode"),
    known_types=KNOWN_TYPES,
    effort_source="assistant.effort",
    exact=(
        "tokens of each response with both cache-write lifetimes, subagents, web searches, "
        "service tier, region; from 2.1.330 also the sums of requests without a response in a "
        "transcript"
    ),
    not_in_files=(
        "title, compaction, recap and safety requests, side questions, hooks that ask a model, "
        "tokens of web searches and web fetches, streams that were cut or retried: before "
        "2.1.330, while the process runs, if it was killed, in forks and in sessions in the "
        "background; before 2.1 a part of the output of a response"
    ),
    versions_seen=("2.1.332", "2.1.330", "2.1.197", "2.0.50", "1.0.100"),
)
