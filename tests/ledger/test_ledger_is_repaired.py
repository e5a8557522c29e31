"""Damage to any page or row of the ledger loses no token and counts none twice.

The transcripts still exist, and are read again if necessary.
"""

import random
import sqlite3
from contextlib import closing

import pytest
from driving import price, project
from events import batch, response
from thoroughness import EVERY_NTH_PAGE

from agtop_exporter.ledger import Ledger, file
from agtop_exporter.ledger.history import History
from agtop_exporter.model import SessionUpdate

FILES = 40
RESPONSES = 25
PAGE_BYTES = 4096
UNUSED_PAGES = 6  # at most: what they hold does not matter
TABLES = (
    "cursors",
    "events",
    "hourly",
    "metadata",
    "session_models",
    "session_tools",
    "sessions",
    "totals",
)


def transcript(number):
    """Return the batch of a file that is read from its start."""
    events = [
        response(
            f"{number}-{index}",
            f"s{number}",
            output=index,
            turns=index % 2,
            model=f"model-{number % 3}",
            tools=((f"call-{number}-{index}", "Bash"),),
        )
        for index in range(RESPONSES)
    ]
    cwd = f"/src/engine-{number % 4}"
    update = SessionUpdate(session_id=f"s{number}", cwd=cwd, title="x" * 60, title_rank=3)
    return batch(*events, path=f"/t/{number}.jsonl", offset=1000, sessions=(update,))


def scan(ledger, *more):
    """Read new records as a refresh does."""
    for number in range(FILES):
        known = transcript(number)
        if ledger.cursor("claude", known.path) != known.cursor:
            ledger.record(known, price=price, project=project)
    for extra in more:
        ledger.record(extra, price=price, project=project)
    for agent, path in ledger.files_to_restore:
        assert agent == "claude"
        number = int(path.removeprefix("/t/").removesuffix(".jsonl"))
        assert ledger.restore(transcript(number), price=price)
    ledger.end_restoring(["claude"])
    ledger.commit()


