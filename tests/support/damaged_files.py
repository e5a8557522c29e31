"""What the tests of damaged transcripts share: the lines of a home, and how it is read."""

from pathlib import Path

from driving import read_on, transcripts
from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

AGENTS = [  # those that write files with lines
    agent for agent in load_agents() if any((AGENT_FOLDERS / agent.name / "home").rglob("*.jsonl"))
]


def files_of(home, agent):
    return [Path(path) for _, path in transcripts(home, [agent])]


def line_files(home, agent):
    return [path for path in files_of(home, agent) if path.suffix == ".jsonl"]


def read_all(home, agent):
    ledger = Ledger()
    for path in files_of(home, agent):
        read_on(ledger, agent, str(path))
    ledger.commit()
    return ledger


def is_record(line):
    return line.startswith(b"{") and line.rstrip().endswith(b"}")


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def ambiguous(ledger):
    """Return the number of records that may be copies."""
    series = [each for each in ledger.totals if each[0] == "parse_errors"]
    return sum(ledger.totals[each] for each in series if each[-1] == "ambiguous")
