"""Cowork, the local agent mode of Claude Desktop. Each session has its own home directory.

Transcripts are `local-agent-mode-sessions/<id>/<id>/local_<id>/.claude/projects/**.jsonl`, in the
format of Claude Code. Those of the agent that starts sessions (Dispatch) are one level deeper, in
`<id>/<id>/agent/local_ditto_<id>`. On Windows, the folder of a session can have a short name
without `local_`. A session also has a file `audit.jsonl`, which repeats the responses of the
transcripts and is not read.

Claude Desktop has another data folder, `Claude-3p`, if the models of another provider are
configured (https://claude.com/docs/cowork/3p/overview).

Sources (GitHub repository, and issue or pull request number): rajbos/ai-engineering-fluency 572,
sj719045032/claude-statistics 12, Javis603/token-monitor 375, skillsynchq/txcript 9 (Dispatch),
anthropics/claude-code 56606 (`Claude-3p`), getagentseal/codeburn 615 (APPDATA).
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Environment, application_folders, named_path

SESSIONS = "local-agent-mode-sessions"
PROJECTS = ("*/*/*/.claude/projects", "*/*/agent/*/.claude/projects")
DATA_FOLDERS = ("Claude", "Claude-3p")
STORE_PACKAGE = "Packages/Claude_pzs8sxrjxfjjc/LocalCache"  # from the Microsoft Store


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that may contain sessions of Cowork."""
    named = environment.get("LOCALAPPDATA")
    local = named_path(named) if named else home / "AppData" / "Local"
    package = local / STORE_PACKAGE
    folders = (
        *application_folders(home, environment),
        local,
        package / "Roaming",
        package / "Local",
    )
    return tuple(folder / name / SESSIONS for folder in folders for name in DATA_FOLDERS)


def projects(root: Path) -> Iterator[Path]:
    """Yield the folder of projects of each session in a folder with sessions of Cowork."""
    for pattern in PROJECTS:
        yield from root.glob(pattern)
