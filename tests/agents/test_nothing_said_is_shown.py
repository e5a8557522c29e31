"""No page shows prompts, commands or responses. The only exception is the title of a session."""

import json

import pytest
from looking import Look
from opencode_homes import OpenCode, write_database, write_files
from transcripts import SESSION, THREAD, Claude, Codex, usage

SAID = "what-nobody-else-may-read"
TITLE = "Oil the engine"


def shown(home):
    """Return the only session of a home, and check that no page contains prompts or answers."""
    look = Look(home)
    document = look.document()
    assert SAID not in json.dumps(document)
    assert SAID not in repr(look.samples())
    assert look.told == []
    (session,) = document["sessions"]
    assert session["title"] == TITLE
    return session


def claude(home):
    return Claude(home / ".claude/projects/-engine").user(TITLE)


def text(words=SAID):
    return {"type": "text", "text": words}


def bash():
    given = {"command": f"cargo test {SAID}", "description": SAID}
    return {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": given}


@pytest.mark.slow
def test_c14_c17_a_command_is_a_call_of_its_tool(tmp_path):
    chat = claude(tmp_path).assistant("m1", text()).assistant("m2", bash(), stop="tool_use")
    chat.result("toolu_1", content=SAID).write()
    session = shown(tmp_path)
    assert (session["user_turns"], session["agent_turns"]) == (1, 2)
    assert session["tools"] == {"Bash": 1}
    assert session["state"]["detail"] == "user.tool_result"


@pytest.mark.slow
def test_c15_prompts_are_counted(tmp_path):
    chat = claude(tmp_path)
    for _ in range(24):
        chat.user(SAID)
    chat.assistant("m1", bash(), stop="tool_use").write()
    session = shown(tmp_path)
    assert (session["user_turns"], session["tool_calls"]) == (25, 1)
    assert session["state"]["detail"] == "assistant.stop_reason=tool_use"


@pytest.mark.slow
def test_c16_an_empty_transcript_is_no_session(tmp_path):
    path = claude(tmp_path).write()
    path.write_text("")
    assert Look(tmp_path).sessions() == {}


@pytest.mark.slow
def test_x17_a_command_of_codex(tmp_path):
    chat = Codex(tmp_path / ".codex/sessions").event("user_message", message=TITLE)
    chat.turn().answer(SAID).event("user_message", message=SAID)
    arguments = json.dumps({"command": ["bash", "-lc", SAID]})
    chat.item("function_call", name="bash", call_id="c1", arguments=arguments)
    chat.item("function_call_output", call_id="c1", output=SAID)
    chat.count(usage(10), usage(10)).write()
    session = shown(tmp_path)
    assert session["session_id"] == THREAD
    assert (session["user_turns"], session["tools"]) == (2, {"bash": 1})


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_database, write_files], ids=["O-35", "files"])
def test_a_command_of_opencode(tmp_path, write):
    chat = OpenCode(title=TITLE).user(SAID).assistant(finish="tool-calls").part(text())
    state = {"status": "running", "input": {"command": SAID}, "title": SAID, "time": {"start": 1}}
    chat.part({"type": "tool", "tool": "bash", "callID": "c1", "state": state})
    write(tmp_path, chat)
    session = shown(tmp_path)
    assert (session["user_turns"], session["tools"]) == (1, {"bash": 1})


@pytest.mark.slow
def test_o34_parts_within_messages(tmp_path):
    parts = [text(), {"type": "tool", "tool": SAID, "text": SAID}]
    chat = OpenCode(title=TITLE).message(role="user", text=SAID, parts=parts)
    chat.assistant(parts=parts).message(role="tool", text=SAID, parts=parts)
    chat.assistant(finish="tool-calls", parts=parts)
    write_database(tmp_path, chat)
    session = shown(tmp_path)
    assert (session["user_turns"], session["agent_turns"], session["tools"]) == (1, 2, {})


@pytest.mark.slow
def test_a_skipped_record_is_logged_without_its_content(tmp_path):
    """The message contains the position of the record only."""
    path = claude(tmp_path).assistant("m1").write()
    path.write_text(path.read_text() + f'{{"type":"user","message":{SAID}\n')
    look = Look(tmp_path)
    assert list(look.sessions()) == [SESSION]
    ((level, event, fields),) = look.told
    assert (level, event, fields["reason"]) == ("warning", "skipped records", "json")
    assert SAID not in repr(look.told)
