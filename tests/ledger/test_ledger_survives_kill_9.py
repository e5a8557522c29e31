"""A daemon that is killed at any instant and restarted has the totals of an uninterrupted run."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys

import pytest
from driving import refresh, sessions, totals
from events import record, response
from places import AGENT_FOLDERS, SUPPORT

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.schema import TABLES

pytestmark = pytest.mark.integration

KILLS = 12
AGENTS = [claude.AGENT, codex.AGENT]


def pieces(randomness):
    """Return the writes of the agents in their order: (path below the home, bytes)."""
    writing = []
    for agent in ("claude", "codex"):
        given = AGENT_FOLDERS / agent / "home"
        for path in sorted(given.rglob("*.jsonl")):
            data = path.read_bytes()
            for copy in range(3):  # the same ids in other files: nothing new
                place = path.relative_to(given)
                place = place.with_name(f"{copy}-{path.name}") if copy else place
                cuts = randomness.sample(range(len(data) + 1), min(3, len(data)))
                whole = [
                    data.rfind(b"\n", 0, cut) for cut in cuts
                ]  # before the newline of a record
                cuts = sorted({*cuts, *whole, len(data) - 1} - {-1})
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


def everything(directory):
    """Return the content of all tables of a ledger."""
    view = Ledger(directory, read_only=True)
    try:
        assert view.warning == ""
        return {table: sorted(view._state.store.all(table)) for table in TABLES}  # noqa: SLF001 - all of it
    finally:
        view.close()


def commit_until_killed(directory, instant):
    """Commit in a child process that ends at an instant; return whether it completed."""
    child = os.fork()
    if child == 0:
        try:
            ledger = Ledger(directory)
            ticks = itertools.count(1)
            ledger._state.store.file.database.set_progress_handler(  # noqa: SLF001 - in the middle of it
                lambda: next(ticks) == instant and os.kill(os.getpid(), signal.SIGKILL), 20
            )
            record(ledger, *AGAIN, offset=2)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


FIRST = [response(f"k{number}", f"s{number % 3}") for number in range(10)]
AGAIN = [response(f"k{number}", f"s{number % 4}", output=50) for number in range(5, 20)]


@pytest.mark.long
def test_a_commit_is_whole_or_nothing(tmp_path):
    """After a kill at any step of SQLite, a commit is stored completely or not at all."""
    begun, done = tmp_path / "begun", tmp_path / "done"
    for directory in (begun, done):
        ledger = Ledger(directory)
        record(ledger, *FIRST, offset=1)
        ledger.close()
    assert commit_until_killed(done, 0)
    before, after = everything(begun), everything(done)
    unchanged = {table for table in TABLES if before[table] == after[table]}
    assert unchanged <= {"old_keys", "rate_limits", "session_tools", "session_floors"}
    for instant in itertools.count(1):
        state = tmp_path / str(instant)
        shutil.copytree(begun, state)
        ended = commit_until_killed(state, instant)
        assert everything(state) in ([after] if ended else [before, after])
        if ended:
            break
    assert instant > 10


def start(home, state):
    return subprocess.Popen(
        [sys.executable, str(SUPPORT / "counting_child.py"), str(home), str(state)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])},
    )


def published(state):
    view = Ledger(state, read_only=True)
    try:
        assert view.warning == ""
        return dict(view.totals)
    finally:
        view.close()


@pytest.mark.long
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
