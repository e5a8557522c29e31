"""Reading a growing transcript in any steps gives the same result as reading it at once."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from driving import DATABASES, read_on, sessions, totals, transcripts, used
from hypothesis import given
from hypothesis import strategies as st
from thoroughness import EVERY_PREFIX_BYTES

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.slow

AGENTS = load_agents()
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
LABELLED = frozenset(  # totals whose first label is a model or a project
    {"requests", "tokens", "reasoning_tokens", "cost", "billed", "project_tokens", "project_cost"}
)


def whole(agent, path):
    ledger = Ledger()
    read_on(ledger, agent, path)
    return ledger


def lines_of(home, agent):
    """Remove the transcripts that grow by lines from a home; return them as (path, bytes)."""
    found = [
        (path, Path(path).read_bytes())
        for _, path in transcripts(home, [agent])
        if path.endswith(".jsonl")
    ]
    for path, _ in found:
        Path(path).unlink()
    return found


def instants(data):
    """Return all offsets of a small file, or those around the line ends of a larger file."""
    if len(data) <= EVERY_PREFIX_BYTES:
        return list(range(1, len(data) + 1))
    ends = [at for at in range(len(data)) if data[at : at + 1] == b"\n"]
    return sorted({at + step for at in ends for step in (0, 1, 2)} | {len(data)})


@pytest.mark.long
@every_agent
def test_byte_by_byte(agent, home):
    for path, data in lines_of(home, agent):
        grown = Ledger()
        written = 0
        with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - unbuffered
            for instant in instants(data):
                file.write(data[written:instant])
                written = instant
                read_on(grown, agent, path)
                if data[:written].endswith(b"\n"):
                    once = whole(agent, path)
                    assert whatever_label(totals(grown)) == whatever_label(totals(once))
                    assert sessions(grown) == sessions(once)
        assert whatever_label(totals(grown)) == whatever_label(totals(whole(agent, path)))
        assert sessions(grown) == sessions(whole(agent, path))


def whatever_label(series):
    """Sum over projects and models, because usage counts for the label known at that time.

    Unpriced tokens are left out: tokens without a model are unpriced until the model is known. So
    is what Copilot bills: a request of its log has the list price until the store has its credits,
    and a counter never falls. The sessions have the credits in any order.
    """
    sums = Counter()
    for (name, agent, *labels), value in series.items():
        if name != "unpriced_tokens" and (name, agent) != ("billed", "copilot"):
            sums[name, agent, *labels[name in LABELLED :]] += value
    return sums


@pytest.mark.long
@every_agent
@given(randomness=st.randoms(use_true_random=False))
def test_files_that_grow_together(agent, home, tmp_path, randomness):
    """Totals and the sessions of tokens do not depend on which file is read first."""
    base = tmp_path / "grown"
    shutil.rmtree(base, ignore_errors=True)
    shutil.copytree(home, base)
    once = Ledger()
    for _, path in transcripts(home, [agent]):
        read_on(once, agent, path)
    files = lines_of(base, agent)
    steps = []
    for path, data in files:
        cuts = [*sorted(randomness.sample(range(len(data) + 1), min(4, len(data)))), len(data)]
        steps += [(path, data[:cut]) for cut in cuts]
    order = {path: [data for each, data in steps if each == path] for path, _ in files}
    grown = Ledger()
    for _, path in transcripts(base, [agent]):  # those that are no lines
        read_on(grown, agent, path)
    while order:
        path = randomness.choice(sorted(order))
        data = order[path].pop(0)
        with open(path, "ab") as file:  # noqa: PTH123 - appended to, as an agent does
            file.write(data[file.tell() :])
        read_on(grown, agent, path)
        if not order[path]:
            del order[path]
        if randomness.random() < 0.3:
            grown.commit()
    assert whatever_label(totals(grown)) == whatever_label(totals(once))
    assert {key: (record.models, record.tools) for key, record in grown.sessions.items()} == {
        key: (record.models, record.tools) for key, record in once.sessions.items()
    }


@pytest.mark.long
@every_agent
def test_rows_that_come_one_by_one(agent, home):
    """Reading a database after each of its statements gives the same result as at the end."""
    databases = [path for _, path in transcripts(home, [agent]) if path.endswith(DATABASES)]
    if not databases:
        pytest.skip(f"{agent.name} writes no database")
    for path in databases:
        once = whole(agent, path)
        with closing(sqlite3.connect(path)) as finished:
            statements = list(finished.iterdump())
        Path(path).unlink()
        grown = Ledger()
        with closing(sqlite3.connect(path, isolation_level=None)) as growing:
            for statement in statements:
                if statement not in ("BEGIN TRANSACTION;", "COMMIT;"):
                    growing.execute(statement)
                    read_on(grown, agent, path)
        assert whatever_label(used(grown)) == whatever_label(used(once))
        assert sessions(grown) == sessions(once)
