"""Cursor: recorded values are counted once, and values that it does not record are absent."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from agent_files import counted, write_lines
from driving import read_on

from agtop_exporter.agents.cursor import AGENT
from agtop_exporter.agents.cursor.transcripts import working_directory
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor, TokenCounts

ID = "c0c0c0c0-0000-4000-8000-00000000000a"
FOLDER = f".cursor/projects/myworkspace/agent-transcripts/{ID}"
CANARY = "canary-of-a-credential"


def say(role, *blocks, **more):
    return {"role": role, "message": {"content": list(blocks)}, **more}


def text(words="Oil"):
    return {"type": "text", "text": words}


def call(name="read_file"):
    return {"type": "tool_use", "name": name, "input": {}}


def database(home, *rows, settings=()):
    path = home / ".config/Cursor/User/globalStorage/state.vscdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("ItemTable", "cursorDiskKV"):
            unique = "key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB"
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({unique})")
        connection.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", rows)
        connection.executemany("INSERT INTO ItemTable VALUES (?, ?)", settings)
        connection.commit()
    return path


def bubble(number, tokens, **more):
    counts = dict(zip(("inputTokens", "outputTokens"), tokens, strict=True))
    value = {"type": 2, "createdAt": 1_775_120_400_000, "tokenCount": counts, **more}
    return f"bubbleId:{ID}:b{number}", json.dumps(value)


def test_u01_no_folder_gives_nothing(tmp_path):
    assert counted(tmp_path, AGENT) == {}


def test_u02_a_folder_name_that_is_no_path_is_kept(tmp_path):
    records = [say("user", text(), modelId="claude"), say("assistant", text("Oiled."))]
    write_lines(tmp_path / FOLDER / f"{ID}.jsonl", *records)
    facts = counted(tmp_path, AGENT)[ID].facts
    assert (facts.cwd, facts.model, facts.title) == ("myworkspace", "claude", "Oil")


@pytest.mark.parametrize(("slug", "directory"), [("usr-bin", "/usr/bin"), ("usr-none", "usr-none")])
def test_a_folder_that_is_a_path_is_it(slug, directory):
    path = Path(f"/home/ada/.cursor/projects/{slug}/agent-transcripts/{ID}/{ID}.jsonl")
    assert working_directory(path) == directory


def directory_of(slug):
    return working_directory(Path(f"/x/.cursor/projects/{slug}/agent-transcripts/{ID}/{ID}.jsonl"))


def test_signs_in_a_path_are_found_again(tmp_path):
    folder = tmp_path / "my-own_tools" / "engine.v2"
    folder.mkdir(parents=True)
    slug = re.sub("[^A-Za-z0-9]+", "-", str(folder)).strip("-")
    assert directory_of(slug) == str(folder)


def test_a_folder_that_is_made_meanwhile_is_found(tmp_path):
    folder = tmp_path / "engine"
    slug = re.sub("[^A-Za-z0-9]+", "-", str(folder)).strip("-")
    assert directory_of(slug) == slug
    folder.mkdir()
    assert directory_of(slug) == str(folder)


def test_a_name_of_two_folders_is_that_of_none(tmp_path):
    (tmp_path / "my" / "engine").mkdir(parents=True)
    (tmp_path / "my-engine").mkdir()
    slug = re.sub("[^A-Za-z0-9]+", "-", str(tmp_path / "my-engine")).strip("-")
    assert directory_of(slug) == slug


@pytest.mark.parametrize(
    ("told", "plan"),
    [("pro_plus", "Pro+"), ('"FREE_TRIAL"', "Free Trial"), ("Ultra", "Ultra"), ("hobby", "hobby")],
)
def test_u03_plans(tmp_path, told, plan):
    settings = [("cursorAuth/stripeMembershipType", told), ("cursorAuth/accessToken", CANARY)]
    database(tmp_path, (f"composerData:{ID}", json.dumps({"name": "Oil"})), settings=settings)
    assert counted(tmp_path, AGENT)[ID].facts.subscription == plan


def test_u04_the_last_of_many_records_is_the_last_activity(tmp_path):
    records = [say("user", text(), createdAt=1_775_120_400_000 + at * 1000) for at in range(120)]
    write_lines(tmp_path / FOLDER / f"{ID}.jsonl", *records)
    facts = counted(tmp_path, AGENT)[ID].facts
    assert (facts.started_at, facts.last_active) == (1_775_120_400, 1_775_120_519)


def test_u04_without_times_the_file_tells_the_activity_and_nothing_the_start(tmp_path):
    path = write_lines(tmp_path / FOLDER / f"{ID}.jsonl", say("user", text()))
    facts = counted(tmp_path, AGENT)[ID].facts
    assert facts.started_at is None
    assert facts.last_active == pytest.approx(path.stat().st_mtime)


@pytest.mark.parametrize("encode", [str, str.encode])
def test_u04_tokens_as_text_or_bytes_and_no_credential(tmp_path, encode):
    rows = [bubble(1, (4000, 120)), bubble(2, (0, 0)), (f"composerData:{ID}", "{}")]
    settings = [("cursorAuth/accessToken", CANARY), ("cursorAuth/refreshToken", CANARY)]
    path = database(tmp_path, *((key, encode(value)) for key, value in rows), settings=settings)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["cursor", ID]
    assert record.usage.tokens == TokenCounts(input=4000, output=120)
    assert record.models[""].requests == 1  # the answer without figures is no answer of 0 tokens
    assert CANARY not in repr((ledger.totals, ledger.sessions, ledger.cursors))


@pytest.mark.parametrize("statement", ["INSERT", "UPDATE"])
def test_a_message_that_is_written_again_counts_its_last_figures(tmp_path, statement):
    path = database(tmp_path, bubble(1, (10, 1)), bubble(2, (0, 0)))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    changed = [bubble(1, (10, 9)), bubble(2, (20, 2))]
    if statement == "INSERT":
        database(tmp_path, *changed)
    else:
        with closing(sqlite3.connect(path)) as connection:
            swapped = [(value, key) for key, value in changed]
            connection.executemany("UPDATE cursorDiskKV SET value = ? WHERE key = ?", swapped)
            connection.commit()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["cursor", ID].usage.tokens == TokenCounts(input=30, output=11)
    assert ledger.sessions["cursor", ID].models[""].requests == 2


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("reset", [True, False])
def test_a_copy_of_a_conversation_counts_its_own_answers(tmp_path, order, reset):
    """A copy has new ids of messages. `reset`: whether it has a creation time of its own."""
    started, requests = 1_775_120_400_000, ("u1", "u2", "u2")  # the last two answer one prompt
    clone = "c1c1c1c1-0000-4000-8000-00000000000a"
    rows = [(f"composerData:{ID}", json.dumps({"createdAt": started}))]
    rows += [
        bubble(number, (100, number), usageUuid=request, createdAt=started + number)
        for number, request in enumerate(requests, 1)
    ]
    copies = [(key.replace(ID, clone).replace(":b", ":copy"), value) for key, value in rows[1:]]
    created = json.dumps({"createdAt": started + (60_000 if reset else 0)})
    own = (f"bubbleId:{clone}:b9", bubble(9, (7, 9), createdAt=started + 70_000)[1])
    rows += [(f"composerData:{clone}", created), *copies, own]
    database(tmp_path, *rows[::order])
    found = counted(tmp_path, AGENT)
    assert sum((record.usage.tokens for record in found.values()), TokenCounts()) == TokenCounts(
        input=307, output=15
    )
    if reset:
        assert found[ID].usage.tokens == TokenCounts(input=300, output=6)


def test_database_and_transcript_are_one_session(tmp_path):
    write_lines(tmp_path / FOLDER / f"{ID}.jsonl", say("user", text()), say("assistant", call()))
    database(tmp_path, bubble(1, (10, 1), toolFormerData={"name": "read_file"}))
    sessions = counted(tmp_path, AGENT)
    assert list(sessions) == [ID]
    assert (sessions[ID].tools, sessions[ID].turns) == ({"read_file": 1}, 1)
    assert sessions[ID].usage.tokens.total == 11


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (say("assistant", text()), "idle"),
        (say("assistant", text(), call()), "running"),
        (say("user", text()), "running"),
        ({"type": "turn_ended", "status": "success"}, "idle"),
        ({"type": "turn_ended", "status": "aborted"}, "idle"),
        ({"type": "turn_ended", "status": "error", "error": "boom"}, "error"),
    ],
)
def test_state_by_the_tail(tmp_path, last, kind):
    write_lines(tmp_path / FOLDER / f"{ID}.jsonl", say("user", text()), last)
    assert counted(tmp_path, AGENT)[ID].facts.signal.kind == kind


def test_a_corrupt_database_is_counted(tmp_path):
    path = database(tmp_path, *(bubble(number, (1, 1)) for number in range(300)))
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 6] = b"\xff" * 4096 * 4
    path.write_bytes(data)
    batch = AGENT.read(str(path), Cursor())
    assert {error.reason for error in batch.errors} <= {"corrupt", "schema", "json"}
    assert batch.errors


def test_damage_that_cannot_be_spelt_is_counted(tmp_path):
    """The error message of SQLite for a damaged schema may not be valid UTF-8."""
    path = database(tmp_path, bubble(1, (1, 1)))
    data = path.read_bytes()
    for broken in (b"\xebREATE TABLE", b"CREATE \xebABLE"):
        path.write_bytes(data.replace(b"CREATE TABLE", broken))
        batch = AGENT.read(str(path), Cursor())
        assert [error.reason for error in batch.errors] == ["corrupt"]


def doubts(path):
    return {error.reason: error.count for error in AGENT.read(str(path), Cursor()).errors}


@pytest.mark.parametrize(
    ("order", "count"),
    [
        ("pcat", None),
        ("pcatcp", None),  # the same prompt, and the same call, again
        ("ppcat", 1),
        ("pccat", 1),
        ("pcatpcat", 1),
        ("pp", 1),
    ],
)
def test_a_record_without_time_that_may_be_a_copy_is_reported(tmp_path, order, count):
    records = {
        "p": say("user", text("Continue")),
        "c": say("assistant", call()),
        "a": say("assistant", text("Done.")),
        "t": {"type": "turn_ended", "status": "success"},
    }
    path = write_lines(tmp_path / FOLDER / f"{ID}.jsonl", *[records[name] for name in order])
    assert doubts(path) == ({"ambiguous": count} if count else {})
    session = counted(tmp_path, AGENT)[ID]
    assert (session.turns, sum(session.tools.values())) == (order.count("p"), order.count("c"))


def test_a_record_with_a_time_or_the_id_of_its_call_counts_once(tmp_path):
    timed = say("user", text(), createdAt="2026-04-04T09:00:00Z")
    named = say("assistant", {**call(), "id": "call_0"})
    again = say("assistant", {**call(), "id": "call_0", "input": {"path": "b"}})
    records = [timed, named, timed, again, named, timed]
    path = write_lines(tmp_path / FOLDER / f"{ID}.jsonl", *records)
    session = counted(tmp_path, AGENT)[ID]
    assert (session.turns, session.tools, doubts(path)) == (1, {"read_file": 2}, {})
