"""Cowork, the local agent mode of Claude Desktop. Each session has its own home directory.

Transcripts are `local-agent-mode-sessions/<id>/<id>/local_<id>/.claude/projects/**.jsonl`, in the
format of Claude Code. Those of the agent that starts sessions (Dispatch) are one level deeper, in
`<id>/<id>/agent/local_ditto_<id>`. A session also has a file `audit.jsonl`, which repeats the
responses of the transcripts and is not read.

Sources (GitHub repository, and issue or pull request number): rajbos/ai-engineering-fluency 572,
sj719045032/claude-statistics 12, Javis603/token-monitor 375, and skillsynchq/txcript 9 (Dispatch).
"""

from collections.abc import Iterator
from pathlib import Path

SESSIONS = "local-agent-mode-sessions"
PROJECTS = ("*/*/local_*/.claude/projects", "*/*/agent/local_*/.claude/projects")
DATA_FOLDERS = (  # folder of Claude Desktop below a home
    ".config/Claude",
    "Library/Application Support/Claude",
    "AppData/Roaming/Claude",
    # the package from the Microsoft Store
    "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude",
)


def roots(home: Path) -> tuple[Path, ...]:
    """Return the folders that may contain sessions of Cowork."""
    return tuple(home / folder / SESSIONS for folder in DATA_FOLDERS)


def projects(root: Path) -> Iterator[Path]:
    """Yield the folder of projects of each session in a folder with sessions of Cowork."""
    for pattern in PROJECTS:
        yield from root.glob(pattern)
