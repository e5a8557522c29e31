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
from functools import partial
from pathlib import Path

from agtop_exporter.agents import (
    Agent,
    Environment,
    account_of,
    listed_roots,
    profile_folders,
    walk,
)
from agtop_exporter.agents.codex.account import account_plan
from agtop_exporter.agents.codex.limits import NAME
from agtop_exporter.agents.codex.processes import SIGNATURE
from agtop_exporter.agents.codex.reader import RolloutParser
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl

FOLDER = ".codex"  # name of the default home directory
PLAIN, COMPRESSED = ".jsonl", ".jsonl.zst"


def read(path: str, cursor: Cursor) -> Batch:
    """Read one rollout, the transcript of a thread, after a cursor. Raises OSError."""
    return read_jsonl(NAME, RolloutParser, path, cursor)


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts in all home directories of Codex."""
    homes = listed_roots(environment, "CODEX_HOME", home / FOLDER, *profile_folders(home, FOLDER))
    return tuple(base / name for base in homes for name in ("sessions", "archived_sessions"))


def bases(home: Path, _environment: Environment) -> tuple[Path, ...]:
    """Return the directory that contains the home directories of Codex."""
    return (home,)


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
    """Return the plan of the account in the default home directory of Codex; "" if unknown."""
    homes = dict.fromkeys(root.parent for root in roots(home, environment))
    return next(filter(None, (account_plan(one) for one in homes if not account(one))), "")


account = partial(account_of, default=FOLDER)


AGENT = Agent(
    name=NAME,
    title="Codex",
    roots=roots,
    files=files,
    read=read,
    bases=bases,
    plan=plan,
    account=account,
    account_plan=account_plan,
    signature=SIGNATURE,
    worktrees={FOLDER: 1},  # ~/.codex/worktrees/<id>/<repository>: openai/codex 38326
    known_types=KNOWN_TYPES,
    effort_source="turn_context or thread_settings",
    exact="tokens of each response, service tier, context window, rate limits, plan",
    not_in_files="ephemeral threads, hidden title threads, streams that were cut",
    versions_seen=("0.171.0", "0.169.0", "0.80.0"),
)
