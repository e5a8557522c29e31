"""Antigravity: cases that readers of its databases may get wrong.

The files have no published schema. Values that cannot be determined for certain are absent.
"""

import base64
import os
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest
from agent_files import counted, write_lines
from driving import read_on, transcripts
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents.antigravity import AGENT, messages, protobuf, state
from agtop_exporter.agents.antigravity.messages import token_counts
from agtop_exporter.agents.antigravity.steps import (
    CHECKPOINT,
    DONE,
    ERROR,
    GENERATING,
    PLANNER_RESPONSE,
    USER_INPUT,
    WAITING,
)
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor, TokenCounts

ID, OTHER = "a1a1a1a1-0000-4000-8000-00000000000a", "b2b2b2b2-0000-4000-8000-00000000000b"
CANARY = "canary-of-a-credential"
NOON = 1_775_130_000


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


def conversation(home, *rows, steps=(), metadata=b"", folder="antigravity-cli"):
    """Write a conversation with rows of responses, steps and metadata; return its path."""
    path = home / f".gemini/{folder}/conversations/{ID}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE IF NOT EXISTS gen_metadata (idx INTEGER PRIMARY KEY, data);
            CREATE TABLE IF NOT EXISTS trajectory_metadata_blob (id TEXT PRIMARY KEY, data);
            CREATE TABLE IF NOT EXISTS steps (idx INTEGER PRIMARY KEY, step_type INTEGER,
            status INTEGER, metadata BLOB, permissions BLOB);"""
        )
        connection.executemany("REPLACE INTO gen_metadata VALUES (?, ?)", rows)
        connection.executemany("REPLACE INTO steps VALUES (?, ?, ?, ?, ?)", steps)
        if metadata is not None:
            connection.execute("REPLACE INTO trajectory_metadata_blob VALUES ('m', ?)", [metadata])
        connection.commit()
    return path


def message(values):
    """Return an encoded message. A value is a number, text, bytes, or the fields of a message."""
    return b"".join(
        field(number, message(value) if isinstance(value, dict) else value)
        for number, value in values.items()
    )


def response(usage, *, name="gemini-3-pro", label="", steps=(), time=0):
    started = {4: {1: time}} if time else {2: 2**64 - 1, 10: {1: 3000, 4: 1_048_576}}
    names = {number: text for number, text in ((19, name), (21, label)) if text}
    chat_model = message({4: usage, 9: started, **names})
    return field(1, chat_model) + field(2, b"".join(map(varint, steps)))


def answered(idx, *, time=0, usage=None, status=DONE):
    metadata = message(({1: {1: time}} if time else {}) | ({9: usage} if usage else {}))
    return (idx, PLANNER_RESPONSE, status, metadata, None)


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


@pytest.mark.parametrize("workspace", ["/src/the engine", "file:///src/the%20engine"])
def test_an_encrypted_conversation_has_its_place_in_the_history(tmp_path, workspace):
    path = tmp_path / f".gemini/antigravity-cli/conversations/{ID}.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(range(256)))
    os.utime(path, (NOON, NOON))
    prompt = {"display": CANARY, "workspace": workspace, "timestamp": (NOON - 60) * 1000}
    write_lines(
        tmp_path / ".gemini/antigravity-cli/history.jsonl",
        prompt | {"workspace": "/elsewhere"},
        "torn",
        prompt | {"conversationId": ID},
        prompt | {"conversationId": ID, "workspace": "/later", "timestamp": NOON * 1000},
        prompt | {"conversationId": OTHER, "workspace": 7},
    )
    sessions = counted(tmp_path, AGENT)
    facts = sessions[ID].facts
    assert (facts.cwd, facts.started_at) == ("/src/the engine", NOON - 60)
    assert list(sessions) == [ID]
    assert CANARY not in repr(sessions)


def test_responses_count_once_though_they_are_written_again(tmp_path):
    first = {1: 100, 2: 900, 3: 60, 5: 400, 9: 50, 10: 10}
    path = conversation(tmp_path, (0, response(first)), (1, response({2: 1})))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    conversation(tmp_path, (1, response({2: 5, 3: 7})), (2, response({})))
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    expected = TokenCounts(input=905, cache_read=400, output=67, reasoning=50)
    assert record.usage.tokens == expected
    assert record.models["gemini-3-pro"].requests == 2


def test_figures_that_do_not_add_up_are_an_error(tmp_path):
    path = conversation(tmp_path, (0, response({2: 5, 3: 99, 9: 5, 10: 4})), (1, b"\xff\xff"))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.totals["parse_errors", "antigravity", "schema"] == 2
    assert ledger.sessions["antigravity", ID].models == {}


@pytest.mark.parametrize("number", [None, 1, 312, 1016, 1132, 5001, 2**31])
def test_the_number_of_the_model_is_no_token(tmp_path, number):
    usage = {2: 95, 3: 12, 5: 21_000, 9: 8, 10: 4, 11: "r1"} | ({1: number} if number else {})
    path = conversation(tmp_path, (0, response(usage)))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    assert record.usage.tokens == TokenCounts(input=95, cache_read=21_000, output=12, reasoning=8)
    assert record.facts.context_used_tokens == record.facts.context_peak_tokens == 21_107


def test_a_generation_that_was_cancelled_is_no_request(tmp_path):
    path = conversation(tmp_path, (0, response({1: 1016})), (1, response({1: 1016, 2: 5, 3: 1})))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["antigravity", ID].usage.requests == 1


def test_a_response_without_a_time_has_that_of_its_first_step(tmp_path):
    rows = ((0, response({2: 5}, steps=(1, 2))), (1, response({2: 6}, steps=(4,))))
    steps = [answered(1, time=NOON), answered(2, time=NOON + 9), answered(4, time=NOON + 7200)]
    path = conversation(tmp_path, *rows, steps=steps)
    times = [event.time for event in AGENT.read(str(path), Cursor()).events]
    assert times == [NOON, NOON + 7200]


def test_the_index_of_a_step_may_be_any_number(tmp_path):
    path = conversation(tmp_path, (0, response({2: 5}, steps=(2**64 - 1, 2**70))))
    batch = AGENT.read(str(path), Cursor())
    assert [event.tokens.input for event in batch.events] == [5]


def test_without_steps_a_response_has_the_time_of_the_conversation(tmp_path):
    path = conversation(tmp_path, (0, response({2: 5})), metadata=message({2: {1: NOON}}))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    facts = ledger.sessions["antigravity", ID].facts
    assert (facts.started_at, facts.last_active) == (NOON, NOON)


@pytest.mark.parametrize(
    ("metadata", "cwd", "branch"),
    [
        ({1: {1: "file:///src/the%20engine", 4: "main"}}, "/src/the engine", "main"),
        ({7: "file:///src/loom"}, "/src/loom", ""),
        ({1: {4: "main"}, 7: "file:///src/loom"}, "/src/loom", "main"),
        ({7: "vscode-remote://ssh/src/loom", 18: "outside-of-project"}, "", ""),
        ({7: b"file:///src/\x00"}, "", ""),
    ],
)
def test_the_metadata_name_the_folder(tmp_path, metadata, cwd, branch):
    path = conversation(tmp_path, (0, response({2: 5})), metadata=message(metadata))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    facts = ledger.sessions["antigravity", ID].facts
    assert (facts.cwd, facts.git_branch) == (cwd, branch)


def test_a_conversation_that_another_one_started_is_its_subagent(tmp_path):
    prompt = (0, USER_INPUT, DONE, b"", None)
    path = conversation(tmp_path, (0, response({2: 5})), steps=[prompt], metadata=field(5, OTHER))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    assert (record.facts.parent_session_id, record.facts.subagent) == (OTHER, True)
    assert record.turns == 0


def test_the_prompts_of_a_subagent_wait_for_its_metadata(tmp_path):
    path = conversation(tmp_path, steps=[(0, USER_INPUT, DONE, b"", None)], metadata=None)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    conversation(tmp_path, metadata=field(5, OTHER))
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    assert (record.facts.parent_session_id, record.turns) == (OTHER, 0)


def test_usage_that_only_a_step_has_counts_once(tmp_path):
    first, second = {1: 1016, 2: 50, 3: 7, 11: "r1"}, {1: 1016, 2: 60, 3: 8, 11: "r2"}
    steps = [answered(1, time=NOON, usage=first), answered(2, time=NOON + 5, usage=second)]
    path = conversation(tmp_path, (0, response(first, steps=(1,))), steps=steps)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    expected = TokenCounts(input=110, output=15)
    assert ledger.sessions["antigravity", ID].usage.tokens == expected
    conversation(tmp_path, (1, response(second, steps=(2,))))
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    assert (record.usage.tokens, record.usage.requests) == (expected, 2)
    assert list(record.models) == ["gemini-3-pro"]


def test_steps_of_responses_that_name_no_steps_add_nothing(tmp_path):
    usage = {1: 1016, 2: 50, 3: 7}
    steps = [answered(1, usage=usage | {11: "r1"})]
    path = conversation(tmp_path, (0, response(usage)), steps=steps)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["antigravity", ID].usage.requests == 1


def test_usage_that_only_a_step_has_waits_for_its_model(tmp_path):
    first, second = {1: 1016, 2: 50, 3: 7, 11: "r1"}, {1: 1037, 2: 60, 3: 8, 11: "r2"}
    steps = [answered(1, usage=first), answered(2, usage=second)]
    path = conversation(tmp_path, (0, response(first, steps=(1,))), steps=steps)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["antigravity", ID].usage.requests == 1
    conversation(tmp_path, (1, response(second, name="claude-sonnet-4-6", steps=(2,))))
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["antigravity", ID].models["claude-sonnet-4-6"].requests == 1


def test_a_response_without_a_model_has_that_of_its_number(tmp_path):
    rows = (
        (0, response({1: 1016, 2: 5}, name="gemini-pro-agent", label="Pro (High)")),
        (1, response({1: 1035, 2: 6}, name="claude-sonnet-4-6", label="Sonnet")),
        (2, response({1: 1016, 2: 7}, name="", label="Pro (High)")),
        (3, response({1: 1099, 2: 8}, name="", label="Unheard of")),
        (4, response({2: 9}, name="")),
    )
    path = conversation(tmp_path, *rows)
    models = [event.model for event in AGENT.read(str(path), Cursor()).events]
    pro, sonnet, unheard = "gemini-pro-agent", "claude-sonnet-4-6", "Unheard of"
    assert models == [pro, sonnet, pro, unheard, unheard]


@pytest.mark.parametrize(
    ("last", "kind", "reason"),
    [
        ((1, USER_INPUT, DONE, b"", None), "running", ""),
        (answered(1), "idle", ""),
        (answered(1, status=GENERATING), "running", ""),
        ((1, 21, DONE, b"", None), "running", ""),
        ((1, 21, WAITING, b"", b"\x0a\x00"), "waiting", "permission"),
        ((1, 21, WAITING, b"", None), "waiting", "input"),
        ((1, 21, ERROR, b"", None), "error", "error"),
        ((1, 21, 99, b"", None), "unknown", ""),
    ],
)
def test_the_last_step_tells_the_state(tmp_path, last, kind, reason):
    path = conversation(tmp_path, steps=[(0, 21, WAITING, b"", b"\x00"), last])
    (session,) = AGENT.read(str(path), Cursor()).sessions
    assert (session.signal.kind, session.signal.reason) == (kind, reason)


def test_steps_tell_turns_tools_and_compactions(tmp_path):
    call = message({1: {1: NOON}, 4: {1: "c1", 2: "run_command"}})
    steps = [
        (0, USER_INPUT, DONE, message({1: {1: NOON}}), None),
        (1, 21, GENERATING, call, None),
        (2, CHECKPOINT, DONE, b"", None),
    ]
    path = conversation(tmp_path, steps=steps)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    conversation(tmp_path, steps=[(1, 21, ERROR, call, None)])
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["antigravity", ID]
    assert (record.turns, record.compactions) == (1, 1)
    assert (record.tools, record.tool_errors) == ({"run_command": 1}, {"run_command": 1})


@pytest.mark.slow
def test_a_copy_in_another_folder_adds_nothing(tmp_path):
    ledger = Ledger()
    for folder in ("antigravity", "antigravity-backup"):
        conversation(tmp_path, (0, response({2: 5, 11: "r1"})), folder=folder)
    for _, path in transcripts(tmp_path, [AGENT]):
        read_on(ledger, AGENT, path)
    assert ledger.sessions["antigravity", ID].usage.requests == 1


@pytest.mark.slow
@pytest.mark.parametrize("created", [NOON, NOON + 600])
@pytest.mark.parametrize("order", [1, -1])
def test_a_fork_of_a_conversation_counts_its_own_responses(tmp_path, order, created):
    """A fork is a copy of the database under a new id. `created`: the start that it records."""
    call = message({1: {1: NOON + 3}, 4: {1: "c1", 2: "run_command"}})
    steps = [(0, USER_INPUT, DONE, message({1: {1: NOON + 1}}), None), (1, 21, DONE, call, None)]
    old = (0, response({2: 500, 11: "bXl0aGljYWwtcmVzcG9uc2U"}, time=NOON + 2))
    first = conversation(tmp_path, old, steps=steps, metadata=message({2: {1: NOON}}))
    fork = shutil.copy(first, first.with_name(f"{OTHER}.db"))
    new = (1, response({2: 7, 11: "YW5vdGhlci1yZXNwb25zZQ"}, time=NOON + 700))
    with closing(sqlite3.connect(fork)) as connection:
        connection.execute("INSERT INTO gen_metadata VALUES (?, ?)", new)
        started = message({2: {1: created}})
        connection.execute("UPDATE trajectory_metadata_blob SET data = ?", [started])
        connection.commit()
    ledger = Ledger()
    for path in (first, fork)[::order]:
        read_on(ledger, AGENT, str(path))
    assert ledger.totals["tokens", "antigravity", "gemini-3-pro", "input"] == 507
    assert sum(record.turns for record in ledger.sessions.values()) == 1
    assert sum(sum(record.tools.values()) for record in ledger.sessions.values()) == 1
    if created > NOON:
        assert ledger.sessions["antigravity", ID].usage.tokens.input == 500


def test_a_broken_row_is_counted_once_though_it_is_read_again(tmp_path):
    path = conversation(tmp_path, (0, b"\xff\xff"))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    conversation(tmp_path, (1, response({2: 5})))
    read_on(ledger, AGENT, str(path))
    assert ledger.totals["parse_errors", "antigravity", "schema"] == 1


def test_state_of_an_earlier_version_is_read_again(tmp_path):
    path = conversation(tmp_path, (0, response({2: 5, 11: "r1"})))
    earlier = msgspec.msgpack.encode({"watermark": {"anchors": [[0, "0"]]}, "open": [0]})
    batch = AGENT.read(str(path), Cursor(state=earlier))
    assert (batch.reset, len(batch.events)) == ("state", 1)


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
    messages.response(usage)
    messages.step(usage)
    messages.workspace(usage)


@pytest.mark.slow
@given(values=st.dictionaries(st.integers(1, 2**28), st.integers(0, 2**63) | st.binary()))
def test_messages_are_read_as_they_were_written(values):
    data = b"".join(field(number, value) for number, value in values.items())
    assert protobuf.fields(data) == {number: [value] for number, value in values.items()}
