"""Records that a file has again count once: tools that synchronize files append them, and resumes.

The copies are equal, and each follows its original.
"""

from pathlib import Path

import pytest
from driving import read_on, transcripts, used
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.slow

AGENTS = [agent for agent in load_agents() if agent.name in ("codex", "copilot")]
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


def read_all(home, agent):
    ledger = Ledger()
    for _, path in transcripts(home, [agent]):
        read_on(ledger, agent, path)
    ledger.commit()
    return used(ledger)


def lines_of(path):
    return [line.rstrip(b"\n") + b"\n" for line in path.read_bytes().splitlines(keepends=True)]


def used_if_changed(agent, home, data, change):
    """Return what a home uses, and what it uses with the lines of one file changed."""
    files = [
        Path(path)
        for _, path in transcripts(home, [agent])
        if path.endswith(".jsonl") and Path(path).read_bytes().endswith(b"\n")
    ]
    path = data.draw(st.sampled_from(files))
    original = path.read_bytes()
    once = read_all(home, agent)
    path.write_bytes(b"".join(change(lines_of(path))))
    try:
        return once, read_all(home, agent)
    finally:
        path.write_bytes(original)


@every_agent
@given(data=st.data())
def test_a_record_that_comes_again_later(agent, home, data):
    def change(lines):
        for _ in range(data.draw(st.integers(1, 4))):
            copied = data.draw(st.integers(0, len(lines) - 1))
            place = data.draw(st.integers(copied + 1, len(lines)))
            lines.insert(place, lines[copied])
        return lines

    once, again = used_if_changed(agent, home, data, change)
    assert again == once


@every_agent
@given(data=st.data())
def test_a_part_that_comes_again(agent, home, data):
    def change(lines):
        begin = data.draw(st.integers(0, len(lines) - 1))
        end = data.draw(st.integers(begin + 1, len(lines)))
        place = data.draw(st.integers(end, len(lines)))
        return [*lines[:place], *lines[begin:end], *lines[place:]]

    once, again = used_if_changed(agent, home, data, change)
    assert again == once


@every_agent
@given(data=st.data())
def test_two_copies_of_a_file_of_which_the_records_alternate(agent, home, data):
    def change(lines):
        places = data.draw(
            st.lists(st.integers(0, len(lines)), min_size=len(lines), max_size=len(lines))
        )
        mixed = []
        for at, line in enumerate(lines):
            mixed.append((at, 0, line))
            mixed.append((max(at, *sorted(places)[: at + 1]), 1 + at, line))
        return [line for _, _, line in sorted(mixed, key=lambda each: each[:2])]

    once, again = used_if_changed(agent, home, data, change)
    assert again == once


@every_agent
def test_files_that_follow_themselves(agent, home):
    """Each file is appended to itself, twice."""
    once = read_all(home, agent)
    for _, name in transcripts(home, [agent]):
        path = Path(name)
        if path.suffix == ".jsonl" and path.read_bytes().endswith(b"\n"):
            path.write_bytes(path.read_bytes() * 3)
    assert read_all(home, agent) == once
