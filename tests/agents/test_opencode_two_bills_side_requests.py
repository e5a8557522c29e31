"""OpenCode 2: compactions, titles and repeated attempts are billed requests and count once."""

import json
import sqlite3
from contextlib import closing

import pytest
from driving import read_on

from agtop_exporter.agents.opencode import AGENT
from agtop_exporter.ledger import Ledger

BEGIN = 1_789_376_400_000
SESSION, FORK = "ses_own", "ses_fork"
TABLES = """
CREATE TABLE session_v2 (id TEXT PRIMARY KEY, parent_id TEXT, directory TEXT, title TEXT,
  model TEXT, time_created INTEGER, time_updated INTEGER);
CREATE TABLE session_message (id TEXT PRIMARY KEY, session_id TEXT, type TEXT, seq INTEGER,
  time_created INTEGER, time_updated INTEGER, data TEXT);
CREATE TABLE event (id TEXT PRIMARY KEY, aggregate_id TEXT, seq INTEGER, type TEXT, data TEXT);
"""
MODEL = {"id": "gpt-5.5", "providerID": "openai"}


def tokens(given, taken):
    return {"input": given, "output": taken, "reasoning": 0, "cache": {"read": 0, "write": 0}}


class Database:
    """A database of OpenCode 2 to which a test writes."""

    def __init__(self, path):
        self.path = str(path)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(TABLES)
        self.session(SESSION, BEGIN)

    def session(self, session_id, created):
        """Add a session."""
        row = (session_id, None, "/home/ada/shop", "Shop", json.dumps(MODEL), created, created)
        self.connection.execute("INSERT INTO session_v2 VALUES (?,?,?,?,?,?,?)", row)

    def message(self, seq, kind, *, session=SESSION, model="gpt-5.5", own_model=None, **data):
        """Add a record at a position in a session, or change it."""
        time = {"created": BEGIN + seq, "completed": BEGIN + seq}
        if kind == "assistant":
            data |= {"model": MODEL | {"id": model}, "content": [], "finish": "stop"}
        if own_model is not None:
            data |= {"model": own_model}
        row = (f"{session}_{seq}", session, kind, seq, BEGIN + seq, BEGIN + seq)
        values = (*row, json.dumps({"time": time, **data}))
        self.connection.execute(
            "INSERT OR REPLACE INTO session_message VALUES (?,?,?,?,?,?,?)", values
        )

    def log(self, seq, kind, **data):
        """Add an entry to the log of the session."""
        values = (f"evt_{seq}", SESSION, seq, kind, json.dumps({"sessionID": SESSION, **data}))
        self.connection.execute("INSERT INTO event VALUES (?,?,?,?,?)", values)

    def used(self, ledger, session=SESSION):
        """Read new rows; return the requests, input tokens and compactions of a session."""
        read_on(ledger, AGENT, self.path)
        record = ledger.sessions["opencode", session]
        return record.usage.requests, record.usage.tokens.input, record.compactions


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "opencode-next.db")
    with closing(database.connection):
        database.message(1, "assistant", tokens=tokens(1000, 30))
        yield database


@pytest.mark.slow
def test_a_compaction_is_seen_at_each_of_its_stages(database):
    """The log has its usage before the message has it."""
    ledger = Ledger()
    database.message(3, "compaction", status="running", summary="")
    assert database.used(ledger) == (1, 1000, 0)
    assert ledger.sessions["opencode", SESSION].facts.signal.kind == "running"
    usage = tokens(18_200, 263)
    database.log(4, "session.usage.recorded.1", source="compaction", cost=0.091, tokens=usage)
    assert database.used(ledger) == (2, 19_200, 0)
    database.message(3, "compaction", status="completed", summary="short", cost=0.091, tokens=usage)
    assert database.used(ledger) == (2, 19_200, 1)
    whole = Ledger()
    assert database.used(whole) == (2, 19_200, 1)


def test_a_failed_compaction_was_billed(database):
    database.message(3, "compaction", status="failed", tokens=tokens(500, 2))
    assert database.used(Ledger()) == (2, 1500, 0)


def test_a_fork_copies_a_compaction(database):
    usage = tokens(18_200, 263)
    database.message(3, "compaction", status="completed", summary="short", tokens=usage)
    database.session(FORK, BEGIN + 100)
    for seq, kind, data in ((1, "assistant", {"tokens": tokens(1000, 30)}), (3, "compaction", {})):
        more = data or {"status": "completed", "summary": "short", "tokens": usage}
        database.message(seq, kind, session=FORK, **more)
    ledger = Ledger()
    assert database.used(ledger, FORK) == (0, 0, 0)
    assert database.used(ledger) == (2, 19_200, 1)


def test_a_compaction_names_its_own_model(database):
    """The model of the summary can differ from the model of the session."""
    usage, small = tokens(18_200, 263), MODEL | {"id": "gpt-5.5-mini"}
    database.log(4, "session.usage.recorded.1", source="compaction", cost=0.091, tokens=usage)
    database.message(3, "compaction", status="completed", tokens=usage, own_model=small)
    ledger = Ledger()
    assert database.used(ledger) == (2, 19_200, 1)
    models = ledger.sessions["opencode", SESSION].models
    assert {name: each.tokens.input for name, each in models.items()} == {
        "gpt-5.5": 1000,
        "gpt-5.5-mini": 18_200,
    }


