"""Counts a home into a ledger until it is killed: `python counting_child.py HOME STATE`.

It writes a line after every step, so that its parent can choose when to kill it. It ends when it
finds nothing new and the home has a file named `complete`.
"""

import sys
from pathlib import Path

from driving import is_changed, read_on, transcripts

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger


def say(word):
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def count(home, state):
    agents = [claude.AGENT, codex.AGENT]
    ledger = Ledger(state)
    while True:
        complete = (home / "complete").exists()
        changed = [
            (agent, path)
            for agent, path in transcripts(home, agents)
            if is_changed(Path(path), ledger.cursor(agent.name, path))
        ]
        if complete and not changed:
            break
        for number, (agent, path) in enumerate(changed):
            read_on(ledger, agent, path)
            say("read")
            if number % 3 == 2:
                ledger.commit()
                say("committed")
        ledger.commit()
        say("committed")
    ledger.close()


if __name__ == "__main__":
    count(Path(sys.argv[1]), Path(sys.argv[2]))
