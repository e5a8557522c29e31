"""The agent Codex CLI. A session of Codex is called thread, and its transcript is called rollout.

Rollouts are `<home>/sessions/**/rollout-*.jsonl` and `<home>/archived_sessions/rollout-*.jsonl`,
where `<home>` is a home directory of Codex. The reader was checked with versions 0.80 to 0.169. The
format of the files is not documented; see tests/agents/codex/README.

Since version 0.137, Codex compresses a rollout to `.jsonl.zst` after a week without use. Codex
decompresses the rollout to continue the thread
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
    """Read one rollout, the transcript of a thread, after a cursor. Raises OSError."""
    return read_jsonl(NAME, RolloutParser, path, cursor)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts in all home directories of Codex."""
    homes = listed_roots(environment, "CODEX_HOME", home / ".codex")
    return tuple(base / name for base in homes for name in ("sessions", "archived_sessions"))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the rollouts below a root: `YYYY/MM/DD/*.jsonl`, or `*.jsonl` if they are archived.

    Compressed rollouts (`.jsonl.zst`) come last. If a rollout exists in both forms, only the file
    that is not compressed is listed.
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
    """Return the plan of the account; "" if unknown.

    The plan is read from the first home directory of Codex that contains one.
    """
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
    effort_source="turn_context or thread_settings",
    not_in_files="ephemeral threads, hidden title threads, streams that were cut",
)
