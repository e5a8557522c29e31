"""Transcripts of Cowork, the local agent mode of Claude Desktop, are outside of `~/.claude`."""

import pytest
from looking import Look
from transcripts import SESSION, Claude, write

STORE = "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache"
FOLDERS = (
    ".config/Claude",
    "Library/Application Support/Claude",
    "Library/Application Support/Claude-3p",
    "AppData/Roaming/Claude",
    "AppData/Local/Claude-3p",
    f"{STORE}/Roaming/Claude",
    f"{STORE}/Local/Claude-3p",
)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["local_1", "e4c996d6", "agent/local_ditto_1"])
def test_its_sessions_are_those_of_claude_code(tmp_path, folder, name):
    session = tmp_path / folder / "local-agent-mode-sessions" / "app" / "machine" / name
    chat = Claude(session / ".claude/projects/-sessions-calm-otter")
    chat.user("Go").assistant("m1", model="claude-sonnet-4-5").write()
    child = Claude(chat.path.with_suffix("") / "subagents", "agent-aaaa")
    child.session = SESSION
    child.assistant("m2", isSidechain=True, agentId="aaaa").write()
    audit = {"type": "assistant", "session_id": SESSION, "_audit_hmac": "0", "message": {}}
    write(session / "audit.jsonl", {**audit, **chat.records[1]})
    write(session / "outputs" / "data.jsonl", chat.records[1])
    sessions = Look(tmp_path).sessions()
    assert set(sessions) == {SESSION, "agent-aaaa"}
    assert sessions[SESSION]["tree"]["tokens"]["total"] == 30


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"])
def test_the_data_folder_of_a_variable_is_read(tmp_path, variable):
    session = tmp_path / "elsewhere/Claude-3p/local-agent-mode-sessions/app/machine/local_1"
    Claude(session / ".claude/projects/-sessions-calm-otter").assistant("m1").write()
    environment = {variable: str(tmp_path / "elsewhere")}
    assert set(Look(tmp_path / "home", environment=environment).sessions()) == {SESSION}
