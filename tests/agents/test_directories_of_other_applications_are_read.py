"""An application that runs an agent can give it another directory, which the user may not know.

The sources are in `hosts.py` of each agent.
"""

import os

import pytest
from looking import Look
from transcripts import SESSION, THREAD, Claude, Codex, usage

from agtop_exporter.agents import claude, codex

XCODE = "Library/Developer/Xcode/CodingAssistant"
HAPPIER = ".happier/servers/cloud"
PAPERCLIP = ".paperclip/instances/default/companies/9c21"
STORE = "multica-sessions/default/7f3a/41d0"  # of an agent and an issue

CLAUDE = {
    f"{XCODE}/ClaudeAgentConfig": "xcode",
    ".ccs/instances/work": "ccs-work",
    ".ccs/shared/context-groups/default": "ccs-default",
    ".cc-mirror/zai/config": "cc-mirror-zai",
    f"{HAPPIER}/daemon/connected-services/homes/claude-subscription/ada/claude/claude-config": (
        "happier-ada"
    ),
    f"{HAPPIER}/profiles/native-cli/claude/ada": "happier-ada",
    ".claude-profiles/work": "work",
    ".claude-accounts/ada@example.com": "account-",  # and a hash
    ".claude-work": "claude-work",
    ".claude": "",
}
CODEX = {
    f"{XCODE}/codex": "xcode",
    ".config/orca/codex-runtime-home/home": "",
    "Library/Application Support/orca/codex-accounts/7f3a/home": "7f3a",
    "AppData/Roaming/orca/codex-accounts/7f3a/home": "7f3a",
    ".cache/JetBrains/PyCharm2026.2/aia/codex": "jetbrains",
    "Library/Caches/JetBrains/IntelliJIdea2026.2/aia/codex": "jetbrains",
    "AppData/Local/JetBrains/Rider2026.2/aia/codex": "jetbrains",
    ".local/share/JetBrains/Rider2026.2/aia/codex": "jetbrains",
    "multica_workspaces/1b22/86ef/codex-home": "",
    "multica_workspaces_desktop/1b22/86ef/codex-home": "",
    ".paperclip/instances/default/codex-home": "",
    f"{PAPERCLIP}/codex-home": "",
    f"{PAPERCLIP}/agents/55aa/codex-home": "",
    f"{HAPPIER}/daemon/connected-services/homes/openai-codex/ada/codex/codex-home": "happier-ada",
    f"{HAPPIER}/profiles/native-cli/codex/ada": "happier-ada",
    ".codex-profiles/work": "work",
    ".codex-work": "codex-work",
    ".codex": "",
}


def codex_at(folder, thread=THREAD):
    return Codex(folder / "2026/03/02", thread).turn().count(usage(10), usage(10))


@pytest.mark.parametrize("place", CLAUDE)
def test_sessions_of_claude_code(tmp_path, place):
    Claude(tmp_path / place / "projects/-home-ada-engine").user("Go").assistant("m1").write()
    sessions = Look(tmp_path, agents=(claude.AGENT,)).sessions()
    assert sessions[SESSION]["account"].startswith(CLAUDE[place])
    assert bool(sessions[SESSION]["account"]) == bool(CLAUDE[place])
    assert sessions[SESSION]["tokens"]["total"] == 15


@pytest.mark.parametrize("place", CODEX)
def test_threads_of_codex(tmp_path, place):
    codex_at(tmp_path / place / "sessions").write()
    thread = Look(tmp_path, agents=(codex.AGENT,)).sessions()[THREAD]
    assert thread["account"] == CODEX[place]
    assert thread["tokens"]["total"] == 10


def test_the_variable_of_a_user_replaces_only_the_own_directories(tmp_path):
    environment = {"CLAUDE_CONFIG_DIR": "/elsewhere", "CODEX_HOME": "/elsewhere"}
    replaced = {
        root.parent.name
        for agent in (claude.AGENT, codex.AGENT)
        for root in set(agent.roots(tmp_path, {})) - set(agent.roots(tmp_path, environment))
    }
    assert replaced == {".claude", "claude", ".codex"}


def test_a_shared_group_of_accounts_is_read_once(tmp_path):
    shared = tmp_path / ".ccs/shared/context-groups/default/projects"
    Claude(shared / "-home-ada-engine").user("Go").assistant("m1").write()
    for name in ("home", "work"):
        instance = tmp_path / ".ccs/instances" / name
        instance.mkdir(parents=True)
        (instance / "projects").symlink_to(shared)
    sessions = Look(tmp_path, agents=(claude.AGENT,)).sessions()
    assert sessions[SESSION]["tokens"]["total"] == 15
    assert sessions[SESSION]["account"] == "ccs-default"


def test_a_thread_that_multica_continues_is_read_once(tmp_path):
    """The store has a hard link to the rollout, and the task has a symbolic link to the store."""
    own = codex_at(tmp_path / ".codex/sessions").write()
    stored = tmp_path / ".codex" / STORE / "2026/03/02" / own.name
    stored.parent.mkdir(parents=True)
    os.link(own, stored)
    other = THREAD[:-1] + "2"
    codex_at(tmp_path / ".codex" / STORE, other).write()
    task = tmp_path / "multica_workspaces/1b22/86ef/codex-home"
    task.mkdir(parents=True)
    (task / "sessions").symlink_to(tmp_path / ".codex" / STORE)
    sessions = Look(tmp_path, agents=(codex.AGENT,)).sessions()
    tokens = {name: session["tokens"]["total"] for name, session in sessions.items()}
    assert tokens == {THREAD: 10, other: 10}
