"""Two daemons never write to one ledger, and a reader never blocks the writer."""

import os
import stat
import subprocess
import sys

import pytest
from events import record, response

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import AgtopError

pytestmark = pytest.mark.integration

REQUESTS = ("requests", "claude", "model-1")
OPEN = "import sys, pathlib, agtop_exporter.ledger as l; l.Ledger(pathlib.Path(sys.argv[1]))"


@pytest.mark.slow
def test_a_second_writer_is_refused(tmp_path):
    ledger = Ledger(tmp_path)
    with pytest.raises(AgtopError, match="--state-dir"):
        Ledger(tmp_path)
    record(ledger, response("k"))
    ledger.close()
    again = Ledger(tmp_path)
    assert again.totals[REQUESTS] == 1
    again.close()


@pytest.mark.slow
def test_a_second_process_is_refused(tmp_path):
    ledger = Ledger(tmp_path)
    second = subprocess.run(
        [sys.executable, "-c", OPEN, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "LockedError: another agtop-exporter" in second.stderr
    ledger.close()


def test_a_lock_that_was_left_behind_is_none(tmp_path):
    (tmp_path / "ledger.lock").touch()
    Ledger(tmp_path).close()


def files(directory):
    """Return all stored files. The -shm file is shared memory of readers and the writer."""
    paths = [path for path in directory.iterdir() if not path.name.endswith("-shm")]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("running", [True, False], ids=["daemon runs", "daemon stopped"])
def test_looking_changes_nothing(tmp_path, running):
    writer = Ledger(tmp_path)
    record(writer, response("k1"))
    if not running:
        writer.close()
    before = files(tmp_path)
    view = Ledger(tmp_path, read_only=True)
    assert (view.warning, view.totals[REQUESTS]) == ("", 1)
    record(view, response("k1"), response("k2"))
    assert view.totals[REQUESTS] == 2
    view.close()
    after = files(tmp_path)
    assert {name: after.get(name) for name in before} == before
    assert {name for name, data in after.items() if data} == {n for n, d in before.items() if d}
    if running:
        record(writer, response("k3"))
        writer.close()
    last = Ledger(tmp_path, read_only=True)
    assert last.totals[REQUESTS] == 1 + running
    last.close()


def test_a_view_is_of_one_moment(tmp_path):
    writer = Ledger(tmp_path)
    record(writer, response("k1"))
    view = Ledger(tmp_path, read_only=True)
    record(writer, response("k2"))
    record(view, response("k2"), response("k3"))
    assert view.totals[REQUESTS] == 3
    view.close()
    writer.close()


def test_an_empty_view(tmp_path):
    view = Ledger(tmp_path / "missing", read_only=True)
    record(view, response("k"))
    assert (view.warning, view.totals[REQUESTS]) == ("", 1)
    view.close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_it(tmp_path):
    """It contains paths, titles and working directories."""
    old = os.umask(0)
    try:
        ledger = Ledger(tmp_path / "a" / "state")
        record(ledger, response("k"))
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (tmp_path / "a" / "state").iterdir()
        }
        assert set(modes) >= {"ledger.db", "ledger.db-wal", "ledger.lock"}
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE((tmp_path / "a" / "state").stat().st_mode) == 0o700
        ledger.close()
    finally:
        os.umask(old)