def counted(ledger):
    """Return all totals, and the totals of each session."""
    totals = {s: v for s, v in ledger.totals.items() if not s[0].startswith("scan_")}
    sessions = {
        key: (r.models, r.tools, r.turns, r.project, r.facts.title)
        for key, r in ledger.sessions.items()
    }
    return totals, sessions


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Return the bytes of a closed ledger, and its totals."""
    directory = tmp_path_factory.mktemp("intact")
    ledger = Ledger(directory)
    scan(ledger)
    ledger.remember("process_usage", b"\x00" * 9000)  # longer than a page
    ledger.commit()
    figures = counted(ledger)
    ledger.close()
    return (directory / "ledger.db").read_bytes(), figures


def assert_same(ledger, figures):
    """Compare all totals, and show the differences."""
    for found, expected in zip(counted(ledger), figures, strict=True):
        assert {k: v for k, v in found.items() if expected.get(k) != v} == {}
        assert expected.keys() - found.keys() == set()


def assert_recovers(directory, figures):
    """Start on a damaged file, scan and restart; return whether it was repaired."""
    ledger = Ledger(directory)
    repaired = bool(ledger.take_repairs())
    scan(ledger)
    assert_same(ledger, figures)
    assert ledger.durable
    assert ledger.warning == ""
    ledger.close()
    ledger = Ledger(directory)
    assert ledger.take_repairs() == []
    assert_same(ledger, figures)
    growing = transcript(0)
    more = response("new", "s0", model="model-0", output=7)
    later = batch(*growing.events, more, path="/t/0.jsonl", offset=1010, sessions=growing.sessions)
    fork = batch(*transcript(1).events, path="/t/fork.jsonl", sessions=transcript(1).sessions)
    scan(ledger, later, fork)
    before, after = figures[0], counted(ledger)[0]
    assert after["requests", "claude", "model-0"] == before["requests", "claude", "model-0"] + 1
    assert after["requests", "claude", "model-1"] == before["requests", "claude", "model-1"]
    ledger.close()
    return repaired


@pytest.mark.long
def test_noise_in_any_page(intact, tmp_path):
    data, figures = intact
    randomness = random.Random(11)
    pages = len(data) // PAGE_BYTES
    assert pages >= 30
    repaired = 0
    tried = range(0, pages, EVERY_NTH_PAGE)
    for page in tried:
        noises = {"noise": randomness.randbytes(PAGE_BYTES), "zeros": bytes(PAGE_BYTES)}
        for name, noise in noises.items():
            directory = tmp_path / f"{page}-{name}"
            directory.mkdir()
            damaged = data[: page * PAGE_BYTES] + noise + data[(page + 1) * PAGE_BYTES :]
            (directory / "ledger.db").write_bytes(damaged)
            repaired += assert_recovers(directory, figures)
    assert repaired >= 2 * (len(tried) - UNUSED_PAGES)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_pages_are_lost(intact, tmp_path, seed):
    """Several tables lose rows at once, as after a power failure. A program may end early."""
    data, figures = intact
    randomness = random.Random(seed)
    pages = len(data) // PAGE_BYTES
    start = randomness.randrange(pages)
    run = range(start, min(pages, start + randomness.randrange(2, 20)))
    scattered = randomness.sample(range(pages), randomness.randrange(2, 15))
    cases = {"run": run, "scattered": scattered, "end": range(start, pages)}
    for name, lost in cases.items():
        damaged = bytearray(data)
        for page in lost:
            damaged[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = bytes(PAGE_BYTES)
        directory = tmp_path / name
        directory.mkdir()
        if name == "end":
            damaged = damaged[: start * PAGE_BYTES + 100]
        (directory / "ledger.db").write_bytes(damaged)
        Ledger(directory).close()  # repairs the file, and is killed before its first commit
        ledger = Ledger(directory)
        scan(ledger)
        assert_same(ledger, figures)
        ledger.close()
        assert_recovers(directory, figures)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lost",
    [
        ("events", "sessions"),
        ("events", "cursors"),
        ("old_keys", "cursors"),
        ("events", "session_models"),
        ("sessions", "session_models", "hourly"),
        ("sessions", "totals"),
    ],
)
def test_tables_that_complete_each_other_are_missing(intact, tmp_path, lost):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        for table in lost:
            database.execute(f"DROP TABLE {table}")
    assert assert_recovers(tmp_path, intact[1])


@pytest.mark.slow
def test_totals_stay_if_the_transcripts_of_lost_rows_are_deleted(intact, tmp_path):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("DROP TABLE events")
        database.execute("DROP TABLE cursors")
    ledger = Ledger(tmp_path)
    assert "deleted transcripts is in the counters only" in ledger.take_repairs()[0]
    ledger.record(transcript(3), price=price, project=project)
    ledger.end_restoring(["claude"])
    assert counted(ledger)[0] == intact[1][0]
    more = batch(response("new", "s3", model="model-0", output=7), path="/t/3.jsonl", offset=2000)
    ledger.record(more, price=price, project=project)
    ledger.commit()
    output = ("tokens", "claude", "model-0", "output")
    assert counted(ledger)[0][output] == intact[1][0][output] + 7
    ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_missing(intact, tmp_path, table):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute(f"DROP TABLE {table}")
    assert assert_recovers(tmp_path, intact[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE totals SET value = 'text' WHERE name = 'requests'",
        "UPDATE totals SET value = -5 WHERE name = 'requests'",
        "UPDATE totals SET labels = 'no JSON' WHERE labels LIKE '%0\",\"input%'",
        "UPDATE sessions SET title = x'ff00' WHERE id = 3",
        "UPDATE session_models SET output = 'many'",
        "UPDATE cursors SET offset = 'text'",
        "UPDATE metadata SET value = 5",
        "UPDATE sessions SET turns = NULL",
    ],
)
def test_a_value_that_no_version_wrote(intact, tmp_path, statement):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'"
        )
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute(statement)
    assert assert_recovers(tmp_path, intact[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM sessions WHERE id = 5",
        "DELETE FROM sessions WHERE id >= 30",
        "DELETE FROM sessions",
        "DELETE FROM session_models WHERE session = 5",
        "DELETE FROM session_models",
        "DELETE FROM totals WHERE name = 'tokens'",
        "DELETE FROM totals",
        "DELETE FROM cursors",
    ],
)
def test_rows_are_missing(intact, tmp_path, statement):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute(statement)
    ledger = Ledger(tmp_path)
    scan(ledger)
    assert_same(ledger, intact[1])
    ledger.close()
    ledger = Ledger(tmp_path)
    assert_same(ledger, intact[1])
    ledger.close()


@pytest.mark.slow
def test_damage_while_it_runs(intact, tmp_path):
    """A page is overwritten while the ledger is open, and the damage is found by a read."""
    data, figures = intact
    path = tmp_path / "ledger.db"
    path.write_bytes(data)
    randomness = random.Random(12)
    ledger = Ledger(tmp_path)
    for page in range(1, len(data) // PAGE_BYTES):
        with path.open("r+b") as file:
            file.seek(page * PAGE_BYTES)
            file.write(randomness.randbytes(PAGE_BYTES))
    ledger._state.store.file.database.execute("PRAGMA shrink_memory")  # noqa: SLF001 - no cache
    again = [batch(*transcript(n).events, path=f"/t/fork-{n}.jsonl") for n in range(5, 9)]
    scan(ledger, *again)
    assert "was damaged" in ledger.take_repairs()[0]
    assert (
        counted(ledger)[0]["requests", "claude", "model-0"]
        >= figures[0]["requests", "claude", "model-0"]
    )
    ledger.close()
    ledger = Ledger(tmp_path)
    scan(ledger)
    assert ledger.warning == ""
    ledger.close()


def write_without_root(path, data, table):
    """Write a ledger in which the root page of a table is overwritten with zeros."""
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as database:
        ((page,),) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
    with path.open("r+b") as damaged:
        damaged.seek((page - 1) * PAGE_BYTES)
        damaged.write(bytes(PAGE_BYTES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "read"),
    [
        ("hourly", History.usage_between),
        ("sessions", History.usage_between),
        ("totals", lambda history: history.is_new),
        ("rate_limits", lambda history: history.rate_limits),
    ],
)
def test_reports_use_the_intact_rows_and_write_nothing(intact, tmp_path, table, read):
    path = tmp_path / "ledger.db"
    write_without_root(path, intact[0], table)
    damaged = path.read_bytes()
    history = History(tmp_path)
    read(history)
    assert "is damaged" in history.warning
    usage = history.usage_between()
    history.close()
    assert sum(hour.usage.requests for hour in usage) in {0, FILES * RESPONSES}
    assert bool(usage) == (table != "hourly")
    assert path.read_bytes() == damaged


@pytest.fixture
def large(intact, tmp_path, monkeypatch):
    """Return a directory whose file counts as large, and has a damaged page of `events`."""
    monkeypatch.setattr(file, "LARGE_BYTES", 0)
    write_without_root(tmp_path / "ledger.db", intact[0], "events")
    return tmp_path


@pytest.mark.slow
def test_a_large_file_that_was_closed_properly_is_not_read_at_the_start(large, intact):
    """The damage is found and repaired when the next response is counted."""
    ledger = Ledger(large)
    assert ledger.take_repairs() == []
    new = batch(response("new", "s0", model="model-0", input=0, output=7), path="/t/new.jsonl")
    scan(ledger, new)
    assert "was damaged" in ledger.take_repairs()[0]
    scan(ledger)
    output = ("tokens", "claude", "model-0", "output")
    before, after = intact[1][0], counted(ledger)[0]
    assert after[output] == before[output] + 7
    assert ("requests", "claude", "model-1") in after
    assert {s for s in before if s[2:3] == ("model-1",) and after[s] != before[s]} == set()
    ledger.close()


@pytest.mark.slow
def test_a_large_file_that_was_not_closed_is_checked(large, intact):
    (large / "ledger.db-wal").touch()
    ledger = Ledger(large)
    assert "was damaged" in ledger.take_repairs()[0]
    scan(ledger)
    assert_same(ledger, intact[1])
    ledger.close()


@pytest.mark.slow
def test_a_file_that_grew_is_restored_after_it_was_read_on(intact, tmp_path):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("DROP TABLE events")
    ledger = Ledger(tmp_path)
    assert ledger.files_to_restore
    whole = transcript(0)
    grown = batch(*whole.events, response("new", "s0"), path="/t/0.jsonl", offset=1010)
    assert not ledger.restore(grown, price=price)
    ledger.close()


@pytest.mark.slow
def test_restoring_goes_on_after_a_restart(intact, tmp_path):
    (tmp_path / "ledger.db").write_bytes(intact[0])
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("DROP TABLE events")
    ledger = Ledger(tmp_path)
    waiting = ledger.files_to_restore
    assert len(waiting) == FILES
    ledger.commit()
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.files_to_restore == waiting
    scan(ledger)
    assert ledger.files_to_restore == []
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.files_to_restore == []
    assert_same(ledger, intact[1])
    ledger.close()
