"""A damaged or newer ledger, or a full disk, never stops the counting."""

import errno
import os
import signal
import sqlite3
import subprocess
from contextlib import closing

import pytest
from events import record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.ledger import CHECKPOINT_EVENTS

pytestmark = pytest.mark.integration

REQUESTS = ("requests", "claude", "model-1")


@pytest.fixture
def written(tmp_path):
    """Write a ledger with many pages."""
    ledger = Ledger(tmp_path)
    record(ledger, *(response(f"k{number}", f"s{number % 50}") for number in range(2_000)))
    ledger.close()
    path = tmp_path / "ledger.db"
    assert path.stat().st_size > 100_000
    return path


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.slow
def test_damaged_twice(written):
    for _ in range(2):
        overwrite(written, 0, b"no database at all")
        Ledger(written.parent).close()
    names = {path.name for path in written.parent.glob("*damaged*")}
    assert names == {"ledger.db.damaged-1", "ledger.db.damaged-2"}


@pytest.mark.long
def test_damaged_again_and_again(written):
    """Only the newest damaged files are kept, so that they do not fill the disk."""
    for _ in range(5):
        overwrite(written, 0, b"no database at all")
        Ledger(written.parent).close()
    names = {path.name for path in written.parent.glob("*damaged*")}
    assert names == {f"ledger.db.damaged-{number}" for number in (3, 4, 5)}


@pytest.mark.slow
def test_nothing_is_left_of_it(written):
    overwrite(written, 0, bytes(written.stat().st_size))
    ledger = Ledger(written.parent)
    assert "was damaged" in ledger.take_repairs()[0]
    assert (ledger.totals, ledger.sessions, ledger.cursors) == ({}, {}, {})
    record(ledger, response("k"))
    ledger.close()
    ledger = Ledger(written.parent)
    assert (ledger.warning, ledger.totals[REQUESTS]) == ("", 1)
    ledger.close()


def test_an_empty_file_is_a_new_ledger(tmp_path):
    (tmp_path / "ledger.db").touch()
    ledger = Ledger(tmp_path)
    assert ledger.is_new
    assert ledger.warning == ""
    ledger.close()


@pytest.mark.slow
def test_a_newer_schema_is_left_alone(written):
    with closing(sqlite3.connect(written)) as database:
        database.execute("PRAGMA user_version = 99")
    before = written.read_bytes()
    ledger = Ledger(written.parent)
    assert "schema version is 99" in ledger.warning
    record(ledger, response("k"))
    assert ledger.totals[REQUESTS] == 1
    ledger.close()
    assert written.read_bytes() == before


def test_a_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    ledger = Ledger(tmp_path / "file" / "state")
    assert "keeping the ledger in memory" in ledger.warning
    record(ledger, response("k"))
    assert ledger.totals[REQUESTS] == 1
    ledger.close()


@pytest.mark.parametrize("brief", [False, True])
def test_a_directory_instead_of_the_file(tmp_path, brief):
    (tmp_path / "ledger.db").mkdir()
    ledger = Ledger(tmp_path, brief=brief)
    assert "Is a directory; keeping the ledger in memory" in ledger.warning
    ledger.close()


def test_a_directory_that_may_not_be_written(tmp_path):
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
    else:
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        ledger = Ledger(tmp_path / "state")
        record(ledger, response("k"))
    finally:
        os.seteuid(os.getuid())
        tmp_path.chmod(0o700)
    assert "keeping the ledger in memory" in ledger.warning
    assert ledger.totals[REQUESTS] == 1
    assert not (tmp_path / "state").exists()


@pytest.mark.slow
def test_locked_by_another_program(written):
    """A backup that locks the file delays a write, and loses nothing."""
    ledger = Ledger(written.parent)
    with closing(sqlite3.connect(written, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger._state.store.file.database.execute("PRAGMA busy_timeout = 1")  # noqa: SLF001 - no waiting
        record(ledger, response("late"))
        assert "locked" in ledger.warning
        other.execute("ROLLBACK")
    record(ledger, response("later"))
    assert ledger.warning == ""
    ledger.close()
    ledger = Ledger(written.parent)
    assert ledger.totals[REQUESTS] == 2_002
    ledger.close()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """NFS of clusters, Lustre, GPFS: SQLite cannot share a journal (charmbracelet/crush 3461)."""

    def refuse(_):
        error = sqlite3.OperationalError("locking protocol")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_PROTOCOL, "SQLITE_PROTOCOL"
        raise error

    monkeypatch.setattr("agtop_exporter.ledger.file.LedgerFile._start_writing", refuse)
    ledger = Ledger(tmp_path)
    assert "locking protocol" in ledger.warning
    assert "--state-dir" in ledger.warning
    record(ledger, response("k"))
    assert ledger.totals[REQUESTS] == 1
    ledger.close()


def fill_and_recover(directory, make_room):
    """Write until the disk is full, twice; free space; and check all data."""
    ledger = Ledger(directory)
    number = 0
    while ledger.warning == "" and number < 5_000:
        record(ledger, *(response(f"k{number + step}") for step in range(100)))
        number += 100
    assert "cannot write" in ledger.warning
    meanwhile = CHECKPOINT_EVENTS
    record(ledger, *(response(f"while it is full {step}") for step in range(meanwhile)))
    assert "cannot write" in ledger.warning
    assert not ledger.needs_checkpoint  # a scan does not try to write them after each file
    assert ledger.totals[REQUESTS] == number + meanwhile
    make_room()
    record(ledger, response("after"))
    assert ledger.warning == ""
    ledger.close()
    ledger = Ledger(directory)
    assert (ledger.warning, ledger.totals[REQUESTS]) == ("", number + meanwhile + 1)
    record(ledger, response("k0"), response(f"k{number - 1}"), response("after"))
    assert ledger.totals[REQUESTS] == number + meanwhile + 1
    ledger.close()


@pytest.mark.slow
def test_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"\0" * 200_000)
        remount = ["mount", "-o", "remount,size=8m", str(tmp_path)]
        fill_and_recover(tmp_path, lambda: subprocess.run(remount, check=True))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.slow
def test_file_size_limit(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows limits no file")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        fill_and_recover(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)


@pytest.mark.slow
def test_the_disk_fails_when_a_damaged_file_is_moved(written, monkeypatch):
    overwrite(written, 0, b"no database at all")

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    ledger = Ledger(written.parent)
    assert "using its intact rows" in ledger.warning
    record(ledger, response("k"))
    assert ledger.totals[REQUESTS] == 2_001
    ledger.close()
