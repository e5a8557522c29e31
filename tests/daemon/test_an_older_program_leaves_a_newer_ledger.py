"""A program that does not know the schema of a ledger says so in one line, and changes nothing."""

import sqlite3
from contextlib import closing

import pytest
from running import daemon, once, run, total
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.ledger.schema import SCHEMA_VERSION

pytestmark = pytest.mark.integration

NEWER = SCHEMA_VERSION + 1
REASON = f"its schema version is {NEWER}, this program knows {SCHEMA_VERSION}"


@pytest.fixture
def newer(tmp_path):
    """Return a home, and a state directory whose ledger a newer version has written."""
    home, state = tmp_path / "home", tmp_path / "state"
    claude_file(home).write_text(claude_turns(1, range(5)))
    once(home, "--state-dir", state)
    with closing(sqlite3.connect(state / "ledger.db")) as database:
        database.execute("ALTER TABLE sessions ADD COLUMN mood TEXT NOT NULL DEFAULT ''")
        database.execute(f"PRAGMA user_version = {NEWER}")
    return home, state


def stored(state):
    return {path.name: path.read_bytes() for path in state.iterdir() if path.suffix != ".lock"}


@pytest.mark.long
def test_the_daemon_counts_in_memory(newer):
    home, state = newer
    before = stored(state)
    with daemon(home, "--state-dir", state) as running:
        samples = running.until(
            lambda samples: total(samples, "agtop_tokens_total") == 5 * TOKENS_OF_A_TURN
        )
        assert samples["agtop_ledger_durable", ()] == 0
        running.end()
    assert [line for line in running.log if "level=error" in line and REASON not in line] == []
    assert sum(REASON in line for line in running.log) == 1
    assert stored(state) == before


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("agtop list", 0),
        ("agtop daily", 0),
        ("agtop-exporter reprice", 1),
        ("agtop-exporter backfill --output out", 1),
    ],
)
def test_commands_report_it(newer, monkeypatch, command, code):
    home, state = newer
    before = stored(state)
    monkeypatch.chdir(home)
    done = run(*command.split(), "--state-dir", state, home=home, check=False)
    assert (done.returncode, done.stderr.count(REASON)) == (code, 1)
    assert "Traceback" not in done.stderr
    assert stored(state) == before
