"""An unreadable file is reported, and no descriptor stays open."""

import os
from pathlib import Path

import pytest
from running import run_unprivileged
from small_homes import claude_file, claude_turns
from tailing import read

from agtop_exporter.reading.files import NotAFileError

pytestmark = pytest.mark.integration

NOBODY = 65534
FLAGS = ("--no-state", "--no-pricing-refresh")


@pytest.fixture
def unprivileged():
    """Run as another user if the tests run as root, because modes do not restrict root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_bytes(b"one\n")
    path.chmod(0)
    yield path
    folder.chmod(0o700)


def test_no_permission(secret, request):
    request.getfixturevalue("unprivileged")
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(PermissionError) as caught:
        read(secret)
    assert not isinstance(caught.value, NotAFileError)
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.long
def test_a_folder_without_permission_is_reported_and_hides_no_other(tmp_path, close):
    for number, project in enumerate(["-tmp-open", "-tmp-closed", "-tmp-sealed"], start=1):
        claude_file(tmp_path, number, project).write_text(claude_turns(number, [0]))
    folder = tmp_path / ".claude" / "projects" / "-tmp-closed"
    close(folder)
    close(folder.with_name("-tmp-sealed"))
    done = run_unprivileged("agtop-exporter", "--once", *FLAGS, home=tmp_path)
    assert done.returncode == 0
    assert "cannot read file: agent=claude file=a folder reason=Permission denied" in done.stderr
    doctor = run_unprivileged("agtop-exporter", "doctor", *FLAGS, home=tmp_path)
    assert str(folder) in doctor.stdout
    assert 'agtop_scan_errors_total{agent="claude"} 1\n' in done.stdout  # one scan failed
    assert 'agtop_agent_up{agent="claude"} 0\n' in done.stdout
    assert 'agtop_sessions_started_total{agent="claude"} 1\n' in done.stdout
