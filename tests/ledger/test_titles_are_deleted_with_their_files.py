"""The ledger keeps the title of a session, which may quote a prompt, only while its file exists."""

import pytest
from looking import Look
from small_homes import claude_file, claude_turns

from agtop_exporter.ledger.sessions import Sessions

CANARY = "canary-7f3a in a prompt"


@pytest.fixture
def home(tmp_path):
    """Return a home with three sessions whose titles quote prompts."""
    for number in range(3):
        text = claude_turns(number, range(3)).replace("prompt 0", f"{CANARY} {number}")
        assert CANARY in text
        claude_file(tmp_path, number).write_text(text)
    return tmp_path


def stored(home):
    """Return all stored bytes."""
    return b"".join(path.read_bytes() for path in (home / "state").iterdir())


@pytest.mark.slow
def test_titles_are_deleted_with_their_files(home):
    look = Look(home, state=home / "state")
    look.at()
    assert CANARY.encode() in stored(home)
    for number in range(3):
        claude_file(home, number).unlink()
    look.at()
    assert CANARY.encode() not in stored(home)
    assert {session["title"] for session in look.sessions().values()} == {None}
    look.close()
    assert CANARY.encode() not in stored(home)


@pytest.mark.slow
def test_the_others_stay(home):
    look = Look(home, state=home / "state")
    look.at()
    claude_file(home, 1).unlink()
    titles = {session["title"] for session in look.sessions().values()}
    assert titles == {f"{CANARY} 0", None, f"{CANARY} 2"}
    look.close()


@pytest.mark.slow
def test_none_is_stored(home):
    look = Look(home, state=home / "state", store_titles=False)
    assert any(CANARY in (session["title"] or "") for session in look.sessions().values())
    assert CANARY.encode() not in stored(home)
    look.close()


@pytest.mark.slow
def test_stored_titles_are_erased(home):
    before = Look(home, state=home / "state")
    before.at()
    before.close()
    assert CANARY.encode() in stored(home)
    look = Look(home, state=home / "state", store_titles=False)
    look.at()
    assert CANARY.encode() not in stored(home)
    look.close()


@pytest.mark.slow
def test_no_session_is_visited_if_no_file_was_deleted(home, monkeypatch):
    """Otherwise, every refresh would visit all sessions once for each agent."""
    look = Look(home)
    look.at()
    monkeypatch.setattr(Sessions, "__iter__", lambda _self: pytest.fail("it visits the sessions"))
    look.pipeline.ledger.forget_titles("claude", ())
