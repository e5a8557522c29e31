"""A database of an agent is read in any state, and neither it nor its journal is changed."""

import contextlib
import shutil
import sqlite3
from contextlib import closing

import pytest

from agtop_exporter.model import Cursor
from agtop_exporter.reading.databases import Database, DatabaseBusyError
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.rows import TableRow, Watermark


class Row(TableRow):
    """A row of the table. One column exists in a later version only."""

    id: str = ""
    data: str = ""
    added_later: str = "default"


def create(path, *, journal="wal", rows=3):
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {journal}")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("CREATE TABLE item (id TEXT PRIMARY KEY, data TEXT)")
    insert(writer, range(rows))
    return writer


def insert(writer, numbers):
    writer.executemany("INSERT INTO item VALUES (?, ?)", [(f"i{n}", "x" * 50) for n in numbers])


def read(path, cursor=None, watermark=None, **options):
    """Return the ids of the new rows, the cursor, the watermark, the errors and the database."""
    errors = Errors(str(path))
    watermark = watermark or Watermark()
    with Database(str(path), cursor or Cursor(), errors=errors, **options) as database:
        found = list(database.after("item", watermark, Row))
    if found:
        watermark = watermark.moved_to(found[-1][0], found[-1][1].id)
    ids = [row.id for _, row in found]
    return ids, database.cursor(b""), watermark, errors.all(), database


