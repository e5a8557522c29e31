"""Cursor: reading a database with replaced rows costs time in proportion to the new data."""

import json
import sqlite3
from contextlib import closing

import pytest
from driving import read_on

from agtop_exporter.agents.cursor import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading.databases import Database

ID = "c0c0c0c0-0000-4000-8000-00000000000a"
BYTES = 4000  # of text in each message


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / ".config/Cursor/User/globalStorage"
    folder.mkdir(parents=True)
    return str(folder / "state.vscdb")


@pytest.fixture
def database(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        unique = "key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB"
        connection.execute(f"CREATE TABLE cursorDiskKV ({unique})")
        yield connection


def put(database, key, **value):
    database.execute("INSERT INTO cursorDiskKV VALUES (?, ?)", (key, json.dumps(value)))


def talk(database, composer_id, *, messages, begin=0):
    """Write a conversation as Cursor does, replacing its row after each message."""
    database.execute("BEGIN")
    for number in range(begin, begin + messages):
        counts = {"inputTokens": 100, "outputTokens": 10}
        key = f"bubbleId:{composer_id}:b{number}"
        put(database, key, type=2, tokenCount=counts, text="x" * BYTES)
        put(database, f"agentKv:blob:{composer_id}:{number}", text="y" * BYTES)
        put(database, f"composerData:{composer_id}", createdAt=1_775_120_400_000 + number)
    database.execute("COMMIT")


def used(ledger, session=ID):
    usage = ledger.sessions["cursor", session].usage
    return usage.requests, usage.tokens.input


@pytest.mark.slow
def test_a_replaced_row_is_not_a_rewritten_database(path, database):
    """Cursor replaces the row that was read last, so it is missing at each read."""
    for number in range(20):
        talk(database, f"old{number}", messages=50)
    cursor = AGENT.read(path, Cursor()).cursor
    for number in range(10):
        talk(database, ID, messages=1, begin=number)
        batch = AGENT.read(path, cursor)
        cursor = batch.cursor
        assert batch.reset == ""
        assert batch.bytes_read < 300 * BYTES
        assert batch.records < 10


@pytest.mark.slow
def test_a_replaced_message_counts_once(path, database):
    ledger = Ledger()
    for number in range(10):
        talk(database, ID, messages=1, begin=number)
        read_on(ledger, AGENT, path)
    assert used(ledger) == (10, 1000)
    put(database, f"bubbleId:{ID}:b3", type=2, tokenCount={"inputTokens": 170, "outputTokens": 10})
    read_on(ledger, AGENT, path)
    assert used(ledger) == (10, 1070)
    assert not [series for series in ledger.totals if series[0] == "source_resets"]


@pytest.mark.slow
@pytest.mark.parametrize("looks", [1, 12])
def test_a_deleted_conversation_hides_no_other(path, database, looks):
    """It had the last rows, and other rows reuse their row ids."""
    ledger = Ledger()
    talk(database, "kept", messages=30)
    for number in range(looks):
        talk(database, "gone", messages=3, begin=3 * number)
        read_on(ledger, AGENT, path)
    database.execute("DELETE FROM cursorDiskKV WHERE key GLOB '*:gone*'")
    talk(database, ID, messages=2)
    read_on(ledger, AGENT, path)
    assert used(ledger) == (2, 200)
    assert used(ledger, "kept") == (30, 3000)
    assert used(ledger, "gone") == (3 * looks, 300 * looks)


@pytest.mark.slow
def test_little_is_read_again_after_a_deletion(path, database):
    for number in range(20):
        talk(database, f"old{number}", messages=50)
    cursor = AGENT.read(path, Cursor()).cursor
    for number in range(6):
        talk(database, "gone", messages=1, begin=number)
        cursor = AGENT.read(path, cursor).cursor
    database.execute("DELETE FROM cursorDiskKV WHERE key GLOB '*:gone*'")
    talk(database, ID, messages=2)
    assert AGENT.read(path, cursor).records < 100


def test_a_subagent_has_its_parent_and_one_line_as_its_id(path, database):
    """With some models, the id of a tool call has a second line (in Cursor's own keys)."""
    task = "task-call_1\nfc_2"
    put(database, f"composerData:{ID}", createdAt=1_775_120_400_000, subagentComposerIds=[task])
    put(database, f"composerData:{task}", createdAt=1_775_120_401_000)
    talk(database, task, messages=1)
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert set(ledger.sessions) == {("cursor", ID), ("cursor", "task-call_1")}
    assert ledger.sessions["cursor", "task-call_1"].facts.parent_session_id == ID
    assert used(ledger, "task-call_1") == (1, 100)


def test_a_subagent_that_only_a_tool_call_names(path, database):
    call = {"name": "task_v2", "toolCallId": "toolu_1"}
    put(database, f"bubbleId:{ID}:b1", type=2, toolFormerData=call)
    put(database, "composerData:task-toolu_1", createdAt=1_775_120_401_000)
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert ledger.sessions["cursor", "task-toolu_1"].facts.parent_session_id == ID


@pytest.mark.parametrize(
    ("uri", "directory"),
    [
        ({"fsPath": "/home/ada/loom", "path": "/home/ada/loom"}, "/home/ada/loom"),
        ({"path": "/home/ada/loom", "scheme": "vscode-remote"}, "/home/ada/loom"),
        ("file:///home/ada/my%20loom", "/home/ada/my loom"),
        ("file:///c%3A/src/loom", "c:/src/loom"),
        (None, ""),
    ],
)
def test_the_folder_of_the_window_is_the_project(path, database, uri, directory):
    """Without a transcript, only the conversation has the folder."""
    workspace = {"id": "9f", "uri": uri}
    put(database, f"composerData:{ID}", workspaceIdentifier=workspace)
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert ledger.sessions["cursor", ID].facts.cwd == directory


@pytest.mark.long
def test_a_batch_ends_when_its_values_are_many(path, database, monkeypatch):
    monkeypatch.setitem(Database.__init__.__kwdefaults__, "batch_bytes", 20 * BYTES)
    talk(database, ID, messages=100)
    assert AGENT.read(path, Cursor()).records < 100
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert used(ledger) == (100, 10_000)


def test_an_answer_of_an_older_version_has_the_time_of_its_request(path, database):
    """Its message has no date, and that of the conversation is later."""
    put(database, f"composerData:{ID}", lastUpdatedAt=1_775_120_999_000)
    timing = {"clientRpcSendTime": 1_775_120_400_000, "clientStartTime": 7.5}
    counts = {"inputTokens": 100, "outputTokens": 10}
    put(database, f"bubbleId:{ID}:b1", type=2, tokenCount=counts, timingInfo=timing)
    [event] = AGENT.read(path, Cursor()).events
    assert event.time == 1_775_120_400
