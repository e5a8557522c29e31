"""A daemon that is killed at any instant, and started again, counts as one that never was."""

import os
import random
import subprocess
import sys
from pathlib import Path

from conftest import AGENT_FOLDERS
from driving import refresh, sessions, totals

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger

KILLS = 12
TESTS = Path(__file__).parent
AGENTS = [claude.AGENT, codex.AGENT]


def pieces(randomness):
    """Return what the agents will write, in their order: (place below the home, bytes)."""
    writing = []
    for agent in ("claude", "codex"):
        given = AGENT_FOLDERS / agent / "home"
        for path in sorted(given.rglob("*.jsonl")):
            data = path.read_bytes()
            for copy in range(3):  # the same ids in other files: nothing new
                place = path.relative_to(given)
                place = place.with_name(f"{copy}-{path.name}") if copy else place
                cuts = sorted(randomness.sample(range(len(data) + 1), min(4, len(data))))
                parts = zip([0, *cuts], [*cuts, len(data)], strict=True)
                writing.append([(place, data[begin:end]) for begin, end in parts])
    order = [number for number, parts in enumerate(writing) for _ in parts]
    randomness.shuffle(order)
    return [writing[number].pop(0) for number in order]


def write(home, written):
    for place, data in written:
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        with (home / place).open("ab") as file:
            file.write(data)


def start(home, state):
    return subprocess.Popen(
        [sys.executable, str(TESTS / "counting_child.py"), str(home), str(state)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
    )


def published(state):
    view = Ledger(state, read_only=True)
    try:
        assert view.warning == ""
        return dict(view.totals)
    finally:
        view.close()


def test_kill_9(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    randomness = random.Random(20260302)
    writing = pieces(randomness)
    share = len(writing) // KILLS
    before = {}
    for _ in range(KILLS):
        write(home, writing[:share])
        del writing[:share]
        with start(home, state) as child:
            for _ in range(randomness.randrange(1, 12)):
                child.stdout.readline()
            child.kill()
        after = published(state)
        assert not {series for series, value in before.items() if after[series] < value}
        before = after
    write(home, writing)
    (home / "complete").touch()
    with start(home, state) as child:
        child.communicate()
    assert child.returncode == 0
    truth = Ledger()
    refresh(truth, home, AGENTS)
    ledger = Ledger(state)
    found = {series: value for series, value in totals(ledger).items() if value}
    assert found == {series: value for series, value in totals(truth).items() if value}
    assert {key: session["models"] for key, session in sessions(ledger).items()} == {
        key: session["models"] for key, session in sessions(truth).items()
    }
    ledger.close()
