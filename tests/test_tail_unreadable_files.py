"""A file that may not be read says so, and leaves nothing open."""

import os
from pathlib import Path

import pytest
from tailing import read

from agtop_exporter.agents import walk
from agtop_exporter.tail import NotAFileError

NOBODY = 65534


@pytest.fixture
def unprivileged():
    """Be nobody for a while, where the tests run as root, whom no mode stops."""
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


def test_a_folder_without_permission_is_passed_over(secret, request):
    secret.parent.chmod(0)
    request.getfixturevalue("unprivileged")
    assert list(walk(secret.parent.parent, suffix=".jsonl", depth=3)) == []
