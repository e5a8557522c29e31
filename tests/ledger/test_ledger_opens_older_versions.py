"""A ledger of an older version is opened without losing a token, a picodollar or a key."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from driving import build_databases, refresh, totals, transcripts
from msgspec.structs import astuple
from places import AGENT_FOLDERS, TESTS

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.schema import SCHEMA_VERSION, TABLES, Table
from agtop_exporter.pricing import PriceBook

LEDGERS = TESTS / "ledgers"
FIGURES = json.loads((LEDGERS / "figures.json").read_text(encoding="utf-8"))
VERSIONS = sorted(path.name for path in LEDGERS.glob("*.db"))


@pytest.fixture(params=VERSIONS)
def state(request, tmp_path):
    shutil.copy(LEDGERS / request.param, tmp_path / "ledger.db")
    return tmp_path


LATER = {"billed", "account_tokens", "account_cost"}


def without_later(totals):
    """Return the totals that older versions counted, too."""
    return sorted([list(s), value] for s, value in totals.items() if s[0] not in LATER)


def figures(ledger):
    """Return the content of `figures.json`."""
    return {
        "totals": without_later(ledger.totals),
        "sessions": {
            f"{agent}/{session_id}": {
                "models": {
                    model: [usage.requests, list(astuple(usage.tokens)), list(astuple(usage.cost))]
                    for model, usage in record.models.items()
                },
                "turns": record.turns,
                "tools": record.tools,
                "tool_errors": record.tool_errors,
                "compactions": record.compactions,
                "project": record.project,
                "title": record.facts.title,
                "started_at": record.facts.started_at,
                "last_active": record.facts.last_active,
                "signal": record.facts.signal.kind,
                "parent": record.facts.parent_session_id,
                "model": record.facts.model,
            }
            for (agent, session_id), record in ledger.sessions.items()
        },
        "files": sum(map(len, ledger.cursors.values())),
        "rate_limits": sorted(
            [limit.agent, limit.window, limit.used_ratio, limit.observed_at]
            for limit in ledger.rate_limits.values()
        ),
    }


def test_every_version_has_a_golden_ledger():
    assert [f"version-{number}.db" for number in range(1, SCHEMA_VERSION + 1)] == VERSIONS


@pytest.mark.slow
@pytest.mark.parametrize("read_only", [False, True])
def test_all_figures_are_kept(state, read_only):
    before = (state / "ledger.db").read_bytes()
    ledger = Ledger(state, read_only=read_only)
    assert figures(ledger) == FIGURES
    assert ledger.metadata["otlp_since"] == b"1772445600.0"
    assert (ledger.warning, ledger.take_repairs()) == ("", [])
    ledger.close()
    if read_only:
        assert (state / "ledger.db").read_bytes() == before
        return
    with closing(sqlite3.connect(state / "ledger.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again = Ledger(state)
    assert figures(again) == FIGURES
    again.close()
    assert [path.name for path in state.glob("*.damaged*")] == []


@pytest.mark.slow
def test_usage_without_an_account_is_that_of_the_default_account(state):
    """Versions before schema version 4 did not count by account."""
    ledger = Ledger(state)
    for family in ("tokens", "cost"):
        for agent in ("claude", "codex", "copilot"):
            of_agent = sum(v for s, v in ledger.totals.items() if s[:2] == (family, agent))
            assert ledger.totals[f"account_{family}", agent, ""] == of_agent > 0
    ledger.close()


@pytest.mark.slow
def test_nothing_is_counted_again(state, tmp_path):
    """The keys of the events are stored, so copies of the transcripts add nothing."""
    ledger = Ledger(state)
    before = totals(ledger)
    for name in ("claude", "codex", "copilot"):
        home = tmp_path / name / "home"
        shutil.copytree(AGENT_FOLDERS / name / "home", home)
        build_databases(home)
        agents = [agent for agent in load_agents() if agent.name == name]
        counted = {path.rpartition("/home/")[2] for path in ledger.cursors[name]}
        for _, path in transcripts(home, agents):
            if str(Path(path).relative_to(home)) not in counted:
                Path(path).unlink()  # a case that is newer than these ledgers
        refresh(ledger, home, agents, price=PriceBook().cost)
    after = totals(ledger)
    assert {s: v for s, v in after.items() if before.get(s) != v and s[0] != "parse_errors"} == {}
    ledger.close()


@pytest.mark.slow
def test_a_damaged_page_of_an_older_version(tmp_path):
    data = (LEDGERS / "version-1.db").read_bytes()
    (tmp_path / "ledger.db").write_bytes(data[: 3 * 4096] + bytes(4096) + data[4 * 4096 :])
    ledger = Ledger(tmp_path)
    assert "was damaged" in ledger.take_repairs()[0]
    assert without_later(ledger.totals) == FIGURES["totals"]
    ledger.close()


@pytest.mark.slow
def test_the_tables_are_readable(state):
    """`sqlite3 ledger.db` shows names and numbers; no column holds an encoded struct."""
    Ledger(state).close()
    with closing(sqlite3.connect(state / "ledger.db")) as database:
        for table in TABLES:
            blobs = {
                column
                for column in TABLES[table].columns
                for (kind,) in database.execute(f"SELECT typeof({column}) FROM {table}")  # noqa: S608
                if kind == "blob"
            }
            assert blobs <= {"key", "fingerprint", "reader_state", "value"}
        rows = database.execute(
            "SELECT SUM(output) FROM session_models JOIN sessions ON id = session"
            " WHERE agent = 'claude'"
        ).fetchone()
    expected = sum(
        v for s, v in FIGURES["totals"] if s[:2] == ["tokens", "claude"] and s[3] == "output"
    )
    assert rows == (expected,)


def test_rows_of_older_versions_get_the_defaults_of_appended_columns():
    old = Table({"id": "INTEGER NOT NULL"}, ("id",))
    new = Table(
        {
            **old.columns,
            "branch": "TEXT NOT NULL",
            "turns": "INTEGER NOT NULL",
            "digest": "BLOB NOT NULL",
            "value": "NUMERIC NOT NULL",
            "seen_at": "REAL",
        },
        ("id",),
    )
    row = new.complete((1,))
    assert row == (1, "", 0, b"", 0, None)
    assert new.complete(row) == row
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(new.create("sessions"))
        database.execute(new.insert("sessions"), row)
        assert database.execute("SELECT * FROM sessions").fetchall() == [row]
