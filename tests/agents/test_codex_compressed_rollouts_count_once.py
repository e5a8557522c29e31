"""Codex compresses old rollouts and unpacks them to continue. Both files are one thread."""

import os

import pytest
from driving import sessions, used
from looking import Look
from transcripts import THREAD, Codex, usage

from agtop_exporter.agents import codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading import compressed


def pack(path):
    """Compress a file as Codex does, with the same modification time; return the new path."""
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(compressed.zstd.compress(path.read_bytes()))
    status = path.stat()
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    return packed


@pytest.fixture
def chat(tmp_path):
    chat = Codex(tmp_path / ".codex/sessions/2026/03/02").event("user_message", message="Go")
    chat.path.parent.mkdir(parents=True)
    return chat.turn().count(usage(100, 20, 50), usage(100, 20, 50))


def look(tmp_path, ledger):
    """Read as a refresh does; return the listed files and the deleted files."""
    root = tmp_path / ".codex/sessions"
    paths = [entry.path for entry in codex.AGENT.files(root)]
    for path in paths:
        batch = codex.AGENT.read(path, ledger.cursor("codex", path))
        ledger.record(batch, price=lambda _event: None, project=str)
    gone = [path for path in ledger.cursors.get("codex", {}) if path not in paths]
    ledger.forget_titles("codex", gone)
    for path in gone:
        ledger.forget_cursor("codex", path)
    ledger.commit()
    return paths


def test_compressing_and_unpacking_change_nothing(tmp_path, chat):
    ledger = Ledger()
    path = chat.write()
    look(tmp_path, ledger)
    before = used(ledger), sessions(ledger)
    packed = pack(path)
    assert look(tmp_path, ledger) == [str(path)]
    assert (used(ledger), sessions(ledger)) == before
    path.unlink()
    assert look(tmp_path, ledger) == [str(packed)]
    assert (used(ledger), sessions(ledger)) == before
    chat.count(usage(10, 0, 1), usage(110, 20, 51)).write()
    look(tmp_path, ledger)
    packed.unlink()
    look(tmp_path, ledger)
    assert ledger.sessions["codex", THREAD].usage.requests == 2
    assert ledger.sessions["codex", THREAD].facts.title == "Go"


def test_a_copy_elsewhere_counts_once(tmp_path, chat):
    """A restored backup may contain the uncompressed form of a compressed rollout."""
    path = chat.write()
    archive = tmp_path / ".codex/archived_sessions"
    archive.mkdir()
    pack(path).rename(archive / f"{path.name}.zst")
    assert Look(tmp_path).sessions()[THREAD]["agent_turns"] == 1


def test_without_its_first_record_its_name_is_its_id(chat):
    del chat.records[0]
    batch = codex.AGENT.read(str(pack(chat.write())), Cursor())
    assert [session.session_id for session in batch.sessions] == [THREAD]
