"""A replaced row, which SQLite moves to the end of its table, does not count as a rewrite."""

import sqlite3
from contextlib import closing
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.model import Cursor
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.rows import ANCHORS, TableRow, Watermark


class Row(TableRow):
    """A row of the table."""

    key: str = ""


@pytest.fixture
def table():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield Table(connection)


class Table:
    """A table that is read with a watermark on one connection."""

    def __init__(self, connection):
        self.connection = connection
        self.watermark = Watermark()
        self.reset = ""
        self.connection.execute("CREATE TABLE item (key TEXT UNIQUE ON CONFLICT REPLACE)")

    def put(self, *keys):
        """Add rows, or replace them."""
        self.connection.executemany("INSERT INTO item VALUES (?)", [(key,) for key in keys])

    def delete(self, *keys):
        """Delete rows."""
        self.connection.executemany("DELETE FROM item WHERE key = ?", [(key,) for key in keys])

    def read(self, *, anchors=1):
        """Read new rows; return their keys."""
        database = Database(__file__, Cursor(), errors=Errors("a.db"))
        database._connection._connection = self.connection  # noqa: SLF001 - no file is needed
        rows = list(database.after("item", self.watermark, Row, key="key"))
        for rowid, row in rows[-anchors:]:
            self.watermark = self.watermark.moved_to(rowid, row.key)
        self.reset = database.reset
        return [row.key for _, row in rows]


def test_a_replaced_row_is_read_alone(table):
    table.put(*(f"i{number}" for number in range(100)))
    assert len(table.read()) == 100
    for number in range(5):
        table.put(f"n{number}", "i99")
        assert table.read() == [f"n{number}", "i99"]
        assert table.reset == ""


def test_a_deleted_row_is_no_rewrite(table):
    table.put(*(f"i{number}" for number in range(100)))
    table.read(anchors=8)
    table.put("n1")
    table.delete("i99")
    assert table.read() == ["n1"]
    assert table.reset == ""


def test_a_row_id_that_is_given_again_is_one(table):
    table.put(*(f"i{number}" for number in range(100)))
    table.read(anchors=8)
    table.delete("i98", "i99")
    table.put("n1", "n2", "n3")
    assert table.read()[-3:] == ["n1", "n2", "n3"]
    assert table.reset == "rewritten"


@pytest.mark.slow
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60))
def test_anchors_are_few_and_reach_far(steps):
    """After any deletion, at most the same number of rows is read without need."""
    watermark, rowid, seen = Watermark(), 0, []
    for step in steps:
        rowid += step
        seen.append(rowid)
        watermark = watermark.moved_to(rowid, f"k{rowid}")
    anchors = [each for each, _ in watermark.anchors]
    assert anchors == sorted(anchors, reverse=True)
    assert anchors[0] == rowid
    assert len(anchors) <= ANCHORS
    for lost in seen:  # all rows from here on are deleted
        distance = rowid - lost
        kept = max((each for each in anchors if each < lost), default=0)
        older = max((each for each in seen if each < lost), default=0)
        assert rowid - kept <= 4 * max(distance, rowid - older, 1)


@pytest.mark.slow
@given(st.data())
def test_no_row_is_missed(data):
    """Rows are added, replaced and deleted in any order between reads.

    A deleted key is not used again, because a row with the same key and row id looks unchanged.
    """
    fresh = (f"k{number}" for number in count())
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        table = Table(connection)
        present, unread = [], set()
        for _ in range(data.draw(st.integers(1, 15))):
            change = data.draw(st.sampled_from(["add", "add", "replace", "delete", "read"]))
            if change == "read":
                assert unread <= set(table.read(anchors=data.draw(st.integers(1, 4))))
                unread = set()
            elif change == "add":
                changed = list(islice(fresh, data.draw(st.integers(1, 4))))
                table.put(*changed)
                present, unread = present + changed, unread | set(changed)
            elif present:
                changed = data.draw(st.lists(st.sampled_from(present), min_size=1, max_size=4))
                if change == "replace":
                    table.put(*changed)
                    unread |= set(changed)
                else:
                    table.delete(*changed)
                    present = [key for key in present if key not in changed]
                    unread -= set(changed)
        assert unread <= set(table.read())
