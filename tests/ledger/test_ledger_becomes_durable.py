"""A ledger that cannot be written keeps its data in memory, and is written later."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from driving import price, project
from events import batch, record, response
from places import TESTS

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.schema import SCHEMA_VERSION

pytestmark = pytest.mark.integration

LEDGERS = TESTS / "ledgers"
REQUESTS = ("requests", "claude", "model-1")


def requests(directory):
    """Return the requests that another reader of the ledger finds."""
    view = Ledger(directory, read_only=True)
    try:
        assert view.warning == ""
        return view.totals[REQUESTS]
    finally:
        view.close()


@pytest.fixture
def small_disk(tmp_path):
    """Return a small file system, and a function that mounts it again with other options."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(tmp_path)], check=True)

    yield tmp_path, remount
    remount("rw")
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def history(directory, count):
    ledger = Ledger(directory)
    record(ledger, *(response(f"old-{number}") for number in range(count)))
    ledger.close()


def crashed(directory, count):
    """Write a ledger with a journal, as a killed daemon leaves it."""
    history(directory, count)
    ledger = Ledger(directory)
    record(ledger, response("last"))
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy)
    ledger.close()
    shutil.rmtree(directory)
    copy.rename(directory)
    assert (directory / "ledger.db-wal").stat().st_size > 0
    (directory / "ledger.db-shm").unlink(missing_ok=True)
    return count + 1


def fill(path):
    """Write a file until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
def test_a_read_only_disk(small_disk):
    directory, remount = small_disk
    state = directory / "state"
    known = crashed(state, 20)
    remount("ro")
    ledger = Ledger(state)
    assert "cannot write" in ledger.warning
    assert ledger.durable is False
    assert ledger.totals[REQUESTS] == known
    record(ledger, response("old-3"), response("new"))
    assert ledger.totals[REQUESTS] == known + 1
    remount("rw")
    record(ledger, response("newer"))
    assert (ledger.warning, ledger.durable) == ("", True)
    assert requests(state) == known + 2
    ledger.close()


@pytest.mark.slow
def test_a_full_disk(small_disk):
    directory, _ = small_disk
    state = directory / "state"
    known = crashed(state, 20)
    ballast = directory / "ballast"
    fill(ballast)
    ledger = Ledger(state)
    assert ledger.totals[REQUESTS] == known
    record(ledger, response("old-3"), response("new"))
    assert ledger.durable is False
    assert ledger.totals[REQUESTS] == known + 1
    ballast.unlink()
    record(ledger, response("newer"))
    assert (ledger.warning, ledger.durable) == ("", True)
    assert requests(state) == known + 2
    ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_a_full_disk_with_a_file_that_must_be_replaced(small_disk, tmp_path_factory, damaged):
    """A file of an older version, or with a damaged page, is read without being replaced."""
    directory, _ = small_disk
    shutil.copy(LEDGERS / "version-3.db", directory / "ledger.db")
    if damaged:
        Ledger(directory).close()
        with (directory / "ledger.db").open("r+b") as file:
            file.write(b"no database")
    elsewhere = tmp_path_factory.mktemp("copy")
    shutil.copy(directory / "ledger.db", elsewhere)
    whole = Ledger(elsewhere)
    ballast = directory / "ballast"
    fill(ballast)
    ledger = Ledger(directory)
    assert "database or disk is full" in ledger.warning or "is damaged" in ledger.warning
    assert ledger.totals == whole.totals != {}
    record(ledger, response("new"))
    assert ledger.durable is False
    ballast.unlink()
    record(ledger)
    assert (ledger.warning, ledger.durable) == ("", True)
    assert requests(directory) == 1
    assert all(ledger.totals[series] >= value for series, value in whole.totals.items())
    ledger.close()
    whole.close()


@pytest.mark.slow
@pytest.mark.parametrize("version", [3, SCHEMA_VERSION])
def test_a_full_disk_that_also_has_the_temporary_files(small_disk, monkeypatch, version):
    directory, _ = small_disk
    shutil.copy(LEDGERS / f"version-{version}.db", directory / "ledger.db")
    whole = Ledger(directory, read_only=True)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    ballast = directory / "ballast"
    fill(ballast)
    ledger = Ledger(directory)
    assert "database or disk is full" in ledger.warning
    assert ledger.totals.items() >= whole.totals.items() > set()
    ballast.unlink()
    record(ledger, response("new"))
    assert (ledger.warning, ledger.durable) == ("", True)
    assert requests(directory) == 1
    ledger.close()
    whole.close()


@pytest.mark.slow
def test_a_directory_that_can_be_created_later(tmp_path):
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    state = obstacle / "state"
    ledger = Ledger(state)
    record(ledger, *(response(f"early-{number}", f"s{number}") for number in range(9)))
    assert ledger.durable is False
    assert "keeping the ledger in memory" in ledger.warning
    obstacle.unlink()
    record(ledger)
    assert (ledger.warning, ledger.durable) == ("", True)
    assert requests(state) == 9
    record(ledger, response("early-3", "s3"), response("late"))
    ledger.close()
    assert requests(state) == 10


@pytest.mark.slow
def test_history_that_appears_later(tmp_path):
    """The directory is on a network mount that is mounted after the start of the daemon."""
    state, away = tmp_path / "state", tmp_path / "away"
    ledger = Ledger(state)
    record(ledger, response("gone", "old"), response("both", "s1"), bytes_read=100)
    ledger.remember("process_usage", b"stored")
    ledger.commit()
    ledger.close()
    state.rename(away)
    state.touch()
    ledger = Ledger(state)
    record(
        ledger,
        response("both", "s1"),
        response("mine", "s1"),
        response("other", "s2"),
        bytes_read=10,
    )
    assert ledger.totals[REQUESTS] == 3
    published = dict(ledger.totals)
    state.unlink()
    away.rename(state)
    changed = record(ledger, response("later", "s1"))
    assert (ledger.warning, ledger.durable) == ("", True)
    assert ledger.totals[REQUESTS] == 5
    assert ledger.totals["scan_bytes", "claude"] == 110
    assert all(ledger.totals[series] >= value for series, value in published.items())
    assert {session for _, session in changed} == {"old", "s1", "s2"}
    assert ledger.sessions["claude", "s1"].usage.requests == 3
    assert ledger.take_recovered()["process_usage"] == b"stored"
    assert ledger.take_recovered() == {}
    record(ledger, response("gone", "old"))
    assert ledger.totals[REQUESTS] == 5
    ledger.close()
    assert requests(state) == 5


@pytest.mark.slow
@pytest.mark.parametrize("removed", ["directory", "file", "all but the lock", "replaced"])
def test_it_is_removed_while_it_runs(tmp_path, removed):
    state = tmp_path / "state"
    ledger = Ledger(state)
    record(ledger, *(response(f"k{number}", f"s{number}") for number in range(30)))
    if removed == "directory":
        shutil.rmtree(state)
    elif removed == "file":
        (state / "ledger.db").unlink()
    elif removed == "replaced":
        (state / "ledger.db").unlink()
        (state / "ledger.db").write_bytes(b"something else")
    else:
        for suffix in ("", "-wal", "-shm"):
            (state / f"ledger.db{suffix}").unlink()
    record(ledger)  # nothing new, and noticed all the same
    assert "written again" in ledger.take_repairs()[0]
    assert ledger.durable
    assert requests(state) == 30
    record(ledger, response("k5", "s5"), response("new"))
    assert ledger.take_repairs() == []
    ledger.close()
    assert requests(state) == 31
    if removed == "replaced":
        assert (state / "ledger.db.replaced-1").read_bytes() == b"something else"


@pytest.fixture
def open_folder():
    """Yield a directory in which a user whom modes restrict, which the test becomes, may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if os.geteuid() == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(os.getuid())


