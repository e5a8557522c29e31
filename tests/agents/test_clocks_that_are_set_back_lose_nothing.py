"""Usage that is written after a wrong clock was corrected counts, also if its time is earlier.

Readers that look for rows or files by their time must not wait until the wrong time has passed. The
same holds for files that a backup or a synchronization restores with their old times.
"""

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from driving import refresh
from opencode_homes import OpenCode, write_files

from agtop_exporter.agents import goose, hermes, openclaw, opencode, zcode, zed
from agtop_exporter.ledger import Ledger

NOW, AHEAD = 1_793_527_200.0, 1_930_000_000.0  # November 2026; a clock that is years ahead
FAR = 1e15  # no valid time


def zed_thread(home, name, total, at):
    """Save a thread of Zed, as Zed does, with a total of input tokens."""
    folder = home / ".local/share/zed/threads"
    thread = {"version": "0.3.0", "cumulative_token_usage": {"input_tokens": total}}
    row = (name, written(at), json.dumps(thread | {"model": {"model": "m"}}))
    columns = "id TEXT PRIMARY KEY, updated_at TEXT, data_type TEXT DEFAULT 'json', data BLOB"
    execute(
        folder / "threads.db",
        at,
        f"CREATE TABLE IF NOT EXISTS threads ({columns})",
        "INSERT INTO threads (id, updated_at, data) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
        " SET updated_at = excluded.updated_at, data = excluded.data",
        values=row,
    )


def goose_session(home, name, total, at):
    """Write the row of a session of Goose, in the schema before version 15."""
    columns = "id TEXT PRIMARY KEY, updated_at TIMESTAMP, accumulated_input_tokens INTEGER"
    execute(
        home / ".local/share/goose/sessions/sessions.db",
        at,
        f"CREATE TABLE IF NOT EXISTS sessions ({columns})",
        "INSERT INTO sessions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
        " updated_at = excluded.updated_at,"
        " accumulated_input_tokens = excluded.accumulated_input_tokens",
        values=(name, written(at)[:19].replace("T", " "), total),
    )


def hermes_session(home, name, total, at):
    """Write the sum of a session of Hermes."""
    columns = (
        "session_id TEXT, model TEXT, billing_provider TEXT, task TEXT, api_call_count INTEGER,"
        " input_tokens INTEGER, last_seen REAL,"
        " PRIMARY KEY (session_id, model, billing_provider, task)"
    )
    execute(
        home / ".hermes/state.db",
        at,
        "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, model TEXT)",
        "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, session_id TEXT)",
        f"CREATE TABLE IF NOT EXISTS session_model_usage ({columns})",
        "REPLACE INTO session_model_usage VALUES (?, 'm', 'p', '', 1, ?, ?)",
        values=(name, total, at),
    )


def zcode_request(home, name, total, at):
    """Write the row of a request of ZCode."""
    columns = "id TEXT PRIMARY KEY, session_id TEXT, status TEXT, completed_at INTEGER"
    execute(
        home / ".zcode/cli/db/db.sqlite",
        at,
        f"CREATE TABLE IF NOT EXISTS model_usage ({columns}, input_tokens INTEGER)",
        "INSERT INTO model_usage VALUES (?, 's', 'completed', ?, ?) ON CONFLICT DO UPDATE SET"
        " completed_at = excluded.completed_at, input_tokens = excluded.input_tokens",
        values=(name, int(1000 * at), total),
    )


def opencode_session(home, name, title, at):
    """Write the row of a session of OpenCode."""
    execute(
        home / ".local/share/opencode/opencode.db",
        at,
        "CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, session_id TEXT, data TEXT)",
        "CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, title TEXT, time_updated INT)",
        "INSERT INTO session VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
        " title = excluded.title, time_updated = excluded.time_updated",
        values=(name, str(title), int(1000 * at)),
    )


def openclaw_session(home, name, title, at):
    """Write the rows of a session of OpenClaw and of its conversation."""
    path = home / ".openclaw/agents/main/agent/openclaw-agent.sqlite"
    columns = "session_id TEXT PRIMARY KEY, session_key TEXT, updated_at INTEGER"
    execute(
        path,
        at,
        "CREATE TABLE IF NOT EXISTS session_nodes (session_key TEXT PRIMARY KEY, label TEXT)",
        f"CREATE TABLE IF NOT EXISTS session_windows ({columns})",
        "REPLACE INTO session_nodes VALUES (?, ?)",
        values=(name, str(title)),
    )
    statement = (
        "INSERT INTO session_windows VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET updated_at = excluded.updated_at"
    )
    execute(path, at, statement, values=(name, name, int(1000 * at)))


def execute(path, at, *statements, values):
    """Change a database at a time. The values belong to the last statement."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        for statement in statements[:-1]:
            database.execute(statement)
        database.execute(statements[-1], values)
        database.commit()
    os.utime(path, (min(at, AHEAD), min(at, AHEAD)))


def written(at):
    """Return a time in ISO 8601. A year after 9999 is not valid."""
    if at == FAR:
        return "99999-01-01 00:00:00"
    return datetime.fromtimestamp(at, tz=UTC).isoformat()


def input_tokens(ledger, home, agent):
    refresh(ledger, home, [agent])
    return sum(
        usage.tokens.input
        for session in ledger.sessions.values()
        for usage in session.models.values()
    )


def titles(ledger, home, agent):
    """Return the sum of the titles of all sessions, which are numbers."""
    refresh(ledger, home, [agent])
    return sum(int(session.facts.title) for session in ledger.sessions.values())


@pytest.mark.parametrize("ahead", [AHEAD, FAR])
@pytest.mark.parametrize(
    ("agent", "save", "seen"),
    [
        (zed.AGENT, zed_thread, input_tokens),
        (goose.AGENT, goose_session, input_tokens),
        (hermes.AGENT, hermes_session, input_tokens),
        (zcode.AGENT, zcode_request, input_tokens),
        (opencode.AGENT, opencode_session, titles),
        (openclaw.AGENT, openclaw_session, titles),
    ],
    ids=["zed", "goose", "hermes", "zcode", "opencode", "openclaw"],
)
def test_rows_that_change_after_a_correction(agent, save, seen, ahead, tmp_path):
    ledger = Ledger()
    save(tmp_path, "one", 100, NOW)
    save(tmp_path, "two", 1_000, ahead)
    assert seen(ledger, tmp_path, agent) == 1_100
    for step in (1, 2, 3):
        save(tmp_path, "one", 100 + step, NOW + 60 * step)
        assert seen(ledger, tmp_path, agent) == 1_100 + step


@pytest.mark.parametrize("clock", [-3_600, 0, 3_600])
def test_message_files_of_opencode_with_earlier_times(clock, tmp_path):
    """The last one is older than the files that have been read."""
    chat = OpenCode().user().assistant((200, 80, 0, 0, 0)).assistant((30, 5, 0, 0, 0))
    storage = write_files(tmp_path, chat)
    messages = sorted((storage / "message").rglob("*.json"))
    for path in storage.rglob("*"):
        os.utime(path, (NOW, NOW))
    ledger, last = Ledger(), messages[-1]
    content = last.read_bytes()
    last.unlink()
    os.utime(messages[0], (NOW + clock, NOW + clock))
    assert input_tokens(ledger, tmp_path, opencode.AGENT) == 200
    last.write_bytes(content)
    os.utime(last, (NOW - 60, NOW - 60))
    assert input_tokens(ledger, tmp_path, opencode.AGENT) == 230
