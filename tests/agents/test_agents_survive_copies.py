"""Records that a transcript has twice, or out of order: what was used stays the same.

Synchronized folders, restored backups and writers that do not wait for each other leave copies of
records later in a file, two copies of a file riffled into each other, and swapped neighbours.
"""

import re
from collections import Counter

import pytest
from damaged_files import AGENTS, is_record, line_files, lines_of, read_all
from driving import used
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

ELSEWHERE = ("codex", "copilot")  # their running totals have tests of their own
TESTED = [agent for agent in AGENTS if agent.name not in ELSEWHERE]
each_agent = pytest.mark.parametrize("agent", TESTED, ids=lambda agent: agent.name)
COSTS = frozenset({"cost", "project_cost", "unpriced_tokens"})
TIMED = re.compile(rb'"createdAt":("?2|1)')  # Cursor's other records have nothing of their own


def is_known(agent, line):
    return is_record(line) and (agent.name != "cursor" or TIMED.search(line))


def whole(line):
    return line.rstrip(b"\r\n") + b"\n"


def sums(ledger):
    """Return what was used by kind, whatever model, tool or project it is counted for.

    Costs are left out: a summary of pi is of the model that was selected last, before or after it.
    """
    total = Counter()
    for series, value in used(ledger).items():
        if series[0] not in COSTS:
            total[series[0]] += value
    return total


def changed(agent, home, data, change):
    """Return the ledgers of a home before and after one of its files has been changed."""
    once = read_all(home, agent)
    files = [path for path in line_files(home, agent) if any(map(is_record, lines_of(path)))]
    path = data.draw(st.sampled_from(files))
    original = path.read_bytes()
    path.write_bytes(b"".join(change([whole(line) for line in lines_of(path)])))
    try:
        return once, read_all(home, agent)
    finally:
        path.write_bytes(original)


@each_agent
@given(data=st.data())
def test_copies_of_records_later_in_the_file_count_once(agent, home, data):
    def add_copies(lines):
        known = [line for line in lines if is_known(agent, line)]
        for line in data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else ():
            at = data.draw(st.integers(lines.index(line) + 1, len(lines)))
            lines.insert(at, line)
        return lines

    once, damaged = changed(agent, home, data, add_copies)
    assert used(damaged) == used(once)


@each_agent
@given(data=st.data())
def test_two_copies_in_each_other_count_once(agent, home, data):
    def riffle(lines):
        first, second, riffled = list(lines), [each for each in lines if is_known(agent, each)], []
        while first or second:
            source = second if not first or (second and data.draw(st.booleans())) else first
            riffled.append(source.pop(0))
        return riffled

    once, damaged = changed(agent, home, data, riffle)
    assert used(damaged) == used(once)


@each_agent
@given(data=st.data())
def test_swapped_neighbours_lose_nothing(agent, home, data):
    def swap(lines):
        at = data.draw(st.integers(0, max(0, len(lines) - 2)))
        lines[at : at + 2] = reversed(lines[at : at + 2])
        return lines

    once, damaged = changed(agent, home, data, swap)
    assert sums(damaged) == sums(once)
