"""After damage, all transcripts are counted again, and no total grows or falls meanwhile."""

import sqlite3
from contextlib import closing

import pytest
from looking import EVENING, Look
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.ledger import Ledger

TURNS = 20


def tokens(snapshot):
    """Return the tokens in the totals, and in the sessions."""
    of_totals = sum(n for series, n in snapshot.totals.items() if series[0] == "tokens")
    return of_totals, sum(session.tokens.total for session in snapshot.sessions)


@pytest.fixture
def damaged(tmp_path):
    """Return a home with a ledger that has lost the events and the cursors."""
    for number in (1, 2):
        claude_file(tmp_path, number).write_text(claude_turns(number, range(TURNS)))
    look = Look(tmp_path, state=tmp_path / "state")
    look.pipeline.refresh(EVENING)
    look.close()
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as database, database:
        database.execute("DROP TABLE events")
        database.execute("DROP TABLE cursors")
    return tmp_path


@pytest.mark.slow
def test_the_content_of_the_ledger_may_be_shown_first(damaged):
    look = Look(damaged, state=damaged / "state")
    shown = look.pipeline.refresh(EVENING, read=False)
    assert tokens(shown)[0] == 2 * TURNS * TOKENS_OF_A_TURN
    for _ in range(2):
        found = tokens(look.pipeline.refresh(EVENING))
        assert found == (2 * TURNS * TOKENS_OF_A_TURN, 2 * TURNS * TOKENS_OF_A_TURN)
    look.close()


@pytest.mark.slow
def test_other_agents_may_be_read_first(damaged):
    look = Look(damaged, state=damaged / "state", agent=["codex"])
    look.pipeline.refresh(EVENING)
    look.close()
    look = Look(damaged, state=damaged / "state")
    claude_file(damaged, 3).write_text(claude_turns(3, range(5)))
    whole = (2 * TURNS + 5) * TOKENS_OF_A_TURN
    assert tokens(look.pipeline.refresh(EVENING)) == (whole, whole)
    look.close()


@pytest.mark.slow
def test_a_scan_that_is_stopped_goes_on(damaged):
    look = Look(damaged, ledger=Ledger(damaged / "state"))
    look.pipeline.refresh(EVENING, stopping=lambda: True)
    look.close()
    look = Look(damaged, state=damaged / "state")
    whole = 2 * TURNS * TOKENS_OF_A_TURN
    assert tokens(look.pipeline.refresh(EVENING)) == (whole, whole)
    look.close()
