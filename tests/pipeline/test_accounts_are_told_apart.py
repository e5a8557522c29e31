"""Directories beside the default one are accounts, with their own limits, cost and plan."""

import json
import shutil

import pytest
from looking import Look
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.agents import claude, codex
from agtop_exporter.limit_files import NEWER, store
from agtop_exporter.model import RateLimit, StatusLine

NOW = 1_790_003_600.0
FETCHED_AT = NOW - 600


def profile(home, name, *, turns=(0,), number=1, used=None, tier=None):  # noqa: PLR0913 - its parts
    """Make a configuration directory of Claude Code with one session."""
    path = claude_file(home, number)
    folder = home / name
    target = folder / path.relative_to(home / ".claude")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(claude_turns(number, turns))
    if used is not None:
        window = {"utilization": used, "resets_at": "2026-09-21T16:00:00Z"}
        usage = {"fetchedAtMs": FETCHED_AT * 1000, "utilization": {"five_hour": window}}
        (folder / ".claude.json").write_text(json.dumps({"cachedUsageUtilization": usage}))
    if tier:
        oauth = {"claudeAiOauth": {"rateLimitTier": tier, "email": "ada@example.org"}}
        (folder / ".credentials.json").write_text(json.dumps(oauth))


def look(home, **more):
    return Look(home, agents=[claude.AGENT, codex.AGENT], **more)


@pytest.fixture
def two(tmp_path):
    profile(tmp_path, ".claude", number=1, turns=(0, 1), used=10, tier="default_claude_pro")
    profile(tmp_path, ".claude-work", number=2, turns=(0,), used=90, tier="default_claude_max_5x")
    return tmp_path


def test_the_same_window_of_two_accounts_is_shown_twice(two):
    samples = look(two).samples(NOW)
    used = {
        labels[4]: value for labels, value in samples.items() if labels[0].endswith("used_ratio")
    }
    assert used == {"": 0.1, "claude-work": 0.9}


def test_usage_is_counted_by_account(two):
    samples = look(two).samples(NOW)
    tokens = {
        labels[2]: value
        for labels, value in samples.items()
        if labels[0] == "agtop_account_tokens_total"
    }
    assert tokens == {"": 2 * TOKENS_OF_A_TURN, "claude-work": TOKENS_OF_A_TURN}
    cost = {n: v for n, v in samples.items() if n[0] == "agtop_account_cost_usd_total"}
    whole = sum(value for name, value in samples.items() if name[0] == "agtop_cost_usd_total")
    assert sum(cost.values()) == pytest.approx(whole)
    assert len(cost) == 2


def test_sessions_and_limits_name_their_account_and_plan(two):
    document = look(two).document(NOW)
    sessions = {(s["account"], s["subscription"]) for s in document["sessions"]}
    assert sessions == {("", "Pro"), ("claude-work", "Claude Max 5x")}
    assert {limit["account"]: limit["used_ratio"] for limit in document["rate_limits"]} == {
        "": 0.1,
        "claude-work": 0.9,
    }
    assert document["agents"][0]["accounts"] == {"": "Pro", "claude-work": "Claude Max 5x"}
    assert document["agents"][0]["subscription"] == "Pro"
    assert "ada@" not in json.dumps(document)


def test_one_account_has_no_name(tmp_path):
    profile(tmp_path, ".claude", used=10)
    document = look(tmp_path).document(NOW)
    assert {one["account"] for key in ("sessions", "rate_limits") for one in document[key]} == {""}
    assert document["agents"][0]["accounts"] == {"": None}


@pytest.mark.parametrize(
    ("name", "account"),
    [
        (".claude-work", "claude-work"),
        (".claude_work", "claude_work"),
        (".claude.work", "claude.work"),
        (".claude2", "claude2"),
        (".claude-ada@example.org", "account-ea53b88e"),
        (".claude-" + "x" * 99, "account-"),
        (".claudette", None),
        ("claude-work", None),
    ],
)
def test_names_of_directories(tmp_path, name, account):
    profile(tmp_path, name)
    found = [session["account"] for session in look(tmp_path).document(NOW)["sessions"]]
    assert len(found) == (account is not None)
    assert not found or found[0].startswith(account)


