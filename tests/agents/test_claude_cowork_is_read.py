"""Transcripts of Cowork, the local agent mode of Claude Desktop, are outside of `~/.claude`."""

import pytest
from looking import Look
from transcripts import SESSION, Claude, write

FOLDERS = (".config/Claude", "Library/Application Support/Claude", "AppData/Roaming/Claude")


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["local_1", "agent/local_ditto_1"])
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
