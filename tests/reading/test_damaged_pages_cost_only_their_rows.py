"""A damaged page of a database hides no row outside the page.

Databases on network file systems and in shared volumes are damaged often, and their agent may go on
using them (anomalyco/opencode 14194 and 14970, NousResearch/hermes-agent 110848,
openclaw/openclaw 139214).
"""

import sqlite3
from contextlib import closing

import pytest

from agtop_exporter.model import Cursor
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.rows import TableRow, Watermark

PAGE = 512
ROWS = 200


class Row(TableRow):
    """A row of a table."""

    id: str = ""
    data: str = ""


@pytest.fixture
def path(tmp_path):
    """Return the path of a database with two tables. Row 100 of `item` has pages of its own."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA page_size = {PAGE}")
        for table in ("item", "other"):
            database.execute(f"CREATE TABLE {table} (id TEXT, data TEXT)")
            add(database, table, range(1, ROWS + 1))
        database.commit()
    return path


def add(database, table, numbers):
    rows = [(f"{table}{n}", ("long" if n == ROWS // 2 else "x") * 20 * PAGE) for n in numbers]
    rows = [(key, data if "long" in data else data[:40]) for key, data in rows]
    database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)  # noqa: S608 - constants


def damage(path, text):
    """Overwrite the page that contains a text."""
    data = bytearray(path.read_bytes())
    begin = data.index(text) // PAGE * PAGE
    data[begin : begin + PAGE] = bytes(PAGE)
    path.write_bytes(data)


class Reader:
    """Reads both tables again and again."""

    def __init__(self, path):
        self.path, self.cursor = path, Cursor()
        self.watermarks = {"item": Watermark(), "other": Watermark()}
        self.errors, self.reset = [], ""

    def read(self, **options):
        """Return the numbers of the new rows by table."""
        errors = Errors(str(self.path))
        numbers = {}
        with Database(str(self.path), self.cursor, errors=errors, **options) as database:
            for table, watermark in self.watermarks.items():
                rows = list(database.after(table, watermark, Row))
                if rows:
                    last = (rows[-1][0], rows[-1][1].id)
                    self.watermarks[table] = watermark.moved_to(*last, reset=database.reset)
                numbers[table] = [int(row.id.removeprefix(table)) for _, row in rows]
            self.cursor, self.reset = database.cursor(b""), database.reset
        self.errors = [(error.reason, error.count) for error in errors.all()]
        return numbers


EVERY = list(range(1, ROWS + 1))


def test_a_damaged_page_hides_its_rows_only(path):
    damage(path, b"item60x")
    reader = Reader(path)
    found = reader.read()
    missing = sorted(set(EVERY) - set(found["item"]))
    assert 60 in missing
    assert missing == list(range(missing[0], missing[0] + len(missing)))
    assert len(missing) < PAGE / 40
    assert found["item"] == sorted(found["item"])
    assert found["other"] == EVERY
    assert reader.errors == [("corrupt", 1)]


def test_a_damaged_part_of_a_long_row_hides_that_row_only(path):
    damage(path, b"long" * (PAGE // 8))
    assert Reader(path).read() == {"item": [n for n in EVERY if n != ROWS // 2], "other": EVERY}


def test_several_damaged_pages(path):
    for number in (1, 20, 60, 75, 90, 140):
        damage(path, f"item{number}x".encode())
    found = Reader(path).read()
    assert {15, 40, 120, 200} <= set(found["item"])
    assert found["other"] == EVERY


def test_nothing_is_read_after_damage_up_to_the_end(path):
    damage(path, b"item200x")
    found = Reader(path).read()["item"]
    assert found == EVERY[: len(found)]
    assert len(found) > ROWS - PAGE / 40


def test_new_rows_after_damage_are_read_once(path):
    damage(path, b"item60x")
    reader = Reader(path)
    reader.read()
    with closing(sqlite3.connect(path)) as database:
        add(database, "item", [ROWS + 1, ROWS + 2])
        database.commit()
    assert reader.read() == {"item": [ROWS + 1, ROWS + 2], "other": []}


def test_repaired_rows_are_read(path):
    """A repair or a backup gives the rows their row ids again, which are below the watermark."""
    whole = path.read_bytes()
    damage(path, b"item60x")
    reader = Reader(path)
    missing = set(EVERY) - set(reader.read()["item"])
    path.write_bytes(whole)
    assert missing <= set(reader.read()["item"])
    assert (reader.reset, reader.errors) == ("rewritten", [])
    path.write_bytes(whole)
    assert reader.read() == {"item": [], "other": []}


def test_damage_is_skipped_in_small_batches(path):
    damage(path, b"item60x")
    expected = Reader(path).read()["item"]
    reader, found = Reader(path), []
    while numbers := reader.read(batch_bytes=100)["item"]:
        found += numbers
    assert found == expected


def test_a_damaged_lookup_ends_the_read(path):
    """A missing row can mean that usage is counted elsewhere."""
    damage(path, b"item60x")
    with Database(str(path), Cursor(), errors=Errors("a.db")) as database:
        where, values = "id = ?", ("item60",)
        assert not list(database.find("item", Row, where=where, values=values, is_detail=True))
        assert not database.is_incomplete
        assert len(list(database.after("other", Watermark(), Row))) == ROWS
        assert not list(database.find("item", Row, where=where, values=values))
        assert database.is_incomplete
        assert not list(database.after("other", Watermark(), Row))
