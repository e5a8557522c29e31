"""OpenCode: changed, deleted and unexpected rows of its database are counted once."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from any_json import anything
from driving import read_on, refresh, sessions, totals, used
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents.opencode import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading.connection import DatabaseBusyError

NOW = 1_780_000_100_000
SHARE = (".local", "share", "opencode")
MAIN = "ses_main0000000000000000000000"


@pytest.fixture
def agent():
    return AGENT


@pytest.fixture
def path(home):
    return str(home.joinpath(*SHARE, "opencode.db"))


@pytest.fixture
def database(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


def answer(**more):
    tokens = {"input": 11, "output": 7, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    return {
        "role": "assistant",
        "time": {"created": NOW},
        "modelID": "gpt-5.1",
        "providerID": "openai",
        "tokens": {**tokens, **more.pop("tokens", {})},
        **more,
    }


def insert(database, message_id, data, session=MAIN, table="message"):
    database.execute(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (message_id, session, NOW, NOW, data if isinstance(data, str) else json.dumps(data)),
    )


def record(ledger, session=MAIN):
    return ledger.sessions["opencode", session]


def output(ledger):
    return record(ledger).models["gpt-5.1"].tokens.output


@pytest.mark.slow
def test_o36_a_placeholder_becomes_an_answer(path, database):
    """The newest message has no end while it is generated. Its figures are updated in place."""
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    before = output(ledger)
    insert(database, "msg_z1", answer(tokens={"input": 0, "output": 0}))
    read_on(ledger, AGENT, path)
    assert record(ledger).facts.signal.kind == "running"
    assert output(ledger) == before
    for message in (  # as OpenCode writes it: figures first, its end in another update
        answer(tokens={"reasoning": 3, "total": 21}, finish="stop", cost=0.5),
        answer(
            tokens={"reasoning": 3, "total": 21},
            finish="stop",
            cost=0.5,
            time={"created": NOW, "completed": NOW + 50},
        ),
    ):
        database.execute("UPDATE message SET data = ? WHERE id = 'msg_z1'", (json.dumps(message),))
        read_on(ledger, AGENT, path)
        assert output(ledger) == before + 10
    assert record(ledger).facts.signal.kind == "idle"


@pytest.mark.slow
def test_a_tool_that_ends_is_one_call(path, database):
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    for status in ("pending", "running", "completed"):
        times = {} if status == "pending" else {"time": {"start": NOW}}
        data = {"type": "tool", "tool": "edit", "callID": "c9", "state": {"status": status} | times}
        database.execute(
            "INSERT INTO part VALUES ('prt_z', 'msg_a2', ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (MAIN, NOW, NOW, json.dumps(data)),
        )
        read_on(ledger, AGENT, path)
    assert record(ledger).tools["edit"] == 1


@pytest.mark.slow
def test_revert_takes_nothing_back(path, database):
    """Deleted messages were billed, and new messages reuse their rowids."""
    ledger = Ledger()
    insert(database, "msg_z1", answer(finish="stop"))
    read_on(ledger, AGENT, path)
    before = output(ledger)
    database.execute("DELETE FROM message WHERE id = 'msg_z1'")
    read_on(ledger, AGENT, path)
    assert output(ledger) == before
    insert(database, "msg_z2", answer(finish="stop", tokens={"output": 9}))
    read_on(ledger, AGENT, path)
    assert output(ledger) == before + 9


@pytest.mark.slow
def test_equal_figures_are_two_answers(path, database):
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    before = output(ledger)
    insert(database, "msg_z1", answer(finish="stop"))
    insert(database, "msg_z2", answer(finish="stop", time={"created": NOW + 1}))
    read_on(ledger, AGENT, path)
    assert output(ledger) == before + 14


@pytest.mark.slow
def test_an_imported_session_is_seen(path, database):
    """Its dates are older than those of all known rows."""
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    database.execute(
        "INSERT INTO session VALUES "
        "('ses_i', 'p', NULL, 's', '/home/ada/src/old', 'Old', '1.18.33', 0, '', '', 1, 2, NULL)"
    )
    insert(database, "msg_i", answer(finish="stop", time={"created": 1_700_000_000_000}), "ses_i")
    read_on(ledger, AGENT, path)
    assert record(ledger, "ses_i").facts.cwd == "/home/ada/src/old"
    assert record(ledger, "ses_i").models["gpt-5.1"].requests == 1


@pytest.mark.slow
def test_a_session_that_is_broken_is_one_error(path, database):
    """Its row is not read again for each of its messages."""
    database.execute("UPDATE session SET title = x'ff00' WHERE id = ?", (MAIN,))
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert ledger.totals["parse_errors", "opencode", "schema"] == 1
    assert record(ledger).models["gpt-5.1"].requests


@pytest.mark.slow
def test_a_compaction_is_no_prompt(path, database):
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    turns = record(ledger).turns
    insert(database, "msg_z1", {"role": "user", "time": {"created": NOW}})
    read_on(ledger, AGENT, path)
    assert record(ledger).turns == turns  # its parts are still to come
    database.execute(
        "INSERT INTO part VALUES ('prt_z', 'msg_z1', ?, ?, ?, ?)",
        (MAIN, NOW, NOW, '{"type":"compaction","auto":true}'),
    )
    insert(database, "msg_z2", answer(finish="stop", summary=True))
    read_on(ledger, AGENT, path)
    assert record(ledger).turns == turns
    assert record(ledger).compactions == 2


def test_o29_o36_missing_columns(tmp_path):
    """A version without titles, versions and parts can still be read."""
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(
            "CREATE TABLE session (id TEXT, parent_id TEXT, directory TEXT, time_created INTEGER)"
        )
        database.execute("CREATE TABLE message (id TEXT, session_id TEXT, data TEXT)")
        database.execute(
            "INSERT INTO session VALUES ('ses_p', NULL, '/a', 1), ('ses_c', 'ses_p', '/x', 2)"
        )
        figures = json.dumps(answer(finish="tool-calls"))
        database.execute("INSERT INTO message VALUES ('m', 'ses_c', ?)", (figures,))
        database.execute("INSERT INTO message VALUES ('u', 'ses_p', ?)", ('{"role":"user"}',))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    child = record(ledger, "ses_c")
    assert child.facts.parent_session_id == "ses_p"
    assert (child.facts.cwd, child.facts.model) == ("/x", "gpt-5.1")
    assert (child.facts.signal.kind, child.facts.signal.detail) == ("running", "finish=tool-calls")
    assert child.models["gpt-5.1"].tokens.output == 7
    assert record(ledger, "ses_p").turns == 1
    assert not [series for series in ledger.totals if series[0] == "parse_errors"]


@pytest.mark.slow
def test_a_lock_costs_nothing(path, database):
    database.execute("PRAGMA journal_mode = DELETE")
    ledger = Ledger()
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseBusyError):
        read_on(ledger, AGENT, path)
    database.execute("ROLLBACK")
    read_on(ledger, AGENT, path)
    assert output(ledger) > 0


@pytest.mark.long
def test_messages_of_no_session_still_count(tmp_path):
    """If OpenCode renames its table of sessions again, most messages still count at once."""
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE message (id TEXT, session_id TEXT, data TEXT)")
        for number in range(200):
            data = json.dumps(answer(finish="stop", time={"created": NOW + number}))
            database.execute("INSERT INTO message VALUES (?, ?, ?)", (f"m{number}", MAIN, data))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert record(ledger).models["gpt-5.1"].requests >= 136


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "figures", "total"),
    [
        ("1.18.33", {"output": 30, "reasoning": 8, "total": 49}, 38),
        ("1.18.33", {"output": 30, "reasoning": 8, "total": 41}, 30),
        ("1.18.33", {"output": 30, "reasoning": 8}, 38),
        ("1.1.34", {"output": 30, "reasoning": 8}, 30),
        ("1.1.34", {"output": 30, "reasoning": 8, "total": 49}, 38),
        ("1.1.34", {"output": 3, "reasoning": 8}, 11),
    ],
)
def test_reasoning_inside_or_outside(path, database, version, figures, total):
    database.execute("UPDATE session SET version = ? WHERE id = ?", (version, MAIN))
    insert(database, "msg_z1", answer(finish="stop", modelID="thinker", tokens=figures))
    ledger = Ledger()
    read_on(ledger, AGENT, path)
    assert record(ledger).models["thinker"].tokens.output == total


@pytest.mark.slow
def test_a_message_file_that_is_rewritten(home):
    """OpenCode 1.1 rewrites a message in place, so the time of its folder does not change."""
    storage = home.joinpath(*SHARE, "storage")
    session = "ses_json0000000000000000000000"
    file = storage / "message" / session / "msg_11.json"
    finished = file.read_text()
    message = json.loads(finished)
    del message["finish"], message["time"]["completed"]
    message["tokens"] = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    file.write_text(json.dumps(message))
    ledger = Ledger()
    refresh(ledger, home, [AGENT])
    assert record(ledger, session).models["gpt-5.1"].requests == 1
    assert record(ledger, session).facts.signal.kind == "running"
    file.write_text(finished)
    refresh(ledger, home, [AGENT])
    assert record(ledger, session).models["gpt-5.1"].requests == 2
    assert record(ledger, session).facts.signal.kind == "idle"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["\0", "..", "../p1", "x" * 300, ""])
def test_an_id_that_is_no_name_costs_nothing(home, name):
    file = home.joinpath(*SHARE, "storage", "session", "p1", "ses_json0000000000000000000000.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "id": name}))
    message = file.parents[2] / "message" / file.stem / "msg_3.json"
    message.write_text(json.dumps({**json.loads(message.read_text()), "id": name}))
    events = AGENT.read(str(file), Cursor()).events
    assert sum(event.requests for event in events) == 2
    assert sum(len(event.tools) for event in events) == 1


@pytest.mark.slow
def test_o36_migrated_and_forked_count_once(home):
    """The same session is in the database and in files, in any reading order."""
    both, late = Ledger(), Ledger()
    refresh(both, home, [AGENT])
    storage = home.joinpath(*SHARE, "storage")
    shutil.move(storage, home / "aside")
    refresh(late, home, [AGENT])
    shutil.move(home / "aside", storage)
    refresh(late, home, [AGENT])
    assert used(both) == used(late)
    assert sessions(both) == sessions(late)


def test_roots(tmp_path):
    share = tmp_path.joinpath(*SHARE)
    assert share in AGENT.roots(tmp_path, {})
    assert tmp_path / "Library" / "Application Support" / "opencode" in AGENT.roots(tmp_path, {})
    xdg = AGENT.roots(tmp_path, {"XDG_DATA_HOME": "/data"})
    assert xdg[0].as_posix() == "/data/opencode"
    assert AGENT.roots(tmp_path, {"OPENCODE_DATA_DIR": "/a,/b"})[1].as_posix() == "/b"
    other = tmp_path / "other.db"
    other.touch()
    roots = AGENT.roots(tmp_path, {"OPENCODE_DB": str(other)})
    assert [entry.path for root in roots for entry in AGENT.files(root)] == [str(other)]


# --- whatever a row holds -------------------------------------------------------------------

COLUMNS = {
    "session": (
        "parent_id",
        "directory",
        "title",
        "version",
        "model",
        "time_created",
        "time_updated",
    ),
    "message": ("session_id", "time_created", "data"),
    "part": ("message_id", "session_id", "time_created", "data"),
}


def copy_of(home, tmp_path):
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(home, copy)


def fields(value, place=()):
    for key, inner in value.items():
        yield (*place, key)
        if isinstance(inner, dict):
            yield from fields(inner, (*place, key))


@pytest.mark.long
@given(data=st.data())
def test_any_field_may_hold_anything(home, tmp_path, data):
    """Unusable values are counted, and every other record counts as before."""
    home = copy_of(home, tmp_path)
    path = home.joinpath(*SHARE, "opencode.db")
    table = data.draw(st.sampled_from(["message", "part"]))
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(f"SELECT id, data FROM {table} ORDER BY id").fetchall()  # noqa: S608 - a constant
        row_id, text = data.draw(st.sampled_from(rows))
        record = json.loads(text)
        place = data.draw(st.sampled_from(list(fields(record))))
        inner = record
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = data.draw(anything)
        database.execute(
            f"UPDATE {table} SET data = ? WHERE id = ?",  # noqa: S608 - a constant
            (json.dumps(record), row_id),
        )
        database.commit()
    ledger = Ledger(home / "state")
    refresh(ledger, home, [AGENT])
    assert ledger.warning == ""
    assert all(value >= 0 for value in totals(ledger).values())
    if not row_id.startswith("msg_ca"):
        assert ledger.totals["requests", "opencode", "claude-haiku-4-5"] == 1
    ledger.close()


@pytest.mark.long
@given(data=st.data())
def test_any_column_may_hold_anything(home, tmp_path, data):
    home = copy_of(home, tmp_path)
    path = home.joinpath(*SHARE, "opencode.db")
    table = data.draw(st.sampled_from(sorted(COLUMNS)))
    column = data.draw(st.sampled_from(COLUMNS[table]))
    value = data.draw(
        st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.binary(max_size=20)
        | st.sampled_from(["", "\0", "{", "[" * 5000, '"\\ud800"', "null", "{}", "[]"])
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE loose AS SELECT * FROM {table}")  # noqa: S608 - a constant
        database.execute(f"DROP TABLE {table}")
        database.execute(f"ALTER TABLE loose RENAME TO {table}")
        rows = [row[0] for row in database.execute(f"SELECT id FROM {table} ORDER BY id")]  # noqa: S608 - a constant
        row_id = data.draw(st.sampled_from(rows))
        database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row_id))  # noqa: S608 - constants
        database.commit()
    ledger = Ledger(home / "state")
    refresh(ledger, home, [AGENT])
    assert ledger.warning == ""
    assert all(value >= 0 for value in totals(ledger).values())
    ledger.close()


@pytest.mark.slow
@given(start=st.floats(0, 1), damage=st.binary(min_size=1, max_size=600))
def test_any_bytes_may_be_damaged(home, tmp_path, start, damage):
    """The readable rows of a damaged database count, and counted usage stays."""
    home = copy_of(home, tmp_path)
    ledger = Ledger()
    refresh(ledger, home, [AGENT])
    before = used(ledger)
    path = home.joinpath(*SHARE, "opencode.db")
    data = bytearray(path.read_bytes())
    at = int(start * (len(data) - len(damage)))
    data[at : at + len(damage)] = damage
    path.unlink()
    path.write_bytes(data)
    fresh = Ledger()
    for each in (ledger, fresh):
        try:
            read_on(each, AGENT, str(path))
        except OSError:
            continue
    assert all(used(ledger)[series] >= value for series, value in before.items())
    assert all(value >= 0 for value in totals(fresh).values())
