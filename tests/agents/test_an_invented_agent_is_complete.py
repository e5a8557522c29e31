"""An agent can be added by the steps of "Add an agent" in README.md, in one module."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from places import TESTS
from processes.running import IDLE, Running
from running import PATIENCE_SECONDS, environment, samples_of, total

import agtop_exporter
from agtop_exporter.agents import Agent, load_agents

pytestmark = pytest.mark.integration

MODULE = TESTS / "support" / "invented" / "dreamer.py"
RESUMED = "dream-11111111-1111-4111-8111-111111111111"
REGISTERED = "dream-22222222-2222-4222-8222-222222222222"
SESSION = '{"type":"session","time":"2026-03-02T10:00:00Z","cwd":"/nowhere"}\n'
RESPONSE = (
    '{"type":"response","id":"r%d","time":"2026-03-02T10:0%d:00Z","model":"claude-sonnet-4-5",'
    '"inputTokens":1000,"outputTokens":10}\n'
)


@pytest.fixture
def program(tmp_path):
    """Return a function that runs the package with one additional module."""
    site = tmp_path / "site"
    package = site / "agtop_exporter"
    shutil.copytree(Path(agtop_exporter.__file__).parent, package)
    shutil.copy(MODULE, package / "agents")

    def run(*arguments, home, **more):
        done = subprocess.run(
            [sys.executable, "-m", "agtop_exporter", *arguments, "--no-state"],
            env=environment(home, PYTHONPATH=str(site), AGTOP_NO_PRICING_REFRESH="true", **more),
            cwd=site,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def home(tmp_path):
    """Return a home with two transcripts, one invalid line, and one record of an unknown type."""
    home = tmp_path / "home"
    sessions = home / ".dreamer" / "sessions"
    sessions.mkdir(parents=True)
    (sessions / f"{RESUMED}.jsonl").write_text(SESSION + RESPONSE % (1, 1) + "{broken\n")
    (sessions / f"{REGISTERED}.jsonl").write_text(
        SESSION + RESPONSE % (2, 2) + '{"type":"nightmare"}\n' + RESPONSE % (3, 3)
    )
    (home / ".dreamer" / "plan").write_text("Dream Pro")
    return home


def found(document):
    return {session["session_id"]: session for session in document["sessions"]}


@pytest.mark.long
def test_it_is_scanned_and_priced(program, home):
    sessions = found(json.loads(program("--once", "--json", home=home).stdout))
    assert {name: one["agent"] for name, one in sessions.items()} == {
        RESUMED: "dreamer",
        REGISTERED: "dreamer",
    }
    assert sessions[REGISTERED]["tokens"]["total"] == 2020
    assert sessions[REGISTERED]["cost"]["total_usd"] == pytest.approx(0.0063)
    assert sessions[REGISTERED]["subscription"] == "Dream Pro"
    assert sessions[REGISTERED]["started_at"].startswith("2026-03-02T10:00:00")


@pytest.mark.long
def test_it_is_selected_by_its_alias_and_covered_by_its_plan(program, home):
    chosen = program(
        "--once", "--json", "--agent", "dream-code", "--plan", "dreamer-max", home=home
    )
    sessions = found(json.loads(chosen.stdout))
    assert {one["cost"]["billed_usd"] for one in sessions.values()} == {0.0}
    none = program("--once", "--json", "--agent", "dream-coder", home=home)
    assert none.returncode == 2
    assert "dreamer" in none.stderr


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_is_matched_to_its_processes(program, home, tmp_path):
    with Running(tmp_path) as running:
        dreamer = running.program("dreamer")
        resumed = running.start(dreamer, "-c", IDLE, "--resume", RESUMED)
        registered = running.start(dreamer, "-c", IDLE)
        start = psutil.Process(registered.pid).create_time()
        live = home / ".dreamer" / "live" / str(registered.pid)
        live.parent.mkdir()
        live.write_text(f"{REGISTERED} {start + 1}")
        answer = program("--once", "--json", home=home, AGTOP_PROCFS=str(running.proc))
    sessions = found(json.loads(answer.stdout))
    matches = {
        name: (one["pid"], one["match_evidence"], one["match_confidence"])
        for name, one in sessions.items()
    }
    assert matches == {
        RESUMED: (resumed.pid, ["argv"], "high"),
        REGISTERED: (registered.pid, ["registry"], "high"),
    }


@pytest.mark.long
def test_its_format_drift_is_counted(program, home):
    samples = samples_of(program("--once", home=home).stdout)
    assert total(samples, "agtop_unknown_records_total", agent="dreamer") == 1
    assert total(samples, "agtop_parse_errors_total", agent="dreamer", reason="json") == 1
    assert total(samples, "agtop_tokens_total", agent="dreamer") == 3030


@pytest.mark.long
def test_doctor_reports_it(program, home):
    report = program("doctor", home=home)
    assert report.returncode == 1
    folder = home / ".dreamer" / "sessions"
    assert f"dreamer      2 files, 2 sessions, 6 records in {folder}\n" in report.stdout
    assert f", the first at {folder / RESUMED}.jsonl:" in report.stdout
    assert "nightmare (1)\n" in report.stdout
    assert "dreams that nobody remembers\n" in report.stdout
    findings = json.loads(program("doctor", "--json", home=home).stdout)["agents"]
    (finding,) = [one for one in findings if one["agent"] == "dreamer"]
    assert finding["unknown_records"] == {"nightmare": 1}
    assert finding["known_types"] == ["response", "session"]


# --- README.md ------------------------------------------------------------------------------


def section():
    """Return the section "Add an agent" of README.md."""
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    return readme.split("### Add an agent\n")[1].split("\n#")[0].split("\nDependencies")[0]


def test_the_readme_describes_every_field():
    described = re.findall(r"^ *\| `(\w+)` \|", section(), re.MULTILINE)
    assert described == list(Agent.__struct_fields__)


def test_the_readme_lists_the_files_that_every_agent_has():
    listed = re.findall(r"`([\w./]*NAME[\w./]*)`", section())
    of_tests = {path for path in listed if path.startswith("tests/")}
    assert len(of_tests) >= 3
    for agent in load_agents():
        for path in of_tests:
            assert os.path.lexists(TESTS.parent / path.replace("NAME", agent.name)), path
    assert f"`{MODULE.relative_to(TESTS.parent)}`" in section()
