"""Isolates the tests of directories that do not respond from each other."""

import pytest

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
