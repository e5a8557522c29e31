"""A file with two paths is read once, by device and inode, whichever path is found first."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from looking import Look
from opencode_homes import OpenCode, write_database
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import claude, opencode
from agtop_exporter.model import Cursor
from agtop_exporter.pipeline.files import AgentFiles
from agtop_exporter.reading.file_group import FileGroup


class Home:
    """A home with Claude Code's files, and the state of their reading."""

    def __init__(self, path):
        self.projects = path / ".claude" / "projects"
        self.projects.mkdir(parents=True)
        self._files = AgentFiles(claude.AGENT, [path], {})
        self._cursors = {}

    def write(self, name, text="{}\n"):
        """Write a transcript; return its path."""
        path = self.projects / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def look(self):
        """Return the listing, and read all files in it."""
        listing = self._files.look(self._cursors)
        for old, _ in listing.moved:
            del self._cursors[old]
        for path in listing.gone:
            del self._cursors[path]
        for work in listing.work:
            status = Path(work.path).stat()
            self._cursors[work.path] = Cursor(
                device=status.st_dev,
                inode=status.st_ino,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                offset=status.st_size,
            )
        return listing

    def read(self):
        """Return the records of a refresh by the end of their path."""
        return sorted(str(work.path.split("/projects/")[1]) for work in self.look().work)

    @property
    def aliases(self):
        """The paths that are not read, because another path of the same file is read."""
        return {path.split("/projects/")[1] for path in self._files.aliases}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.mark.parametrize("order", [("-shop", "-shop-old"), ("-shop-old", "-shop")])
def test_a_link_to_a_folder_beside_it(home, order):
    folder, link = order
    home.write(f"{folder}/1.jsonl")
    (home.projects / link).symlink_to(home.projects / folder)
    assert home.read() == [f"{folder}/1.jsonl"]
    assert home.aliases == {f"{link}/1.jsonl"}
    home.write(f"{folder}/1.jsonl", "{}\n{}\n")
    assert home.read() == [f"{folder}/1.jsonl"]
    assert home.read() == []


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_that_is_made_later(home, make):
    path = home.write("-shop/b.jsonl")
    assert home.read() == ["-shop/b.jsonl"]
    make(path, path.with_name("a.jsonl"))
    assert home.read() == []
    assert home.aliases == {"-shop/a.jsonl"}


def test_the_other_path_continues_when_the_first_is_removed(home):
    path = home.write("-shop/a.jsonl")
    os.link(path, path.with_name("b.jsonl"))
    assert home.read() == ["-shop/a.jsonl"]
    path.unlink()
    listing = home.look()
    assert listing.moved == ((str(path), str(path.with_name("b.jsonl"))),)
    assert listing.work[0].cursor.offset > 0
    assert listing.gone == ()


def test_a_link_that_becomes_a_file_of_its_own_is_read(home):
    path = home.write("-shop/a.jsonl")
    path.with_name("b.jsonl").symlink_to(path)
    assert home.read() == ["-shop/a.jsonl"]
    path.with_name("b.jsonl").unlink()
    home.write("-shop/b.jsonl", "{}\n{}\n")
    assert home.read() == ["-shop/b.jsonl"]
    assert home.aliases == set()


def test_a_replaced_file_leaves_its_number_to_another(home):
    """A new file may have the inode of a replaced file, and is still another file."""
    path = home.write("-shop/a.jsonl")
    assert home.read() == ["-shop/a.jsonl"]
    path.rename(path.with_name("b.jsonl"))
    home.write("-shop/a.jsonl", "{}\n{}\n{}\n")
    assert home.read() == ["-shop/a.jsonl", "-shop/b.jsonl"]


@pytest.mark.parametrize("linked", [".claude", ".config/claude"])
def test_two_homes_of_an_agent_that_are_one(tmp_path, linked):
    for folder in (tmp_path / ".claude", tmp_path / ".config/claude"):
        folder.parent.mkdir(exist_ok=True)
    real = tmp_path / ("sync" if linked == ".claude" else ".claude")
    (real / "projects" / "-shop").mkdir(parents=True)
    (real / "projects" / "-shop" / "1.jsonl").write_text("{}\n")
    for folder in (tmp_path / ".claude", tmp_path / ".config/claude"):
        if folder != real:
            folder.symlink_to(real)
    listing = AgentFiles(claude.AGENT, [tmp_path], {}).look({})
    assert [work.path for work in listing.work] == [
        str(tmp_path / ".claude/projects/-shop/1.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1)])
def test_sessions_behind_links_count_once(tmp_path, order):
    """Project folders of Claude Code and months of Codex are linked, as by GNU Stow."""
    home, disk = tmp_path / "home", tmp_path / "disk"
    for number in order:
        claude_file(home, number).write_text(claude_turns(number, range(5)))
    expected = Look(home, agents=[claude.AGENT]).sessions()
    shutil.move(home / ".claude" / "projects", disk)
    (home / ".claude" / "projects").mkdir()
    for folder in disk.iterdir():
        (home / ".claude" / "projects" / folder.name).symlink_to(folder)
        (home / ".claude" / "projects" / f"{folder.name}-again").symlink_to(folder)
    found = Look(home, agents=[claude.AGENT]).sessions()
    assert {key: one["models"] for key, one in found.items()} == {
        key: one["models"] for key, one in expected.items()
    }


def test_the_journal_of_a_linked_database_is_at_its_target(tmp_path):
    """SQLite keeps it beside the real file. It may contain most of the database."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "opencode.db"
    link.symlink_to(tmp_path / "real/other.db")
    writer = sqlite3.connect(tmp_path / "real/other.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (x)")
    group = FileGroup(str(link), (f"{link}-wal",))
    before = group.cursor()
    writer.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert group.cursor().size > before.size
    assert group.cursor().inode == (tmp_path / "real/other.db").stat().st_ino
    writer.close()


@pytest.mark.slow
def test_a_linked_database_in_use_is_read(tmp_path):
    """Its rows are in the journal until the writer ends."""
    path = write_database(tmp_path / "home", OpenCode().user().assistant())
    (tmp_path / "disk").mkdir()
    real = path.rename(tmp_path / "disk/data.db")
    path.symlink_to(real)
    writer = sqlite3.connect(real, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    look = Look(tmp_path / "home", agents=[opencode.AGENT])
    (before,) = look.sessions().values()
    writer.execute("UPDATE session SET title = 'In the journal', time_updated = time_updated + 1")
    (after,) = look.sessions().values()
    assert before["models"] == after["models"] != {}
    assert after["title"] == "In the journal"
    writer.close()
