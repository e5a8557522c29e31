"""A large file with little new data is read without a child process."""

import sqlite3
from contextlib import closing

import pytest

from agtop_exporter.agents import load_agents
from agtop_exporter.pipeline.files import AgentFiles

OPENCODE = next(agent for agent in load_agents() if agent.name == "opencode")


@pytest.fixture
def agent():
    return OPENCODE


@pytest.fixture
def look(home):
    """Return the number of new bytes in the database since it was read."""
    files = AgentFiles(OPENCODE, [home], {})
    cursors = {}

    def new_bytes():
        [work] = [work for work in files.look(cursors).work if work.path.endswith("opencode.db")]
        cursors[work.path] = OPENCODE.read(work.path, work.cursor).cursor
        return work.size

    return new_bytes


@pytest.fixture
def writer(home):
    """Hold the database open, as the agent does."""
    path = home / ".local/share/opencode/opencode.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


@pytest.mark.slow
def test_a_database_that_is_written_to(look, writer):
    first = look()
    writer.execute("UPDATE session SET title = 'another'")
    grown = look()
    assert 0 < grown < first
    writer.execute("PRAGMA wal_checkpoint(RESTART)")  # the journal is written from its start
    writer.execute("UPDATE session SET title = 'again'")
    assert look() == 0
