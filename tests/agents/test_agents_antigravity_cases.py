"""Antigravity's files have no schema: what cannot be told for certain is absent."""

import base64
import os
import sqlite3
from contextlib import closing

import pytest
from agent_files import counted
from driving import read_on
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents.antigravity import AGENT, protobuf, state
from agtop_exporter.agents.antigravity.conversations import token_counts
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import TokenCounts

ID, OTHER = "a1a1a1a1-0000-4000-8000-00000000000a", "b2b2b2b2-0000-4000-8000-00000000000b"
CANARY = "canary-of-a-credential"


def varint(number):
    out = b""
    while True:
        low, number = number & 0x7F, number >> 7
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def entry(key, summary):
    return field(1, field(1, key) + field(2, field(1, base64.b64encode(summary))))


def database(home, **values):
    path = home / ".config/Antigravity/User/globalStorage/state.vscdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
        rows = [(f"antigravityUnifiedStateSync.{key}", value) for key, value in values.items()]
        connection.executemany("INSERT INTO ItemTable VALUES (?, ?)", rows)
        connection.commit()
    return path


def conversation(home, *rows):
    path = home / f".gemini/antigravity-cli/conversations/{ID}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS gen_metadata (idx INTEGER PRIMARY KEY, data)"
        )
        connection.executemany("REPLACE INTO gen_metadata VALUES (?, ?)", rows)
        connection.commit()
    return path


def response(usage, *, name="gemini-3-pro"):
    counts = b"".join(field(number, value) for number, value in usage.items())
    return field(1, field(4, counts) + field(19, name))


def test_v01_no_database_gives_nothing(tmp_path):
    assert counted(tmp_path, AGENT) == {}


def test_v02_v03_ids_in_what_is_no_list(tmp_path):
    junk = (
        b"\xff\xfe\x00" + ID.encode() + b"\xff\xff" + ID.upper().encode() + b"\x80" + OTHER.encode()
    )
    database(tmp_path, trajectorySummaries=junk)
    assert sorted(counted(tmp_path, AGENT)) == [ID, OTHER]


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("\x0apro_plan_active", "Pro"),
        ("product tour, profile, process", ""),
        ("g1-pro-tier", "Pro"),
        ("ENTERPRISE", "Enterprise"),
        ("a free trial", "Free"),
    ],
)
def test_v04_a_plan_is_a_word(tmp_path, status, plan):
    listed = base64.b64encode(entry(ID, b"")).decode()
    database(tmp_path, trajectorySummaries=listed, userStatus=status.encode())
    assert counted(tmp_path, AGENT)[ID].facts.subscription == plan


@pytest.mark.parametrize("encode", [bytes, lambda data: base64.b64encode(data).decode()])
def test_v05_a_list_names_its_conversations_and_nothing_else_does(tmp_path, encode):
    times = field(3, field(1, 1_775_120_700)) + field(7, field(1, 1_775_120_400))
    folder = field(9, field(1, "file:///src/the%20engine"))
    summary = field(1, "Oil") + field(2, 12) + times + field(4, OTHER) + folder
    database(tmp_path, trajectorySummaries=encode(entry(ID, summary)), oauthToken=CANARY)
    sessions = counted(tmp_path, AGENT)
    assert list(sessions) == [ID]
    facts = sessions[ID].facts
    assert (facts.title, facts.cwd) == ("Oil", "/src/the engine")
    assert (facts.started_at, facts.last_active) == (1_775_120_400, 1_775_120_700)
    assert sessions[ID].models == {}
    assert CANARY not in repr(sessions)


def test_without_times_activity_is_unknown(tmp_path):
    database(tmp_path, trajectorySummaries=base64.b64encode(entry(ID, field(1, "Oil"))).decode())
    facts = counted(tmp_path, AGENT)[ID].facts
    assert (facts.started_at, facts.last_active) == (None, None)


def test_an_encrypted_conversation_is_known_by_its_date(tmp_path):
    path = tmp_path / f".gemini/antigravity/conversations/{ID}.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(range(256)))
    os.utime(path, (1_775_120_400, 1_775_120_400))
    record = counted(tmp_path, AGENT)[ID]
    assert (record.facts.last_active, record.facts.started_at) == (1_775_120_400, None)
    assert record.models == {}


def test_responses_count_once_though_they_are_written_again(tmp_path):
    first = {1: 100, 2: 900, 3: 60, 5: 400, 9: 50, 10: 10}
    path = conversation(tmp_path, (0, response(first)), (1, response({2: 1})))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    conversation(tmp_path, (1, response({2: 5, 3: 7})), (2, response({})))
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    expected = TokenCounts(input=1005, cache_read=400, output=67, reasoning=10)
    assert record.usage.tokens == expected
    assert record.models["gemini-3-pro"].requests == 2


def test_figures_that_do_not_add_up_are_an_error(tmp_path):
    path = conversation(tmp_path, (0, response({2: 5, 3: 99, 9: 5, 10: 4})), (1, b"\xff\xff"))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.totals["parse_errors", "antigravity", "schema"] == 2
    assert ledger.sessions["antigravity", ID].models == {}


@given(data=st.binary(max_size=300))
def test_any_bytes_are_survived(data):
    for session_id, summary in state.conversations(data).items():
        assert state.update(session_id, summary).session_id == session_id
    state.plan(data)
    try:
        usage = protobuf.fields(data)
    except ValueError:
        return
    tokens = token_counts(usage)
    assert tokens is None or tokens.total >= 0


@given(values=st.dictionaries(st.integers(1, 2**28), st.integers(0, 2**63) | st.binary()))
def test_messages_are_read_as_they_were_written(values):
    data = b"".join(field(number, value) for number, value in values.items())
    assert protobuf.fields(data) == {number: [value] for number, value in values.items()}
