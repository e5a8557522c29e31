"""Programs that shorten a transcript of Claude Code keep the earlier version beside it.

Cozempic removes the usage of all responses (Ruya-AI/cozempic, strategy `metadata-strip`).
"""

import shutil

import pytest
from looking import Look
from transcripts import SESSION, Claude

from agtop_exporter.agents import claude

FOLDER = ".claude/projects/-home-ada-engine"
BACKUP = f"{SESSION}.20260302_101112.jsonl.bak"


@pytest.fixture
def chat(tmp_path):
    chat = Claude(tmp_path / FOLDER).user("Go").assistant("m1").assistant("m2")
    chat.write()
    return chat


def shorten(chat):
    """Replace the transcript as Cozempic does."""
    shutil.copy2(chat.path, chat.path.with_name(BACKUP))
    for record in chat.records:
        record.get("message", {}).pop("usage", None)
    chat.write()


def tokens(look):
    return {name: each["tokens"]["total"] for name, each in look.sessions().items()}


def test_the_usage_in_the_earlier_version_counts(tmp_path, chat):
    shorten(chat)
    chat.assistant("m3").write()
    assert tokens(Look(tmp_path, agents=(claude.AGENT,))) == {SESSION: 45}


def test_the_earlier_version_is_no_session_of_its_own(tmp_path, chat):
    """Its first record can have no id."""
    chat.records.insert(0, {"type": "summary", "summary": "Engine", "leafUuid": "u1"})
    chat.write()
    shorten(chat)
    assert tokens(Look(tmp_path, agents=(claude.AGENT,))) == {SESSION: 30}


def test_usage_that_was_counted_before_counts_once(tmp_path, chat):
    look = Look(tmp_path, agents=(claude.AGENT,))
    assert tokens(look) == {SESSION: 30}
    shorten(chat)
    assert tokens(look) == {SESSION: 30}
    chat.assistant("m3").write()
    assert tokens(look) == {SESSION: 45}


@pytest.mark.parametrize("ids", [{}, {"requestId": None}])
def test_relays_with_one_id_are_counted_once(tmp_path, ids):
    chat = Claude(tmp_path / FOLDER).user("Go")
    for _ in range(3):
        chat.assistant("msg_relay", **ids).user("Go on")
    chat.write()
    expected = tokens(Look(tmp_path, agents=(claude.AGENT,)))
    assert expected == {SESSION: 45}
    shorten(chat)
    assert tokens(Look(tmp_path, agents=(claude.AGENT,))) == expected
