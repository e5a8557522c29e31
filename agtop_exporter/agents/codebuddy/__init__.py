"""The agent CodeBuddy Code of Tencent.

Its transcripts are `~/.codebuddy/projects/<project>/<session id>.jsonl`. Those of subagents are
`<session id>/subagents/agent-<id>.jsonl` beside it. The reader was checked with version 2.163.0.
The format is not documented; see tests/agents/codebuddy/README.
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.codebuddy import family

NAME = "codebuddy"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders with projects."""
    return listed_roots(environment, "CODEBUDDY_CONFIG_DIR", home / ".codebuddy", below="projects")


AGENT = Agent(
    name=NAME,
    title="CodeBuddy",
    roots=roots,
    files=family.files,
    read=partial(family.read, agent=NAME),
    aliases=("codebuddy-code", "cbc"),
    signature=family.signature(
        frozenset({"codebuddy", "cbc", "codebuddy-headless"}), ("@tencent-ai/codebuddy-code",)
    ),
    known_types=family.KNOWN_TYPES,
    exact="tokens of each response, subagents, compactions",
    not_in_files=(
        "cost other than credits, title requests, requests that failed, the context window, rate "
        "limits; chats of the editor and of its extensions"
    ),
    versions_seen=("2.163.0",),
    unread=tuple(
        (
            f"{folder}/CodeBuddyExtension/Data/*/*",
            "chats of the editor, with sums of a conversation",
        )
        for folder in (".local/share", "Library/Application Support", "AppData/Local")
    ),
)
