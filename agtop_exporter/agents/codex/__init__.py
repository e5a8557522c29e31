"""Codex CLI: `<root>/sessions/**/rollout-*.jsonl` and `archived_sessions`, one rollout per thread.

Checked against versions 0.80 to 0.169. The format is not documented; see tests/agents/codex/README.
Since 0.137, Codex compresses a rollout to `.jsonl.zst` after a week without use, and decompresses
it to continue the thread
(https://github.com/openai/codex/blob/main/codex-rs/rollout/src/compression.rs).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.agents.codex.account import account_plan
from agtop_exporter.agents.codex.limits import NAME
from agtop_exporter.agents.codex.processes import SIGNATURE
from agtop_exporter.agents.codex.reader import RolloutParser
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl

PLAIN, COMPRESSED = ".jsonl", ".jsonl.zst"


def read(path: str, cursor: Cursor) -> Batch:
    """Read one rollout after a cursor. Raises OSError."""
    return read_jsonl(NAME, RolloutParser, path, cursor)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts of every home."""
    homes = listed_roots(environment, "CODEX_HOME", home / ".codex")
    return tuple(base / name for base in homes for name in ("sessions", "archived_sessions"))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the rollouts: `YYYY/MM/DD/*.jsonl`, or flat if archived; compressed ones come last.

    If a rollout exists in both forms, only the plain text is listed.
    """
    plain: list[os.DirEntry[str]] = []
    compressed: list[os.DirEntry[str]] = []
    for entry in walk(root, suffix=(PLAIN, COMPRESSED), depth=4):
        if entry.name.endswith(COMPRESSED):
            compressed.append(entry)
        else:
            plain.append(entry)
            yield entry
    if compressed:
        unpacked = {entry.path.removesuffix(PLAIN) for entry in plain}
        yield from (e for e in compressed if e.path.removesuffix(COMPRESSED) not in unpacked)


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account, from the first home that has one."""
    homes = dict.fromkeys(root.parent for root in roots(home, environment))
    return next(filter(None, map(account_plan, homes)), "")


AGENT = Agent(
    name=NAME,
    title="Codex",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    signature=SIGNATURE,
    worktrees={".codex": 1},  # ~/.codex/worktrees/<id>/<repository>: openai/codex 38326
    unread=((".codex-*/sessions", "CODEX_HOME does not name it"),),
    known_types=KNOWN_TYPES,
    not_in_files="ephemeral threads, hidden title threads, streams that were cut",
)
