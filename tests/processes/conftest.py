"""Fixtures for tests with real processes."""

import pytest
from processes.running import Running


@pytest.fixture
def running(tmp_path):
    """Yield a starter of processes, and end the processes after the test."""
    with Running(tmp_path) as started:
        yield started
