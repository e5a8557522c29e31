"""`agtop_exporter.snapshot` can be called from any program, and leaves nothing behind."""

import gc
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import structlog
from places import ROOT
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

import agtop_exporter
from agtop_exporter.ledger import Ledger

NOW = 1_800_000_000.0


def scan(home, **given):
    return agtop_exporter.snapshot(home, environment={}, now=NOW, **given)


@pytest.fixture
def used(tmp_path):
    """Return a home with two turns of one session."""
    claude_file(tmp_path).write_text(claude_turns(1, range(2)))
    return tmp_path


def tokens_of(snapshot):
    return sum(session.tokens.total for session in snapshot.sessions)


@pytest.mark.slow
def test_every_session_of_a_home_is_returned(used):
    found = scan(used)
    assert tokens_of(found) == 2 * TOKENS_OF_A_TURN
    assert isinstance(found, agtop_exporter.Snapshot)
    assert isinstance(found.sessions[0], agtop_exporter.Session)
    assert found.sessions[0].cost.total > 0
    assert (found.generated_at, found.errors) == (NOW, ())
    assert list(used.iterdir()) == [used / ".claude"]


@pytest.mark.long
def test_threads_may_call_it_at_the_same_time(used):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scan, [used] * 8))
    assert [tokens_of(one) for one in found] == [2 * TOKENS_OF_A_TURN] * 8


@pytest.mark.slow
def test_configuration_and_processes_stay_as_they_were(used, monkeypatch):
    events = []
    monkeypatch.setattr(structlog, "configure", events.append)
    before, children = (gc.isenabled(), structlog.get_config()), psutil.Process().children()
    scan(used)
    scan(used)
    assert (gc.isenabled(), structlog.get_config()) == before
    assert events == []
    assert set(psutil.Process().children()) <= set(children)


@pytest.mark.slow
def test_many_files_are_read_in_this_process(used, monkeypatch):
    monkeypatch.setattr("agtop_exporter.pipeline.scan.PARALLEL_BYTES", 0)
    monkeypatch.setattr("agtop_exporter.pipeline.children.start_child", pytest.fail)
    assert tokens_of(scan(used)) == 2 * TOKENS_OF_A_TURN


@pytest.mark.slow
def test_a_ledger_keeps_deleted_sessions(used):
    state = used / "state"
    scan(used, state_dir=state)
    claude_file(used).unlink()
    claude_file(used, 2).write_text(claude_answer(2, 0))
    assert tokens_of(scan(used, state_dir=state)) == 3 * TOKENS_OF_A_TURN


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"agents": ["clod"]}, "agent: no such agent: clod"),
        ({"plan": "gold"}, "plan: expected retail, max or included, got 'gold'"),
    ],
)
def test_a_wrong_argument_is_named(used, given, words):
    with pytest.raises(agtop_exporter.SettingsError, match=re.escape(words)):
        scan(used, **given)


def test_a_missing_home_is_named(used):
    with pytest.raises(agtop_exporter.AgtopError, match="absent is not a directory"):
        scan(used / "absent")


@pytest.mark.slow
def test_a_ledger_that_another_process_writes_is_not_touched(used):
    ledger = Ledger(used / "state")
    with pytest.raises(agtop_exporter.AgtopError):
        scan(used, state_dir=used / "state")
    ledger.close()


@pytest.mark.slow
def test_variables_of_this_program_are_ignored(used, monkeypatch):
    monkeypatch.setenv("AGTOP_AGENT", "codex")
    monkeypatch.setenv("AGTOP_UNKNOWN", "1")
    assert tokens_of(scan(used)) == 2 * TOKENS_OF_A_TURN


@pytest.mark.slow
def test_one_agent_is_read(used):
    assert scan(used, agents=["codex"]).sessions == ()


@pytest.mark.slow
def test_the_example_of_the_readme(used, capsys):
    section = (ROOT / "README.md").read_text().partition("## Library\n")[2].partition("\n`")[0]
    example = textwrap.dedent(section)
    assert "/home/ada" in example
    exec(example.replace("/home/ada", str(used)), {})  # noqa: S102 - the README is ours
    assert re.fullmatch(r"claude alpha 400 0\.\d+\n", capsys.readouterr().out)


def test_every_public_name_exists():
    for name in agtop_exporter.__all__:
        assert getattr(agtop_exporter, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agtop_exporter.nothing


@pytest.mark.slow
@pytest.mark.integration
def test_importing_the_package_imports_nothing_else():
    code = "import sys, agtop_exporter; print([m for m in sys.modules if 'msgspec' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
