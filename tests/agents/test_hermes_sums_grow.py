"""The growth of the sums in Hermes' database counts once, and at the time of the growth."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from driving import refresh

from agtop_exporter.agents import hermes
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor

ID = "20261101_100000_aaaaaa"
BEGAN = 1_793_527_200.0
DAY = 86_400.0
SCHEMA = """
CREATE TABLE sessions (id TEXT PRIMARY KEY, model TEXT, billing_provider TEXT, started_at REAL,
    api_call_count INTEGER, input_tokens INTEGER, output_tokens INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id TEXT, role TEXT, timestamp REAL);
INSERT INTO sessions VALUES ('20261101_100000_aaaaaa', 'm', 'p', 1793527200.0, 0, 0, 0);
"""
SUMS = """
CREATE TABLE session_model_usage (session_id TEXT, model TEXT, billing_provider TEXT, task TEXT,
    api_call_count INTEGER, input_tokens INTEGER, output_tokens INTEGER, estimated_cost_usd REAL,
    last_seen REAL, PRIMARY KEY (session_id, model, billing_provider, task));
"""
THREE_IN_ALL = "UPDATE sessions SET api_call_count = 3, input_tokens = 300, output_tokens = 30;"


def execute(path, script):
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        database.commit()


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def path(tmp_path):
    place = tmp_path / ".hermes/state.db"
    place.parent.mkdir()
    execute(place, SCHEMA + SUMS)
    return place


def use(path, requests, *, at=BEGAN, **row):
    """Set the sum of one row: each request has 100 input tokens and 10 output tokens."""
    row = {"model": "m", "provider": "p", "task": "", "cost": 0.0} | row
    names = (ID, row["model"], row["provider"], row["task"])
    values = (*names, requests, 100 * requests, 10 * requests, row["cost"], at)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "REPLACE INTO session_model_usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        database.commit()


def requests(ledger, home):
    """Refresh, and return the number of requests by model that equals the counted tokens."""
    refresh(ledger, home, [hermes.AGENT])
    (session,) = ledger.sessions.values()
    for usage in session.models.values():
        assert (usage.tokens.input, usage.tokens.output) == (
            100 * usage.requests,
            10 * usage.requests,
        )
    return {model: usage.requests for model, usage in session.models.items()}


def test_growth_counts_on_its_own_day(path):
    use(path, 2, at=BEGAN + 60)
    first = hermes.AGENT.read(str(path), Cursor())
    use(path, 5, at=BEGAN + DAY)
    second = hermes.AGENT.read(str(path), first.cursor)
    assert [(event.time, event.requests) for event in (*first.events, *second.events)] == [
        (BEGAN + 60, 2),
        (BEGAN + DAY, 3),
    ]


def test_an_unchanged_sum_adds_nothing(ledger, path, tmp_path):
    use(path, 2)
    assert requests(ledger, tmp_path) == {"m": 2}
    use(path, 1, task="title_generation", model="small")
    assert requests(ledger, tmp_path) == {"m": 2, "small": 1}


@pytest.mark.slow
def test_models_and_providers_have_sums_of_their_own(ledger, path, tmp_path):
    use(path, 2)
    use(path, 3, provider="other")
    use(path, 1, model="n")
    assert requests(ledger, tmp_path) == {"m": 5, "n": 1}
    use(path, 4, provider="other")
    use(path, 3)
    assert requests(ledger, tmp_path) == {"m": 7, "n": 1}


def test_sums_count_once_if_the_reader_state_is_lost(ledger, path, tmp_path):
    use(path, 2)
    use(path, 3, provider="other")
    assert requests(ledger, tmp_path) == {"m": 5}
    use(path, 4)
    for batch in (hermes.AGENT.read(str(path), Cursor()),) * 2:
        ledger.record(batch, price=lambda _event: None, project=lambda _cwd: "")
    (session,) = ledger.sessions.values()
    assert session.usage.requests == 7
    assert session.usage.tokens.input == 700


@pytest.mark.slow
def test_an_older_copy_of_the_database_adds_nothing_twice(ledger, path, tmp_path):
    use(path, 5)
    assert requests(ledger, tmp_path) == {"m": 5}
    use(path, 3)
    assert requests(ledger, tmp_path) == {"m": 5}
    use(path, 7)
    assert requests(ledger, tmp_path) == {"m": 7}


def test_costs_are_those_of_the_growth(path):
    use(path, 2, cost=0.25)
    first = hermes.AGENT.read(str(path), Cursor())
    use(path, 3, cost=0.75)
    second = hermes.AGENT.read(str(path), first.cursor)
    costs = [event.reported_cost for event in (*first.events, *second.events)]
    assert costs == [250_000_000_000, 500_000_000_000]


def test_the_sums_of_a_session_are_not_added_to_those_of_its_models(ledger, path, tmp_path):
    use(path, 2)
    execute(path, THREE_IN_ALL)
    assert requests(ledger, tmp_path) == {"m": 3}


@pytest.mark.slow
def test_an_older_database_is_upgraded(ledger, path, tmp_path):
    execute(path, "DROP TABLE session_model_usage;" + THREE_IN_ALL)
    assert requests(ledger, tmp_path) == {"m": 3}
    execute(path, SUMS)
    use(path, 3)
    assert requests(ledger, tmp_path) == {"m": 3}
    use(path, 4, at=BEGAN + 60)
    assert requests(ledger, tmp_path) == {"m": 4}


def test_a_row_without_a_number_of_requests_is_one_request(ledger, path, tmp_path):
    use(path, 1)
    execute(path, "UPDATE session_model_usage SET api_call_count = 0")
    assert requests(ledger, tmp_path) == {"m": 1}


@pytest.mark.slow
def test_the_state_stays_small(path, monkeypatch):
    monkeypatch.setattr(hermes.database, "SUMS_MAX", 3)
    for number in range(9):
        use(path, 1, model=f"m{number}")
    state = msgspec.msgpack.decode(hermes.AGENT.read(str(path), Cursor()).cursor.state)
    assert len(state["sums"]) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("", {"m": 1, "other": 2}),
        # The sums were copied before the update failed.
        (
            "INSERT INTO session_model_usage SELECT * FROM session_model_usage_v21;",
            {"m": 1, "other": 2},
        ),
        # The session goes on, and its sums in the new table begin at 0.
        (
            (
                "UPDATE sessions SET api_call_count = 4, input_tokens = 400, output_tokens = 40;"
                "INSERT INTO session_model_usage VALUES"
                " ('20261101_100000_aaaaaa', 'm', 'p', '', 1, 100, 10, 0, 1793527290.0);"
            ),
            {"m": 2, "other": 2},
        ),
        ("DELETE FROM sessions;", {"m": 1, "other": 2}),  # by `hermes sessions prune`
    ],
)
def test_sums_that_a_failed_update_left_behind_are_read(ledger, tmp_path, path, change, expected):
    """cclank/tokei 36: the update to schema 22 can leave `session_model_usage_v21`."""
    use(path, 1)
    use(path, 2, model="other")
    rename = """
        ALTER TABLE session_model_usage RENAME TO session_model_usage_v21;
        UPDATE session_model_usage_v21 SET task = NULL;
    """
    execute(path, THREE_IN_ALL + rename + SUMS + change)
    assert requests(ledger, tmp_path) == expected
    assert requests(ledger, tmp_path) == expected


def test_texts_of_hermes_are_no_prompts(ledger, path, tmp_path):
    added = "content TEXT", "display_kind TEXT", "_compressed_summary INTEGER NOT NULL DEFAULT 0"
    execute(path, "".join(f"ALTER TABLE messages ADD COLUMN {column};" for column in added))
    rows = (("Notice", "hidden", 0), ("Summary", None, 1), ("Oil it", None, 0), ("/x", "skill", 0))
    with closing(sqlite3.connect(path)) as database:
        for number, row in enumerate(rows, 1):
            values = (number, ID, "user", BEGAN + number, *row)
            database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        database.commit()
    refresh(ledger, tmp_path, [hermes.AGENT])
    (session,) = ledger.sessions.values()
    assert (session.turns, session.facts.title) == (2, "Oil it")
