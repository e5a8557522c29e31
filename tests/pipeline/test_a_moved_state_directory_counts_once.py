"""A state directory that moves to another machine counts nothing twice, and loses nothing.

On the other machine, the home may have another path, and every file has another inode.
"""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from driving import build_databases, used
from looking import EVENING, Look
from places import AGENT_FOLDERS


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Return the home of all agents on the old machine, and its later copy on the new machine.

    The copy has more records: all lines of the JSONL files of which the old home has the first
    half. Its path is longer.
    """
    folder = tmp_path_factory.mktemp("machines")
    new = folder / "new" / "users" / "ada"
    for golden in sorted(AGENT_FOLDERS.glob("*/home")):
        shutil.copytree(golden, new, dirs_exist_ok=True, copy_function=shutil.copy2)
    build_databases(new)
    for path in new.rglob("*.replaced"):
        os.utime(path, (EVENING - 3600, EVENING - 3600))  # written before its successor
    old = folder / "old"
    shutil.copytree(new, old, copy_function=shutil.copy2)
    for path in old.rglob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: len(lines) // 2 + 1]))
    return old, new


def seen(home, state):
    """Refresh until every record is read. Return the totals of usage, and tokens by session."""
    look = Look(home, state=state)
    for step in range(3):
        snapshot = look.at(EVENING + step)
    totals = {
        series: value
        for series, value in used(look.pipeline.ledger).items()
        if value and not series[0].startswith("project_")  # a late project stays in the first one
    }
    sessions = {(s.agent, s.session_id): (s.tokens.total, s.title) for s in snapshot.sessions}
    assert look.pipeline.ledger.warning == ""
    look.close()
    return totals, sessions


def exchange_inodes(state, home):
    """Give each stored file the device and the inode of another file of the new home.

    Such a collision is unlikely for one file, but not for one of many thousands.
    """
    files = sorted(path for path in home.rglob("*") if path.is_file())
    with closing(sqlite3.connect(state / "ledger.db")) as database, database:
        stored = database.execute("SELECT agent, path FROM cursors ORDER BY path").fetchall()
        assert len(stored) > 50
        for number, (agent, path) in enumerate(stored):
            name = os.path.basename(path)  # noqa: PTH119 - a group of files has a text as its path
            same = [file for file in files if file.suffix == os.path.splitext(name)[1]] or files  # noqa: PTH122
            status = same[number % len(same)].stat()
            database.execute(
                "UPDATE cursors SET device = ?, inode = ? WHERE agent = ? AND path = ?",
                (status.st_dev, status.st_ino, agent, path),
            )


@pytest.mark.long
@pytest.mark.parametrize("inodes", ["other", "exchanged"])
@pytest.mark.parametrize("path", ["other", "same"])
def test_a_moved_state_directory_counts_once(homes, tmp_path, inodes, path):
    old, new = homes
    before, _ = seen(old, tmp_path / "state")
    if path == "same":  # the files of the new machine are restored to the old path
        shutil.move(old, tmp_path / "old")
        shutil.copytree(new, old, copy_function=shutil.copy2)
        new = old
    if inodes == "exchanged":
        exchange_inodes(tmp_path / "state", new)
    try:
        after, sessions = seen(new, tmp_path / "state")
        truth, true_sessions = seen(new, None)
    finally:
        if path == "same":
            shutil.rmtree(old)
            shutil.move(tmp_path / "old", old)
    assert sum(before.values()) < sum(truth.values())
    assert {series: value for series, value in after.items() if truth.get(series) != value} == {}
    assert after.keys() == truth.keys()
    assert sessions == true_sessions
    again, _ = seen(new, tmp_path / "state")
    assert again == after
