"""A file with arbitrary bytes is reported, and every other file is counted in full."""

import random
import shutil
import sqlite3
import sys
from contextlib import closing

import pytest
from driving import DATABASES, refresh, transcripts, used
from mangling import damaged_homes, paths_of, read_all, sums, sums_without, unrelated
from thoroughness import THOROUGH

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor

pytestmark = pytest.mark.slow

AGENTS = load_agents()
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
CUTS = 8 if THOROUGH else 4  # of each file; lines are cut at every byte where growth is tested
HUGE_CHARACTERS = 9 * 1024 * 1024  # longer than a line may be and stay whole


@pytest.mark.long
@every_agent
def test_damage_costs_only_itself(agent, home, tmp_path):
    paths = paths_of(agent, home)
    files = {path: unrelated(path, paths) for path in paths}
    rest = {path: sums_without(agent, path, files[path]) for path in paths}
    for number, (path, way) in enumerate(damaged_homes(agent, home, random.Random(7))):
        ledger = read_all(agent, files[path], tmp_path / f"state{number}")
        assert not rest[path] - sums(ledger), (path.name, way)
        assert ledger.warning == "", (path.name, way)
        assert all(value >= 0 for value in ledger.totals.values()), (path.name, way)
        assert ("parse_errors", agent.name, "negative") not in ledger.totals, (path.name, way)
        if way in ("random_bytes", "random_lines") and not is_whole(path):
            assert errors(ledger), (path.name, way)
        ledger.close()


def errors(ledger):
    return sum(value for series, value in ledger.totals.items() if series[0] == "parse_errors")


def is_whole(path):
    """Return whether a file counts only when it is complete, as a JSON document does."""
    return path.suffix in (".json", ".log")


@pytest.mark.long
@every_agent
def test_cut_anywhere(agent, home):
    """A truncated file never has larger figures than the complete file."""
    chance, paths = random.Random(8), paths_of(agent, home)
    for path in paths:
        files = unrelated(path, paths)
        original, whole = path.read_bytes(), sums(read_all(agent, files))
        for end in chance.sample(range(len(original)), min(len(original), CUTS)):
            path.write_bytes(original[:end])
            assert not sums(read_all(agent, files)) - whole, (path.name, end)
        path.write_bytes(original)


@every_agent
def test_locked_databases_are_read_later(agent, home):
    databases = [path for _, path in transcripts(home, [agent]) if path.endswith(DATABASES)]
    if not databases:
        pytest.skip(f"{agent.name} writes no database")
    once = Ledger()
    refresh(once, home, [agent])
    for path in databases:
        ledger = Ledger()
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            with pytest.raises(OSError, match="locked"):
                agent.read(path, Cursor())
            writer.execute("ROLLBACK")
        refresh(ledger, home, [agent])
        assert used(ledger) == used(once)


@pytest.mark.long
@every_agent
def test_a_huge_text_costs_no_figure(agent, home):
    """The longest text of every record is extended beyond the limit for a line."""
    once = Ledger()
    refresh(once, home, [agent])
    for path in (path for path in paths_of(agent, home) if path.suffix == ".jsonl"):
        data = path.read_bytes()
        at = data.find(b'"text":"') + len(b'"text":"')
        if at < len(b'"text":"'):
            continue
        path.write_bytes(data[:at] + b"x" * HUGE_CHARACTERS + data[at:])
        ledger = Ledger()
        refresh(ledger, home, [agent])
        assert used(ledger) == used(once), path.name
        path.write_bytes(data)


# --- files that vanish while they are read ----------------------------------------------------

OPENING = frozenset({"open", "os.scandir", "os.listdir", "sqlite3.connect"})


class Vanishing:
    """Deletes a home when a path in it is opened for the n-th time."""

    def __init__(self) -> None:
        self.home = None
        self.left = 0

    def look(self, event, arguments):
        """Handle an audit event of the interpreter."""
        if self.home is None or event not in OPENING or str(self.home) not in str(arguments[:1]):
            return
        self.left -= 1
        if self.left == 0:
            home, self.home = self.home, None
            shutil.rmtree(home)


VANISHING = Vanishing()
sys.addaudithook(VANISHING.look)  # cannot be removed; inactive by default


@pytest.mark.long
@every_agent
def test_files_that_vanish_while_they_are_read(agent, home, tmp_path):
    """A file may be deleted at any time. The result is an OSError or no file."""
    for number in range(1, 200):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(home, copy)
        VANISHING.home, VANISHING.left = copy, number
        try:
            read_all(agent, paths_of(agent, copy))
        finally:
            left, VANISHING.home = VANISHING.left, None
        if left > 0:
            return  # it is opened less often
    pytest.fail("a home is opened too often")
