"""Times at the ends of the calendar do not stop a scan."""

import pytest
from looking import Look
from transcripts import SESSION, THREAD, Claude, Codex, usage

ENDS = [
    "0001-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59-12:00",
]


def dated(chat, moment):
    for record in chat.records:
        record["timestamp"] = moment
    return chat


@pytest.mark.parametrize("moment", ENDS)
def test_claude(tmp_path, moment):
    folder = tmp_path / ".claude" / "projects" / "-engine"
    dated(Claude(folder).user("Go.").assistant("m1"), moment).assistant("m2").write()
    session = Look(tmp_path).sessions()[SESSION]
    assert session["tokens"]["total"] == 30
    assert session["started_at"] is None or session["started_at"].startswith("2026-")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ENDS)
def test_codex(tmp_path, moment):
    folder = tmp_path / ".codex" / "sessions" / "2026" / "03" / "02"
    chat = Codex(folder, timestamp=moment).turn().count(usage(10, output=5), usage(10, output=5))
    dated(chat, moment).count(usage(10, output=5), usage(20, output=10)).write()
    session = Look(tmp_path).sessions()[THREAD]
    assert session["tokens"]["total"] == 30
    assert session["started_at"] is None or session["started_at"].startswith("2026-")


@pytest.mark.slow
def test_a_bug_in_a_reader_hurts_its_file_only(tmp_path, monkeypatch):
    from agtop_exporter.agents.claude import family  # noqa: PLC0415 - to break it

    folder = tmp_path / ".claude" / "projects" / "-engine"
    Claude(folder).user("Go.").assistant("m1").write()
    codex = tmp_path / ".codex" / "sessions" / "2026" / "03" / "02"
    Codex(codex).turn().count(usage(10, output=5), usage(10, output=5)).write()

    def broken(*_):
        raise KeyError("secret")

    monkeypatch.setattr(family, "read_jsonl", broken)
    look = Look(tmp_path)
    assert set(look.sessions()) == {THREAD}
    assert look.samples()["agtop_scan_errors_total", "claude"] == 2  # one each refresh
    told = {event: fields for _, event, fields in look.told}
    assert told["cannot read file"]["reason"] == "a bug in its reader: KeyError"
    assert told["refresh failed"]["location"].startswith("agtop_exporter.agents.claude.family:")
    assert "secret" not in repr(look.told)