def test_other_entries_of_a_home_are_no_accounts(tmp_path):
    profile(tmp_path, ".claude")
    (tmp_path / ".claude-notes").mkdir()
    for name in (".claude.json", ".claude.json.backup", ".claude-link", ".claude-file"):
        (tmp_path / name).write_text("{}")
    (tmp_path / ".claude-same").symlink_to(tmp_path / ".claude")
    snapshot = look(tmp_path).at(NOW)
    assert [dict(status.accounts) for status in snapshot.agents] == [{"": None}, {}]
    assert [session.account for session in snapshot.sessions] == [""]
    assert snapshot.agents[0].up


def test_a_variable_selects_the_directories(two):
    chosen = look(two, environment={"CLAUDE_CONFIG_DIR": str(two / ".claude-work")})
    assert [s["account"] for s in chosen.document(NOW)["sessions"]] == ["claude-work"]


def test_a_copied_directory_changes_nothing(tmp_path):
    """A user copied the directory to begin a second account."""
    profile(tmp_path, ".claude", turns=(0, 1))
    shutil.copytree(tmp_path / ".claude", tmp_path / ".claude-work")
    samples = look(tmp_path).samples(NOW)
    assert samples["agtop_account_tokens_total", "claude", ""] == 2 * TOKENS_OF_A_TURN
    assert ("agtop_account_tokens_total", "claude", "claude-work") not in samples


def test_a_new_account_is_found_while_the_daemon_runs(tmp_path):
    profile(tmp_path, ".claude")
    running = look(tmp_path)
    running.at(NOW)
    profile(tmp_path, ".claude-work", number=2, tier="default_claude_pro")
    (status, _) = running.at(NOW + 5).agents
    assert status.accounts == {"": None, "claude-work": "Pro"}


def test_accounts_of_codex(tmp_path):
    for folder in (".codex", ".codex-work"):
        path = tmp_path / folder / "sessions" / "2026" / "09" / "21" / f"rollout-{folder}.jsonl"
        path.parent.mkdir(parents=True)
        meta = {"id": f"0199-{folder}", "cwd": "/tmp/x", "timestamp": "2026-09-21T14:00:00Z"}
        record = {"timestamp": "2026-09-21T14:00:00Z", "type": "session_meta", "payload": meta}
        path.write_text(json.dumps(record) + "\n")
    assert {s.account for s in look(tmp_path).at(NOW).sessions} == {"", "codex-work"}


# --- limits that the command `statusline` stored ------------------------------------------------


def stored(folder, used, *, at, account=""):
    limit = RateLimit("claude", "5h", used, at, NOW + 3600, 18_000.0, "statusline", "", account)
    store(folder, StatusLine("claude", account, (limit,)), at)


def with_limits(home, folder):
    return look(home, limit_folders=[folder])


def shown(running, now=NOW):
    limits = running.document(now)["rate_limits"]
    return {limit["account"]: (limit["used_ratio"], limit["source"]) for limit in limits}


def test_the_newest_record_wins(two, tmp_path):
    folder = tmp_path / "limits"
    stored(folder, 0.2, at=FETCHED_AT + 60)
    stored(folder, 0.3, at=FETCHED_AT - 60, account="claude-work")
    running = with_limits(two, folder)
    assert shown(running) == {"": (0.2, "statusline"), "claude-work": (0.9, "usage-cache")}
    stored(folder, 0.95, at=NOW + 5, account="claude-work")
    assert shown(running, NOW + 10)["claude-work"] == (0.95, "statusline")


def test_limits_of_agents_that_are_not_selected_are_left_out(tmp_path):
    stored(tmp_path / "limits", 0.2, at=NOW)
    running = look(tmp_path, limit_folders=[tmp_path / "limits"], agent=["codex"])
    assert shown(running) == {}


def test_a_record_from_the_future_is_left_out(tmp_path):
    stored(tmp_path / "limits", 0.2, at=NOW + 3000)
    assert shown(with_limits(tmp_path, tmp_path / "limits")) == {}


def test_a_file_of_a_newer_version_is_reported_once(two, tmp_path):
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "claude.json").write_text('{"version": 2}')
    running = with_limits(two, tmp_path / "limits")
    for step in range(2):
        assert shown(running, NOW + step)[""] == (0.1, "usage-cache")
    assert list(running.pipeline.findings.unreadable["claude"].values()) == [NEWER]
    assert running.pipeline.ledger.totals["scan_errors", "claude"] == 1
