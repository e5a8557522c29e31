"""Isolates the tests of directories that do not respond from each other."""

import pytest
from dead_folder import DeadFolder

from agtop_exporter.folders import process


@pytest.fixture(autouse=True)
def _children_of_this_test(monkeypatch, tmp_path):
    """Hide the late child processes of other tests, which may run at the same time."""
    hung_processes = process.hung_processes

    def own(seconds):
        return (
            (child, place)
            for child, place in hung_processes(seconds)
            if place.startswith(str(tmp_path))
        )

    monkeypatch.setattr(process, "hung_processes", own)


@pytest.fixture
def dead(tmp_path):
    """Yield a directory that does not respond."""
    folder = DeadFolder(tmp_path / "dead")
    yield folder
    if folder.gate.exists():
        folder.revive()