def test_a_compaction_has_the_model_of_its_time(database):
    """The session may have another model now."""
    database.message(3, "compaction", status="completed", tokens=tokens(500, 2))
    database.message(5, "assistant", model="gpt-6", tokens=tokens(10, 2))
    database.connection.execute("UPDATE session_v2 SET model = ?", (json.dumps({"id": "gpt-6"}),))
    ledger = Ledger()
    database.used(ledger)
    usage = ledger.sessions["opencode", SESSION].models
    assert {model: each.tokens.input for model, each in usage.items()} == {
        "gpt-5.5": 1500,
        "gpt-6": 10,
    }


def test_a_title_is_only_in_the_log(database):
    ledger = Ledger()
    database.used(ledger)
    database.log(2, "session.usage.recorded.1", source="title", cost=0, tokens=tokens(300, 9))
    assert database.used(ledger) == (2, 1300, 0)
    assert database.used(Ledger()) == (2, 1300, 0)


@pytest.mark.slow
@pytest.mark.parametrize("looks", [1, 3])
def test_each_attempt_of_a_step_was_billed(database, looks):
    """A message contains the figures of the last attempt only."""
    ledger = Ledger()
    name = {"assistantMessageID": f"{SESSION}_5"}
    database.message(5, "assistant", tokens=tokens(70, 1))
    database.log(6, "session.step.failed.1", tokens=tokens(70, 1), cost=0, **name)
    if looks > 1:
        database.used(ledger)
    database.log(7, "session.step.ended.1", tokens=tokens(80, 2), cost=0, **name)
    database.message(5, "assistant", tokens=tokens(80, 2))
    database.log(
        2, "session.step.ended.1", tokens=tokens(1000, 30), assistantMessageID=f"{SESSION}_1"
    )
    assert database.used(ledger) == (3, 1150, 0)


def test_a_log_without_a_session_waits(database):
    ledger = Ledger()
    database.connection.execute("DELETE FROM session_v2")
    database.log(2, "session.usage.recorded.1", source="title", cost=0, tokens=tokens(300, 9))
    read_on(ledger, AGENT, database.path)
    database.session(SESSION, BEGIN)
    assert database.used(ledger) == (2, 1300, 0)


V1_TABLES = """
CREATE TABLE session (id TEXT PRIMARY KEY, parent_id TEXT, directory TEXT, title TEXT,
  version TEXT, time_created INTEGER, time_updated INTEGER);
CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, data TEXT);
CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT, session_id TEXT, time_created INTEGER,
  data TEXT);
"""


@pytest.mark.slow
def test_a_migrated_session_counts_once(database):
    """OpenCode 2 copies messages of version 1 with their ids and without their steps."""
    execute = database.connection.execute
    database.connection.executescript(V1_TABLES)
    execute("INSERT INTO session VALUES (?, NULL, '/a', 'Old', '1.1.34', ?, ?)", (SESSION, 1, 2))
    own = {"time": {"created": BEGIN + 3}, "modelID": "gpt-5.5", "providerID": "openai"}
    own |= {"role": "assistant", "finish": "stop", "tokens": tokens(40, 4), "cost": 0.3}
    message = (f"{SESSION}_3", SESSION, BEGIN + 3)
    execute("INSERT INTO message VALUES (?, ?, ?, ?)", (*message, json.dumps(own)))
    call = {"status": "completed", "input": {}, "time": {"start": BEGIN + 3, "end": BEGIN + 4}}
    for number, part in enumerate(
        (
            {"type": "step-finish", "tokens": tokens(70, 7), "cost": 0.2},
            {"type": "tool", "tool": "bash", "callID": "call_1", "state": call},
            {"type": "step-finish", "tokens": tokens(40, 4), "cost": 0.1},
        )
    ):
        row = (f"prt_{number}", f"{SESSION}_3", SESSION, BEGIN + 3, json.dumps(part))
        execute("INSERT INTO part VALUES (?, ?, ?, ?, ?)", row)
    content = [{"type": "tool", "id": "call_1", "name": "bash", "state": {"status": "completed"}}]
    database.message(3, "assistant", tokens=tokens(40, 4), cost=0.3)
    execute(
        "UPDATE session_message SET data = json_set(data, '$.content', json(?)) WHERE seq = 3",
        (json.dumps(content),),
    )
    ledger = Ledger()
    assert database.used(ledger) == (3, 1110, 0)
    assert ledger.sessions["opencode", SESSION].tools == {"bash": 1}


def test_reasoning_is_outside_of_output_in_version_two(database):
    """This does not depend on the version that created the session."""
    database.connection.execute("ALTER TABLE session_v2 ADD COLUMN version TEXT DEFAULT '1.1.34'")
    database.message(3, "assistant", tokens=tokens(40, 4) | {"reasoning": 3})
    ledger = Ledger()
    database.used(ledger)
    assert ledger.sessions["opencode", SESSION].usage.tokens.output == 37
