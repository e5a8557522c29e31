"""Golden files, homes to read, and how much hypothesis may try.

`pytest --update-golden` rewrites the golden files; the diff is reviewed like code.
"""

import shutil

import pytest
from driving import build_databases
from hypothesis import HealthCheck, settings
from places import AGENT_FOLDERS

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


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
    """Copy the home of an agent to where it may be written, with its databases built."""
    given = AGENT_FOLDERS / agent.name / "home"
    if not given.is_dir():
        pytest.skip(f"{agent.name} has no golden home, as another test says")
    copy = tmp_path / "home"
    shutil.copytree(given, copy)
    build_databases(copy)
    return copy


@pytest.fixture
def close():
    """Return a function that takes every permission from paths, until the test ends."""
    closed = []

    def take(*paths):
        for path in paths:
            path.chmod(0)
            closed.append(path)

    yield take
    for path in closed:
        path.chmod(0o700)
