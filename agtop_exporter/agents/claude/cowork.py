"""Cowork, the local agent mode of Claude Desktop: each of its sessions has a home of its own.

Transcripts are `local-agent-mode-sessions/<id>/<id>/local_<id>/.claude/projects/**.jsonl`, in the
format of Claude Code. `audit.jsonl` beside them repeats their responses.

Sources: rajbos/ai-engineering-fluency 572, sj719045032/claude-statistics 12, and
Javis603/token-monitor 375.
"""

from pathlib import Path

SESSIONS = "local-agent-mode-sessions"
PROJECTS = "*/*/local_*/.claude/projects"
DATA_FOLDERS = (  # of Claude Desktop, below a home
    ".config/Claude",
    "Library/Application Support/Claude",
    "AppData/Roaming/Claude",
    "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude",  # from the store
)


def roots(home: Path) -> tuple[Path, ...]:
    """Return where the sessions of Cowork may be."""
    return tuple(home / folder / SESSIONS for folder in DATA_FOLDERS)
