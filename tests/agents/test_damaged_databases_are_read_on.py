"""A damaged database counts what can be read, and the rest once it is repaired; nothing twice."""

import sqlite3
from contextlib import closing

import pytest
from driving import read_on, used
from opencode_homes import OpenCode, write_database

from agtop_exporter.agents import hermes, opencode
from agtop_exporter.ledger import Ledger

PAGE = 4096


def damage(path, text):
    """Overwrite the page that contains a text; return the former contents of the file."""
    whole = path.read_bytes()
    begin = whole.index(text) // PAGE * PAGE
    path.write_bytes(whole[:begin] + bytes(PAGE) + whole[begin + PAGE :])
    return whole


def tokens(ledger, agent, path):
    read_on(ledger, agent, str(path))
    ledger.commit()
    return sum(value for series, value in used(ledger).items() if series[0] == "tokens")


@pytest.fixture
def sessions(tmp_path):
    """Return the path of a database of OpenCode with 20 sessions of one message with two steps."""
    written = []
    for number in range(20):
        one = OpenCode(f"ses_{number:02}")
        one.user("Oil it").assistant((0, 0, 0, 0, 0), mark=f"mark-{number}-" + "x" * 1000)
        for figures in ((100, number + 1), (200, number + 1)):
            one.part({"type": "text", "text": f"part-{number}-" + "y" * 1000})
            one.part({"type": "step-finish", "cost": 0, "tokens": counts(*figures)})
        one.messages[-1][1]["tokens"] = counts(200, number + 1)
        written.append(one)
    path = write_database(tmp_path, *written)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE INDEX of_messages ON part (message_id, id)")
    return path


def counts(prompt, output):
    return {"input": prompt, "output": output, "reasoning": 0, "cache": {"read": 0, "write": 0}}


def test_steps_in_a_damaged_page_count_once_it_is_repaired(sessions):
    expected = tokens(Ledger(), opencode.AGENT, sessions)
    whole = damage(sessions, b"part-10-")
    ledger = Ledger()
    found = tokens(ledger, opencode.AGENT, sessions)
    assert expected - 3 * 400 < found < expected
    sessions.write_bytes(whole)
    assert tokens(ledger, opencode.AGENT, sessions) == expected


def test_messages_behind_a_damaged_page_are_counted(sessions):
    expected = tokens(Ledger(), opencode.AGENT, sessions)
    damage(sessions, b"mark-5-")
    found = tokens(Ledger(), opencode.AGENT, sessions)
    assert expected / 2 < found < expected


def test_sums_whose_parts_are_damaged_count_once(tmp_path):
    """Without the rows by model, the row of a session would count as a further sum."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("""
            CREATE TABLE sessions (id TEXT PRIMARY KEY, model TEXT, started_at REAL,
                api_call_count INTEGER, input_tokens INTEGER);
            CREATE TABLE session_model_usage (session_id TEXT, model TEXT, task TEXT,
                api_call_count INTEGER, input_tokens INTEGER, last_seen REAL);
            INSERT INTO sessions VALUES ('s', 'm', 1793527200, 1, 100);
            INSERT INTO session_model_usage VALUES ('s', 'other', '', 1, 100, 1793527201);
        """)
    whole = damage(path, b"other")
    ledger = Ledger()
    assert tokens(ledger, hermes.AGENT, path) == 0
    path.write_bytes(whole)
    assert tokens(ledger, hermes.AGENT, path) == 100
