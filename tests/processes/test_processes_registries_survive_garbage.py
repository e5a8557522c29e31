"""Claude Code's registry is read even with unexpected files, and its content is verified."""

import os

import pytest

from agtop_exporter.agents.claude.processes import read_registry
from agtop_exporter.signature import RegistryEntry

# The shape of Claude Code 2.1.197, invented values.
WHOLE = """{"pid":26499,"sessionId":"2eeee670-0000-4000-8000-000000000000","cwd":"/home/u/alpha",
"startedAt":1795378605199,"procStart":"117834","version":"2.1.197","peerProtocol":1,
"kind":"interactive","entrypoint":"cli","name":"alpha-9b","nameSource":"derived",
"status":"waiting","updatedAt":1795378700000,"statusUpdatedAt":1795378700000,
"waitingFor":"permission prompt"}"""
HEADLESS = '{"pid":7,"sessionId":"b","cwd":"/x","startedAt":1000,"kind":"interactive"}'


@pytest.fixture
def sessions(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    return folder


def test_registry_entries_are_read(tmp_path, sessions):
    (sessions / "26499.json").write_text(WHOLE)
    (sessions / "7.json").write_text(HEADLESS)
    reading = read_registry(tmp_path, agent="claude")
    assert reading.errors == 0
    assert reading.entries == (
        RegistryEntry(
            agent="claude",
            pid=26499,
            session_id="2eeee670-0000-4000-8000-000000000000",
            start_ticks=117834,
            started_at=1795378605.199,
            status="waiting",
            waiting_for="permission prompt",
            cwd="/home/u/alpha",
            kind="interactive",
            updated_at=1795378700.0,
        ),
        RegistryEntry("claude", 7, "b", started_at=1.0, cwd="/x", kind="interactive"),
    )


def test_a_start_in_words_is_no_ticks(tmp_path, sessions):
    said = WHOLE.replace('"117834"', '"Mon Jan  5 10:00:00 2026"')
    (sessions / "1.json").write_text(said)
    assert read_registry(tmp_path, agent="claude").entries[0].start_ticks is None


def test_bad_files_are_counted_and_hurt_no_other(tmp_path, sessions):
    (sessions / "1.json").write_text('{"pid": "x"}')
    (sessions / "2.json").write_text(WHOLE[:60])
    (sessions / "3.json").write_bytes(b"\xff\xfe\x00")
    (sessions / "4.json").write_text("")
    (sessions / "5.json").write_text(WHOLE[:-1] + ',"x":"' + "y" * 70_000 + '"}')
    (sessions / "6.json").mkdir()
    os.mkfifo(sessions / "8.json")
    (sessions / "9.json").symlink_to(tmp_path / "gone")
    (sessions / "7.json").write_text(HEADLESS)
    (sessions / "notes.txt").write_text("not a registry file")
    (sessions / "pid-11.json").write_text('{"session_id":"c","cwd":"/x"}')  # herdrdev/herdr 3414
    reading = read_registry(tmp_path, agent="claude")
    assert [entry.pid for entry in reading.entries] == [7]
    assert reading.errors == 7


def test_no_registry_is_no_error(tmp_path):
    assert read_registry(tmp_path / "nowhere", agent="claude").errors == 0