@pytest.mark.slow
def test_a_directory_that_is_closed_for_a_while(open_folder):
    state = open_folder / "state"
    ledger = Ledger(state)
    record(ledger, response("before"))
    assert ledger.size_bytes() > 0
    state.chmod(0)
    record(ledger, response("meanwhile"))
    assert "Permission denied" in ledger.warning
    assert (ledger.totals[REQUESTS], ledger.durable, ledger.size_bytes()) == (2, False, 0)
    state.chmod(0o700)
    record(ledger, response("after"))
    assert (ledger.warning, ledger.durable) == ("", True)
    ledger.close()
    assert requests(state) == 3


@pytest.mark.slow
def test_another_ledger_that_appears_at_the_path_is_kept(tmp_path):
    """The home is mounted after the start of the daemon, or a backup is restored."""
    state, away = tmp_path / "state", tmp_path / "away"
    history(away, 20)
    ledger = Ledger(state)
    record(ledger, response("early"))
    state.rename(tmp_path / "hidden")
    away.rename(state)
    record(ledger, response("late"))
    assert "restart" in ledger.warning
    assert ledger.durable is False
    assert ledger.totals[REQUESTS] == 2
    ledger.close()
    assert requests(state) == 20
    assert not list(state.glob("*.replaced-*"))


@pytest.mark.slow
def test_the_lock_is_removed_and_another_daemon_starts(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, response("k1"))
    (tmp_path / "ledger.lock").unlink()
    other = Ledger(tmp_path)
    record(ledger, response("k2"))
    assert "another agtop-exporter" in ledger.warning
    assert ledger.durable is False
    record(other, response("k3"))
    other.close()
    record(ledger, response("k4"))
    assert (ledger.warning, ledger.durable) == ("", True)
    ledger.close()


@pytest.mark.slow
def test_a_new_file_is_complete_or_not_there(tmp_path, monkeypatch):
    """After a kill during a replacement, the next start finds one complete file."""
    history(tmp_path, 20)
    data = (tmp_path / "ledger.db").read_bytes()
    (tmp_path / "ledger.db").write_bytes(data[:4096] + bytes(4096) + data[8192:])

    class KilledError(BaseException):
        pass

    def die(*_):
        raise KilledError

    monkeypatch.setattr("agtop_exporter.ledger.file.finish", die)
    with pytest.raises(KilledError):
        Ledger(tmp_path)
    monkeypatch.undo()
    ledger = Ledger(tmp_path)
    assert ledger.totals[REQUESTS] == 20
    ledger.close()
    assert not (tmp_path / "ledger.db.complete").exists()


def test_no_disk_is_wanted():
    ledger = Ledger()
    ledger.record(batch(response("k")), price=price, project=project)
    ledger.commit()
    assert (ledger.durable, ledger.warning) == (None, "")
    ledger.close()
