"""A file that an environment variable names is read, even outside of the agent's directories."""

import json
import shutil

import pytest
from driving import build_databases
from places import AGENT_FOLDERS
from running import run

pytestmark = pytest.mark.integration

FLAGS = ("--once", "--json", "--no-state", "--no-pricing-refresh")


@pytest.fixture
def home(tmp_path):
    """Return a home without files."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def sessions(home, **environment):
    done = run("agtop-exporter", *FLAGS, home=home, **environment)
    return json.loads(done.stdout)["sessions"]


@pytest.mark.slow
def test_of_opencode(tmp_path, home):
    script = AGENT_FOLDERS / "opencode/home/.local/share/opencode/opencode.db.sql"
    shutil.copy(script, tmp_path / "mine.db.sql")
    build_databases(tmp_path)
    assert sessions(home) == []
    found = sessions(home, OPENCODE_DB=tmp_path / "mine.db")
    assert sum(session["tokens"]["total"] for session in found) > 0


@pytest.mark.slow
def test_of_geminis_telemetry(tmp_path, home):
    telemetry = tmp_path / "telemetry.txt"
    shutil.copy(AGENT_FOLDERS / "gemini/home/.gemini/telemetry.log", telemetry)
    found = sessions(home, GEMINI_TELEMETRY_OUTFILE=telemetry)
    assert sum(session["tokens"]["total"] for session in found) > 0


@pytest.mark.slow
def test_of_antigravitys_server(tmp_path, home):
    usual = AGENT_FOLDERS / "antigravity/home/.gemini/antigravity-acp"
    shutil.copytree(usual, tmp_path / "mine/antigravity-acp")
    build_databases(tmp_path)
    found = sessions(home, GEMINI_HOME=tmp_path / "mine")
    assert [session["project"] for session in found] == ["loom"]
