"""Sessions that MiMo Code imported from other agents are not counted as its own."""

import json
import sqlite3
from contextlib import closing

import pytest
from driving import read_on

from agtop_exporter.agents.mimo import AGENT
from agtop_exporter.ledger import Ledger

NOW = 1_790_100_010_000
CONTINUED = "ses_mcontinued0000000000000000"
IMPORTED = "ses_mimported00000000000000000"
OLD = "ses_mold0000000000000000000000"


@pytest.fixture
def agent():
    return AGENT


@pytest.fixture
def path(home):
    return str(home / ".local/share/mimocode/mimocode.db")


@pytest.fixture
def database(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def insert(database, message_id, session, **more):
    tokens = {"input": 11, "output": 7, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    data = {
        "role": "assistant",
        "time": {"created": NOW, "completed": NOW},
        "modelID": "mimo-v2.5-pro",
        "providerID": "mimo",
        "tokens": tokens,
        "finish": "stop",
        **more,
    }
    row = (message_id, session, "main", NOW, NOW, json.dumps(data))
    database.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)", row)
    database.execute("UPDATE session SET time_updated = ? WHERE id = ?", (NOW, session))


def read(ledger, path):
    read_on(ledger, AGENT, path)
    ledger.commit()
    return {session_id: record for (_, session_id), record in ledger.sessions.items()}


@pytest.mark.slow
def test_the_own_messages_of_an_imported_session_count(path):
    found = read(Ledger(), path)
    assert found[CONTINUED].usage.tokens.total == 735
    assert set(found[CONTINUED].models) == {"mimo-v2.5-pro"}


@pytest.mark.slow
def test_a_session_without_own_messages_is_not_shown(path):
    assert read(Ledger(), path).keys().isdisjoint({IMPORTED, OLD})


@pytest.mark.slow
def test_a_session_is_shown_when_it_is_continued(path, database):
    ledger = Ledger()
    read(ledger, path)
    insert(database, "msg_m99", IMPORTED)
    found = read(ledger, path)
    assert found[IMPORTED].usage.tokens.total == 18
    assert found[IMPORTED].facts.title == "Only in another program"


@pytest.mark.slow
def test_a_second_import_of_a_session_counts_nothing(path, database):
    """The import deletes its messages, and writes them again with new ids and more messages."""
    ledger = Ledger()
    before = read(ledger, path)[CONTINUED].usage.tokens.total
    with database:
        database.execute("BEGIN")
        database.execute("DELETE FROM message WHERE id IN ('msg_m11', 'msg_m12')")
        for name in ("msg_n11", "msg_n12", "msg_n13"):
            insert(database, name, CONTINUED)
        database.execute(
            "UPDATE external_import SET message_ids = ? WHERE session_id = ?",
            (json.dumps(["msg_n11", "msg_n12", "msg_n13"]), CONTINUED),
        )
    assert read(ledger, path)[CONTINUED].usage.tokens.total == before


@pytest.mark.slow
def test_an_unusable_list_of_messages_is_reported(path, database):
    where = "WHERE session_id = ?"
    database.execute(f"UPDATE external_import SET message_ids = '{{' {where}", (CONTINUED,))  # noqa: S608 - constants
    ledger = Ledger()
    assert CONTINUED not in read(ledger, path)
    assert any(key[0] == "parse_errors" for key in ledger.totals)
