"""Reader state is kept in memory until it is stored on disk, and is restored unchanged."""

import sqlite3
from contextlib import closing

import pytest
from events import batch, price, project

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor

PATHS = ("/a.jsonl", "/b.jsonl")
CURSORS = {path: Cursor(1, 2, 30, 4, 30, b"print", b"state of " + path.encode()) for path in PATHS}


def write(ledger):
    for path, cursor in CURSORS.items():
        found = batch(path=path)
        ledger.record(found, price=price, project=project)
        ledger.set_cursor("claude", path, cursor)
    ledger.commit()


def cursors(ledger):
    return {path: ledger.cursor("claude", path) for path in PATHS}


def test_states_are_read_from_disk(tmp_path):
    with closing(Ledger(tmp_path)) as ledger:
        write(ledger)
        in_memory = ledger.cursors["claude"]
        assert all(in_memory[path].state != CURSORS[path].state for path in PATHS)
        assert cursors(ledger) == CURSORS
    with closing(Ledger(tmp_path)) as ledger:
        assert cursors(ledger) == CURSORS
        moved = ledger.cursor("claude", PATHS[0])
        ledger.set_cursor("claude", "/moved.jsonl", moved)
        ledger.forget_cursor("claude", PATHS[0])
        ledger.commit()
        assert ledger.cursor("claude", "/moved.jsonl") == moved
        assert ledger.cursor("claude", PATHS[0]) == Cursor()


def test_without_a_disk_the_states_stay_in_memory():
    ledger = Ledger()
    write(ledger)
    assert ledger.cursors["claude"] == CURSORS == cursors(ledger)


def test_a_lost_row_means_that_the_file_is_read_again(tmp_path):
    with closing(Ledger(tmp_path)) as ledger:
        write(ledger)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
            other.execute("DELETE FROM cursors WHERE path = '/a.jsonl'")
            other.commit()
        assert cursors(ledger) == {**CURSORS, "/a.jsonl": Cursor()}


def test_without_its_file_nothing_is_read_again(tmp_path):
    """The file also contains the keys of the events, so a second read would count twice."""
    with closing(Ledger(tmp_path)) as ledger:
        write(ledger)
        ledger.close()
        with pytest.raises(OSError, match="the ledger cannot be read"):
            ledger.cursor("claude", PATHS[0])


def test_every_state_is_in_a_file_that_is_written_again(tmp_path):
    with closing(Ledger(tmp_path)) as ledger:
        write(ledger)
        (tmp_path / "ledger.db").unlink()
        ledger.commit()
        assert cursors(ledger) == CURSORS
    with closing(Ledger(tmp_path)) as ledger:
        assert cursors(ledger) == CURSORS
