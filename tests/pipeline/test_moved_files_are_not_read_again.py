"""A moved file is recognized by its inode, and only its new records are read."""

import pytest
from driving import refresh
from transcripts import THREAD, Codex, usage

from agtop_exporter.agents import codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.pipeline.files import AgentFiles


@pytest.fixture
def archived(tmp_path):
    """Read the only rollout of a home, then archive it; return its cursors and files."""
    sessions = tmp_path / ".codex" / "sessions"
    path = Codex(sessions).turn().count(usage(10), usage(10)).write()
    ledger = Ledger()
    refresh(ledger, tmp_path, [codex.AGENT])
    (tmp_path / ".codex" / "archived_sessions").mkdir()
    moved = path.rename(tmp_path / ".codex" / "archived_sessions" / path.name)
    return ledger.cursors["codex"], AgentFiles(codex.AGENT, [tmp_path], {}), path, moved


def test_a_move_keeps_the_place(archived):
    cursors, files, path, moved = archived
    listing = files.look(cursors)
    assert listing.moved == ((str(path), str(moved)),)
    assert listing.gone == ()
    (work,) = listing.work
    assert (work.path, work.cursor) == (str(moved), cursors[str(path)])
    assert not codex.AGENT.read(work.path, work.cursor).bytes_read


def test_a_copy_is_no_move(archived):
    cursors, files, path, moved = archived
    path.write_bytes(moved.read_bytes())
    listing = files.look(cursors)
    assert listing.moved == ()
    assert {work.path: work.cursor.offset for work in listing.work}[str(moved)] == 0


@pytest.mark.slow
def test_a_move_that_went_on_meanwhile(archived):
    cursors, files, _, moved = archived
    before = moved.read_bytes()
    Codex(moved.parent).turn().count(usage(10), usage(10)).count(usage(5), usage(15)).write()
    assert moved.read_bytes().startswith(before)
    (work,) = files.look(cursors).work
    (event,) = codex.AGENT.read(work.path, work.cursor).events
    assert (event.session_id, event.tokens.input) == (THREAD, 5)
