"""Kill a counting process many times while another process writes, and compare the tokens.

    PYTHONPATH=tests/support python tests/bench/kills.py [--kills 200]

Each time, a child process opens the ledger and counts the transcripts of a home, while this process
appends incomplete and complete records to them. After a random number of steps, the child gets
SIGKILL. At the end, a child counts the rest. The exit status is 1 if tokens are lost or counted
twice, or if a total has decreased.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from counting_child import count
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.ledger import Ledger

SESSIONS = 8
STEPS_MAX = 30  # a step is a file that was read, or a commit


class Writer:
    """Appends turns to the transcripts of a home, in pieces that end anywhere."""

    def __init__(self, home, chance):
        self.turns = 0
        self._home = home
        self._chance = chance
        self._rest = dict.fromkeys(range(1, SESSIONS + 1), b"")  # of the last record

    def write(self):
        """Append the rest of the last turn of a session, and the beginning of another turn."""
        number = self._chance.choice(list(self._rest))
        turn = claude_turns(number, [self.turns]).encode()
        self.turns += 1
        cut = self._chance.randrange(len(turn) + 1)
        self._append(number, self._rest[number] + turn[:cut])
        self._rest[number] = turn[cut:]

    def finish(self):
        """Complete the last turn of every session."""
        for number, rest in self._rest.items():
            self._append(number, rest)

    def _append(self, number, data):
        with claude_file(self._home, number).open("ab") as file:
            file.write(data)


def start(home, state):
    """Start a child that counts. Return (process id, a file with a line for each of its steps)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            sys.stdout = os.fdopen(write, "w")
            count(home, state)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    return child, os.fdopen(read)


def stored(state):
    """Return the totals on disk."""
    view = Ledger(state, read_only=True)
    assert not view.warning, view.warning
    totals = dict(view.totals)
    view.close()
    return totals


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    chance, before, fallen, repairs = random.Random(chosen.seed), {}, 0, 0
    with tempfile.TemporaryDirectory() as place:
        home, state = Path(place) / "home", Path(place) / "state"
        writer = Writer(home, chance)
        for _ in range(chosen.kills):
            writer.write()
            child, steps = start(home, state)
            for _ in range(chance.randrange(STEPS_MAX)):
                writer.write()
                steps.readline()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            steps.close()
            if (state / "ledger.db").exists():
                after = stored(state)
                fallen += sum(after.get(series, 0) < value for series, value in before.items())
                before = after
            repairs += len(list(state.glob("*.damaged-*")))
        writer.finish()
        (home / "complete").touch()
        child, steps = start(home, state)
        steps.read()
        assert os.waitpid(child, 0)[1] == 0
        counted = sum(value for series, value in stored(state).items() if series[0] == "tokens")
    written = writer.turns * TOKENS_OF_A_TURN
    print(f"{chosen.kills} kills, {writer.turns} turns, {repairs} repairs")
    print(f"tokens written {written}, counted {counted}, lost {max(0, written - counted)}")
    print(f"totals that decreased: {fallen}")
    sys.exit(bool(counted != written or fallen))


if __name__ == "__main__":
    main()
