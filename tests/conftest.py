"""Golden files, golden homes, and the settings of hypothesis.

`pytest --update-golden` rewrites the golden files; the diff is reviewed like code.
"""

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
from driving import build_databases
from hypothesis import HealthCheck, settings
from places import AGENT_FOLDERS
from thoroughness import EXAMPLES
from without_posix import unix_only

os.environ["TZ"] = "UTC"  # gptme records local times
if hasattr(time, "tzset"):  # not on Windows
    time.tzset()

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


def _skip_without():
    """Skip a test that uses a function which this system lacks.

    The same error inside the package is a failure.
    """
    try:
        return (yield)
    except AttributeError as error:
        missing = error.name in unix_only.OS | unix_only.SIGNALS | unix_only.SOCKET
        if missing and error.obj in (os, signal, socket) and _raised_by_test(error):
            pytest.skip(f"this system has no {error.obj.__name__}.{error.name}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    return (yield from _skip_without())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    return (yield from _skip_without())


def _raised_by_test(error):
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return Path(trace.tb_frame.f_code.co_filename).is_relative_to(Path(__file__).parent)


@pytest.fixture(autouse=True)
def procfs(monkeypatch):
    """Reset psutil to /proc after a test that used another proc file system."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/proc", raising=False)


@pytest.fixture
def golden(request):
    """Return a function (path, text) that compares a text with a golden file."""

    def compare(path, text):
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --update-golden, and read it"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def home(agent, tmp_path):
    """Return a writable copy of an agent's golden home, with its databases built."""
    given = AGENT_FOLDERS / agent.name / "home"
    if not given.is_dir():
        pytest.skip(f"{agent.name} has no golden home, as another test says")
    copy = tmp_path / "home"
    shutil.copytree(given, copy)
    build_databases(copy)
    return copy


@pytest.fixture
def close():
    """Return a function that removes all permissions of paths until the test ends."""
    closed = []

    def take(*paths):
        for path in paths:
            path.chmod(0)
            closed.append(path)

    yield take
    for path in closed:
        path.chmod(0o700)
