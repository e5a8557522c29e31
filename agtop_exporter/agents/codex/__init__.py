"""The agent Codex CLI. A session of Codex is called thread, and its transcript is called rollout.

Rollouts are `<home>/sessions/**/rollout-*.jsonl` and `<home>/archived_sessions/rollout-*.jsonl`,
where `<home>` is a home directory of Codex. The reader was checked with versions 0.80 to 0.171. The
format of the files is not documented; see tests/agents/codex/README.

Since version 0.137, Codex compresses a rollout to `.jsonl.zst` after a week without use. Codex
decompresses the rollout to continue the thread
(https://github.com/openai/codex/blob/main/codex-rs/rollout/src/compression.rs).
"""

from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots
from agtop_exporter.agents.codex import openclaw
from agtop_exporter.agents.codex.account import account_plan
from agtop_exporter.agents.codex.family import files, read, rollout_folders
from agtop_exporter.agents.codex.hosts import HOSTS, STORE
from agtop_exporter.agents.codex.processes import SIGNATURE
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.reading.hosts import host_account, host_folders
from agtop_exporter.reading.profiles import account_of, profile_folders

NAME = "codex"
FOLDER = ".codex"  # name of the default home directory


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts in all home directories of Codex."""
    own = listed_roots(environment, "CODEX_HOME", home / FOLDER, *profile_folders(home, FOLDER))
    made = (*host_folders(home, HOSTS), *openclaw.homes(home, environment))
    stores = (folder / STORE for folder in own)
    return (*rollout_folders((*own, *made)), *stores)


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories that contain the home directories of Codex."""
    return (home, *openclaw.bases(home, environment))


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account in the default home directory of Codex; "" if unknown."""
    homes = dict.fromkeys(root.parent for root in roots(home, environment))
    return next(filter(None, (account_plan(one) for one in homes if not account(one))), "")


def account(folder: Path) -> str:
    """Return the name of the account of a home directory of Codex; "" for the default one."""
    made = host_account(folder, HOSTS)
    made = openclaw.account(folder) if made is None else made
    return account_of(folder, default=FOLDER) if made is None else made


AGENT = Agent(
    name=NAME,
    title="Codex",
    roots=roots,
    files=files,
    read=partial(read, agent=NAME),
    bases=bases,
    plan=plan,
    account=account,
    account_plan=account_plan,
    signature=SIGNATURE,
    worktrees={FOLDER: 1},  # ~/.codex/worktrees/<id>/<repository>: openai/codex 38326
    known_types=KNOWN_TYPES,
    effort_source="turn_context or thread_settings",
    exact="tokens of each response, service tier, context window, rate limits, plan",
    not_in_files="ephemeral threads, hidden title threads, the consolidation of memories, streams "
    "that were cut, the other model if OpenAI reroutes a request; in versions up to 0.151, "
    "compactions by OpenAI; in versions up to 0.160, the service tier unless it is changed",
    versions_seen=("0.171.0", "0.169.0", "0.160.0", "0.155.0", "0.145.0", "0.130.0", "0.80.0"),
)
