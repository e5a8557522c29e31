"""OpenCode up to 1.1: messages count without the file of their session."""

import pytest
from agent_files import write_document
from driving import refresh, used
from opencode_homes import BEGIN, OpenCode, write_files

from agtop_exporter.agents.opencode import AGENT
from agtop_exporter.agents.opencode.storage import created_at
from agtop_exporter.doctor.unfinished import QUIET_SECONDS, unfinished_records
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import NANOSECONDS, Cursor

HOUR_MS = 3_600_000
PROMPTS = {("turns", "opencode")}


def session_id(created_ms):
    """Return the id of a session that begins at a time in unix milliseconds."""
    return f"ses_{(4096 * created_ms + 1) % 2**48 ^ (2**48 - 1):012x}P32Tfk5joBlj5y"


def lose(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:40])


def damage(path):
    path.write_text("{no session}")


ACCIDENTS = pytest.mark.parametrize("happens", [lose, empty, cut, damage])


def recorded(home, ledger=None):
    ledger = ledger or Ledger()
    refresh(ledger, home, [AGENT])
    return ledger


def file_of(storage, one):
    return storage / f"session/p1/{one.session_id}.json"


@pytest.fixture
def session():
    return OpenCode(session_id(BEGIN)).user().assistant().call().user("Again").assistant()


@ACCIDENTS
def test_the_usage_counts_and_the_prompts_wait(tmp_path, session, happens):
    path = file_of(write_files(tmp_path, session), session)
    whole, text = used(recorded(tmp_path)), path.read_bytes()
    happens(path)
    ledger = recorded(tmp_path)
    assert used(ledger) == {key: whole[key] for key in whole if key not in PROMPTS}
    assert ledger.sessions["opencode", session.session_id].project == "engine"
    path.write_bytes(text)
    assert used(recorded(tmp_path, ledger)) == whole


@ACCIDENTS
def test_the_file_of_a_known_session_is_damaged(tmp_path, session, happens):
    path = file_of(write_files(tmp_path, session), session)
    ledger = recorded(tmp_path)
    whole = used(ledger)
    happens(path)
    assert used(recorded(tmp_path, ledger)) == whole


@ACCIDENTS
def test_a_fork_still_shows_which_messages_are_copies(tmp_path, session, happens):
    storage = write_files(tmp_path, session)
    whole = used(recorded(tmp_path))
    fork = OpenCode(session_id(BEGIN + HOUR_MS))
    fork.messages = [(f"msg_9{number}", data) for number, (_, data) in enumerate(session.messages)]
    write_files(tmp_path, fork)
    happens(file_of(storage, fork))
    assert used(recorded(tmp_path)) == whole


@ACCIDENTS
def test_a_subagent_is_no_prompt_of_the_user(tmp_path, session, happens):
    child = OpenCode(session_id(BEGIN + 1)).user().assistant()
    storage = write_files(tmp_path, session, child)
    path = file_of(storage, child)
    write_document(path, {"id": child.session_id, "parentID": session.session_id})
    whole = used(recorded(tmp_path))
    happens(path)
    assert used(recorded(tmp_path)) == whole


def test_a_copied_folder_of_messages_counts_nothing(tmp_path, session):
    storage = write_files(tmp_path, session)
    whole = used(recorded(tmp_path))
    messages = storage / "message"
    copy = messages / f"{session.session_id} (copy)"
    copy.mkdir()
    for file in (messages / session.session_id).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    ledger = recorded(tmp_path)
    assert used(ledger) == whole
    assert len(ledger.sessions) == 1


@pytest.mark.parametrize("kind", ["session", "message"])
def test_doctor_reports_a_file_that_stays_incomplete(tmp_path, session, kind):
    storage = write_files(tmp_path, session)
    path = file_of(storage, session)
    file = {"session": path, "message": storage / f"message/{session.session_id}/msg_2.json"}[kind]
    cut(file)
    cursors = {str(path): AGENT.read(str(path), Cursor()).cursor}
    changed = cursors[str(path)].mtime_ns / NANOSECONDS
    assert unfinished_records(cursors, now=changed + QUIET_SECONDS) == []
    assert unfinished_records(cursors, now=changed + QUIET_SECONDS + 1) == [f"{path}:0"]


@pytest.mark.parametrize("near_ms", [BEGIN, BEGIN - 5_000 * HOUR_MS, BEGIN + 5_000 * HOUR_MS])
def test_ids_have_the_time_of_their_session(near_ms):
    assert created_at(session_id(BEGIN), near_ms / 1000) == BEGIN / 1000
    assert created_at("ses_json0000000000000000000000", near_ms / 1000) == 0
