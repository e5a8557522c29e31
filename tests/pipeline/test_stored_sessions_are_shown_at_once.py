"""A refresh that reads no transcript returns what the ledger has."""

import pytest
from looking import EVENING, Look
from transcripts import Claude


@pytest.mark.slow
def test_nothing_is_read(tmp_path):
    chat = Claude(tmp_path / ".claude/projects/-engine", "1" * 8, day="2026-03-02", model="a-model")
    chat.assistant("m-1", usage={"input_tokens": 7, "output_tokens": 0})
    chat.write()
    look = Look(tmp_path)
    assert look.pipeline.refresh(EVENING, read=False).sessions == ()
    known = look.at()
    chat.assistant("m-2", usage={"input_tokens": 9, "output_tokens": 0})
    chat.write()
    assert look.pipeline.refresh(EVENING, read=False).sessions == known.sessions
    (session,) = look.at().sessions
    assert session.tokens.input == 16