def listing(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_nearly_all_in_the_journal(tmp_path):
    with closing(create(tmp_path / "a.db")):
        assert (tmp_path / "a.db").stat().st_size <= 4096
        assert read(tmp_path / "a.db")[0] == ["i0", "i1", "i2"]


@pytest.mark.parametrize("kept", [(), ("-wal",), ("-wal", "-shm")])
def test_nothing_is_created(tmp_path, kept):
    """A backup may have a journal only. A clean end leaves only the database."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(create(tmp_path / "a.db")) as writer:
        if not kept:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("", *kept):
            shutil.copyfile(tmp_path / f"a.db{suffix}", home / f"a.db{suffix}")
    before = listing(home)
    assert read(home / "a.db")[0] == ["i0", "i1", "i2"]
    assert {name: time for name, time in listing(home).items() if name != "a.db-shm"} == {
        name: time for name, time in before.items() if name != "a.db-shm"
    }
    assert set(listing(home)) == set(before)


def test_unchanged_is_not_opened(tmp_path, monkeypatch):
    with closing(create(tmp_path / "a.db")):
        _, cursor, watermark, _, _ = read(tmp_path / "a.db")
        monkeypatch.setattr(sqlite3, "connect", pytest.fail)
        ids, again, _, _, database = read(tmp_path / "a.db", cursor, watermark)
        assert (ids, again) == ([], cursor)
        assert database.unchanged


def test_only_what_is_new(tmp_path):
    with closing(create(tmp_path / "a.db")) as writer:
        _, cursor, watermark, _, _ = read(tmp_path / "a.db")
        insert(writer, [3, 4])
        ids, cursor, watermark, _, database = read(tmp_path / "a.db", cursor, watermark)
        assert ids == ["i3", "i4"]
        assert database.reset == ""


def test_deleted_rows_give_their_numbers_to_others(tmp_path):
    """OpenCode's `revert` deletes the last rows, and new rows reuse their rowids."""
    with closing(create(tmp_path / "a.db", rows=10)) as writer:
        _, cursor, watermark, _, _ = read(tmp_path / "a.db")
        writer.execute("DELETE FROM item WHERE id IN ('i8', 'i9')")
        insert(writer, [20, 21, 22])
        ids, _, _, _, database = read(tmp_path / "a.db", cursor, watermark)
        assert {"i20", "i21", "i22"} <= set(ids)
        assert database.reset == "rewritten"


@pytest.mark.long
def test_an_older_anchor_saves_most_of_the_work(tmp_path):
    with closing(create(tmp_path / "a.db", rows=1000)) as writer:
        _, cursor, watermark, _, _ = read(tmp_path / "a.db")
        insert(writer, range(1000, 1010))
        _, cursor, watermark, _, _ = read(tmp_path / "a.db", cursor, watermark)
        writer.execute("DELETE FROM item WHERE id = 'i1009'")
        insert(writer, [2000])
        ids, _, _, _, _ = read(tmp_path / "a.db", cursor, watermark)
        assert "i2000" in ids
        assert len(ids) < 20


@pytest.mark.slow
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_locked_is_tried_again(tmp_path, journal):
    with closing(create(tmp_path / "a.db", journal=journal)) as writer:
        if journal == "wal":
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        insert(writer, [3])
        if journal == "delete":
            with pytest.raises(DatabaseBusyError):
                read(tmp_path / "a.db")
        else:  # readers of a WAL see what was committed
            assert read(tmp_path / "a.db")[0] == ["i0", "i1", "i2"]
        writer.execute("COMMIT")
        writer.execute("PRAGMA locking_mode = NORMAL")
        writer.execute("SELECT * FROM item").fetchall()
        assert read(tmp_path / "a.db")[0] == ["i0", "i1", "i2", "i3"]


def test_changed_while_it_was_read(tmp_path):
    """Without a lock, the result may be inconsistent, so it is read again."""
    with closing(create(tmp_path / "a.db")) as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        stack = contextlib.ExitStack()
        database = Database(str(tmp_path / "a.db"), Cursor(), errors=Errors("a.db"))
        stack.enter_context(database)
        assert len(list(database.after("item", Watermark(), Row))) == 3
        insert(writer, [3])
        with pytest.raises(DatabaseBusyError):
            stack.close()


@pytest.mark.parametrize(
    "content", [b"\0" * 5000, b"no database at all", b"SQLite format 3\0" * 99]
)
def test_no_database_is_counted(tmp_path, content):
    (tmp_path / "a.db").write_bytes(content)
    ids, cursor, _, errors, _ = read(tmp_path / "a.db")
    assert ids == []
    assert [(error.reason, error.count) for error in errors] == [("corrupt", 1)]
    assert read(tmp_path / "a.db", cursor)[3] == ()  # once, until it changes


def test_empty_is_no_error(tmp_path):
    (tmp_path / "a.db").write_bytes(b"")
    assert read(tmp_path / "a.db")[3] == ()


@pytest.mark.long
def test_rows_before_the_damage_are_read(tmp_path):
    with closing(create(tmp_path / "a.db", journal="delete", rows=2000)):
        pass
    data = bytearray((tmp_path / "a.db").read_bytes())
    data[len(data) // 2 :] = b"\xaa" * (len(data) - len(data) // 2)
    (tmp_path / "a.db").write_bytes(data)
    ids, _, _, errors, _ = read(tmp_path / "a.db")
    assert ids[:3] == ["i0", "i1", "i2"]
    assert [error.reason for error in errors] == ["corrupt"]


@pytest.mark.slow
def test_batches_are_bounded(tmp_path):
    """A full batch ends, and the next batch continues after it, even after a restart."""
    with closing(create(tmp_path / "a.db", rows=100)):
        cursor, watermark, seen = Cursor(), Watermark(), []
        more = True
        while more:
            ids, cursor, watermark, _, database = read(
                tmp_path / "a.db", cursor, watermark, batch_bytes=1000
            )
            more = database.more
            assert len(ids) <= 20
            seen += ids
        assert seen == [f"i{n}" for n in range(100)]


def test_a_huge_row_is_stepped_over(tmp_path, monkeypatch):
    monkeypatch.setattr("agtop_exporter.reading.connection.VALUE_BYTES", 10_000)
    with closing(create(tmp_path / "a.db")) as writer:
        writer.execute("INSERT INTO item VALUES ('huge', ?)", ("x" * 100_000,))
        insert(writer, [5, 6])
        ids, _, _, errors, _ = read(tmp_path / "a.db")
        assert ids == ["i0", "i1", "i2", "i5", "i6"]
        assert [(error.reason, error.count) for error in errors] == [("too_large", 1)]


def test_wrong_types_cost_a_field(tmp_path):
    """SQLite stores any type in any column."""
    with closing(create(tmp_path / "a.db", rows=0)) as writer:
        writer.execute("INSERT INTO item VALUES ('b', x'ff00'), ('c', NULL), ('d', 'x')")
        writer.execute("INSERT INTO item VALUES ('e', CAST(x'61ff62' AS TEXT))")
        errors = Errors("a.db")
        with Database(str(tmp_path / "a.db"), Cursor(), errors=errors) as database:
            rows = {row.id: row.data for _, row in database.after("item", Watermark(), Row)}
        assert rows == {"b": "", "c": "", "d": "x", "e": "a�b"}
        assert [(error.reason, error.count) for error in errors.all()] == [("schema", 1)]


def test_bad_text_repeats_no_row(tmp_path):
    """Invalid UTF-8 is replaced, and no row is repeated or lost."""
    with closing(create(tmp_path / "a.db")) as writer:
        for name in ("e", "f"):
            writer.execute("INSERT INTO item VALUES (?, CAST(x'61ff62' AS TEXT))", (name,))
            insert(writer, [name])
        errors = Errors("a.db")
        with Database(str(tmp_path / "a.db"), Cursor(), errors=errors) as database:
            rows = [row for _, row in database.after("item", Watermark(), Row)]
        assert [row.id for row in rows] == ["i0", "i1", "i2", "e", "ie", "f", "if"]
        assert {row.data for row in rows if len(row.id) == 1} == {"a\ufffdb"}
        assert database.records == len(rows)
        assert not errors.all()


def test_missing_tables_and_columns(tmp_path):
    with closing(create(tmp_path / "a.db")):
        errors = Errors("a.db")
        with Database(str(tmp_path / "a.db"), Cursor(), errors=errors) as database:
            assert list(database.after("elsewhere", Watermark(), Row)) == []
            assert list(database.find("elsewhere", Row, where="id = 1", values=())) == []
            [row] = database.find("item", Row, where="id = ?", values=("i1",))
            assert row.added_later == "default"
            assert errors.all() == ()
            assert list(database.find("item", Row, where="unknown = 1", values=())) == []
        assert [error.reason for error in errors.all()] == ["schema"]


def test_only_regular_files(tmp_path):
    (tmp_path / "a.db").mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        read(tmp_path / "a.db")
