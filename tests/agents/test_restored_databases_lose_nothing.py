"""Usage counts that is written after a database was replaced by its backup.

The new rows have the row ids of rows that were read before. The time of a row, or its id if that is
no row id, shows that it is another row.
"""

import shutil
import sqlite3
from contextlib import closing

import pytest
from driving import refresh

from agtop_exporter.agents import goose, hermes, openclaw, opencode, zcode
from agtop_exporter.ledger import Ledger

BEGAN = 1_793_527_200  # November 2026

GOOSE = """
CREATE TABLE sessions (id TEXT PRIMARY KEY, updated_at TEXT);
CREATE TABLE usage_ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT,
    created_timestamp INTEGER, input_tokens INTEGER);
"""
HERMES = """
CREATE TABLE sessions (id TEXT PRIMARY KEY, model TEXT, api_call_count INTEGER,
    input_tokens INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, role TEXT,
    timestamp REAL);
INSERT INTO sessions VALUES ('s', 'm', 0, 0);
"""
ZCODE = """
CREATE TABLE model_usage (id TEXT PRIMARY KEY, session_id TEXT, status TEXT, completed_at INTEGER,
    input_tokens INTEGER);
"""
OPENCODE = """
CREATE TABLE session (id TEXT PRIMARY KEY, time_updated INTEGER);
CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, data TEXT);
INSERT INTO session VALUES ('s', 1793527200000);
"""
OPENCLAW = """
CREATE TABLE session_windows (session_id TEXT PRIMARY KEY, updated_at INTEGER);
CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, created_at INTEGER, event_json TEXT);
"""


def goose_request(database, number, tokens):
    row = (BEGAN + number, tokens)
    insert = "INSERT INTO usage_ledger (session_id, created_timestamp, input_tokens)"
    database.execute(f"{insert} VALUES ('s', ?, ?)", row)


def hermes_request(database, number, tokens):
    database.execute(
        "UPDATE sessions SET api_call_count = api_call_count + 1, input_tokens = input_tokens + ?",
        (tokens,),
    )
    row = (BEGAN + number,)
    insert = "INSERT INTO messages (session_id, role, timestamp)"
    database.execute(f"{insert} VALUES ('s', 'assistant', ?)", row)


def zcode_request(database, number, tokens):
    row = (f"r{number}", 1000 * (BEGAN + number), tokens)
    database.execute("INSERT INTO model_usage VALUES (?, 's', 'completed', ?, ?)", row)


def opencode_request(database, number, tokens):
    created = 1000 * (BEGAN + number)
    data = (
        f'{{"role":"assistant","modelID":"m","finish":"stop","time":{{"created":{created}}},'
        f'"tokens":{{"input":{tokens}}}}}'
    )
    database.execute("INSERT INTO message VALUES (?, 's', ?)", (f"msg_{number}", data))


def openclaw_request(database, number, tokens):
    created = 1000 * (BEGAN + number)
    data = (
        f'{{"type":"message","id":"e{number}","timestamp":"2026-11-01T10:00:{number:02}Z",'
        f'"message":{{"role":"assistant","model":"m","usage":{{"input":{tokens}}}}}}}'
    )
    values = (number, created, data)
    database.execute("INSERT INTO transcript_events VALUES ('s', ?, ?, ?)", values)


@pytest.mark.parametrize(
    ("agent", "place", "schema", "request_"),
    [
        (goose, ".local/share/goose/sessions/sessions.db", GOOSE, goose_request),
        (hermes, ".hermes/state.db", HERMES, hermes_request),
        (zcode, ".zcode/cli/db/db.sqlite", ZCODE, zcode_request),
        (opencode, ".local/share/opencode/opencode.db", OPENCODE, opencode_request),
        (openclaw, ".openclaw/agents/main/agent/openclaw-agent.sqlite", OPENCLAW, openclaw_request),
    ],
    ids=["goose", "hermes", "zcode", "opencode", "openclaw"],
)
def test_requests_after_a_restored_backup(agent, place, schema, request_, tmp_path):
    path, backup, ledger = tmp_path / place, tmp_path / "backup", Ledger()
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema)

    def use(number, tokens):
        with closing(sqlite3.connect(path)) as database, database:
            request_(database, number, tokens)

    def counted():
        refresh(ledger, tmp_path, [agent.AGENT])
        return ledger_input(ledger)

    use(1, 100)
    assert counted() == 100
    shutil.copyfile(path, backup)
    use(2, 20)
    assert counted() == 120
    use(3, 3)
    assert counted() == 123
    shutil.copyfile(backup, path)
    assert counted() == 123
    use(12, 40_000)
    lost = 23 if agent is hermes else 0  # its sums no longer include these requests
    assert counted() == 40_123 - lost


def ledger_input(ledger):
    return sum(
        usage.tokens.input
        for session in ledger.sessions.values()
        for usage in session.models.values()
    )
