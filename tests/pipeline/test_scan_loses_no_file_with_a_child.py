"""A child process that dies or cannot start costs no file. A stopped scan leaves no child."""

import multiprocessing
import os
import signal
from pathlib import Path

import msgspec
import pytest
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import claude, load_agents
from agtop_exporter.agents.claude.reader import REMEMBERED_TOOLS
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.model import Cursor
from agtop_exporter.pipeline import children, one_file, scan
from agtop_exporter.pipeline.files import Work

pytestmark = pytest.mark.integration

AGENTS = {agent.name: agent for agent in load_agents()}


@pytest.fixture
def works(tmp_path, monkeypatch):
    """Forty files, read in many tasks."""
    monkeypatch.setattr(scan, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(children, "TASK_BYTES", 1)
    found = []
    for number in range(40):
        path = claude_file(tmp_path, number)
        path.write_text(claude_turns(number, range(3)))
        found.append(Work("claude", str(path), Cursor(), path.stat().st_size, number))
    return found


def read(works, *, stopping=lambda: False):
    return scan.read_all(works, AGENTS, progress=lambda *_: None, stopping=stopping)


def names(works):
    return [item.path for item in works]


@pytest.mark.long
def test_all_files_in_the_order_of_their_dates(works):
    assert [batch.path for batch in read(works[::-1])] == names(works)
    assert multiprocessing.active_children() == []


@pytest.mark.long
@pytest.mark.parametrize(("processors", "children_max", "expected"), [(8, 1, 1), (2, 4, 2)])
def test_no_more_children_than_allowed(works, monkeypatch, processors, children_max, expected):
    monkeypatch.setattr(children.platforms, "cpu_count", lambda: processors)
    counts = {
        len(multiprocessing.active_children())
        for _ in scan.read_all(
            works,
            AGENTS,
            progress=lambda *_: None,
            stopping=lambda: False,
            children_max=children_max,
        )
    }
    assert max(counts) == expected


@pytest.mark.long
@pytest.mark.parametrize("after", [0, 1, 20, 39])
def test_a_child_dies(works, after):
    found = []
    for number, batch in enumerate(read(works)):
        found.append(batch.path)
        if number == after:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    assert found == names(works)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_children_that_are_started_ahead_read_the_files(works, monkeypatch):
    monkeypatch.setattr(children.platforms, "cpu_count", lambda: 2)
    children.start_ahead(4)
    waiting = {child.pid for child in multiprocessing.active_children()}
    assert len(waiting) == 2
    monkeypatch.setattr(children, "start_child", pytest.fail)
    assert [batch.path for batch in read(works)] == names(works)
    assert multiprocessing.active_children() == []


def test_children_that_cannot_be_started_ahead(monkeypatch):
    def refuse():
        raise BlockingIOError

    monkeypatch.setattr(children, "start_child", refuse)
    children.start_ahead(4)
    assert multiprocessing.active_children() == []


def test_children_that_were_not_needed_are_ended(monkeypatch):
    monkeypatch.setattr(children.platforms, "cpu_count", lambda: 2)
    children.start_ahead(4)
    children.end_waiting()
    assert multiprocessing.active_children() == []


def remembering_much(item):
    """Return work for an appended file whose reader state is large."""
    place = claude.read(item.path, item.cursor).cursor
    tools = {f"tool-{number}": "long name " * 300 for number in range(REMEMBERED_TOOLS)}
    memory = TranscriptState(session_id="s", tools=tools)
    with Path(item.path).open("a") as file:
        file.write(claude_turns(item.mtime_ns, [9]))
    cursor = msgspec.structs.replace(place, state=msgspec.msgpack.encode(memory))
    return Work("claude", item.path, cursor, 1, item.mtime_ns)


@pytest.mark.long
def test_orders_and_answers_that_no_pipe_holds(works, monkeypatch):
    """Parent and child must not wait for each other."""
    monkeypatch.setattr(children, "TASK_BYTES", 1024 * 1024)
    monkeypatch.setattr(children.os, "sched_getaffinity", lambda _: {0})
    works = [remembering_much(item) for item in works]
    signal.alarm(30)  # time limit of the tests
    try:
        assert [batch.path for batch in read(works)] == names(works)
    finally:
        signal.alarm(0)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1])
def test_a_child_cannot_start(works, monkeypatch, first):
    start, started = children.start_child, []

    def start_some():
        if len(started) == first:
            raise BlockingIOError
        started.append(start())
        return started[-1]

    monkeypatch.setattr(children, "start_child", start_some)
    monkeypatch.setattr(children.os, "sched_getaffinity", lambda _: {0, 1})
    assert [batch.path for batch in read(works)] == names(works)
    assert multiprocessing.active_children() == []


@pytest.mark.long
def test_r13_they_are_few_however_many_processors_there_are(works, monkeypatch):
    monkeypatch.setattr(children.os, "sched_getaffinity", lambda _: set(range(64)))
    most = 0
    for _ in read(works):
        most = max(most, len(multiprocessing.active_children()))
    assert 1 <= most <= 4


@pytest.mark.long
@pytest.mark.parametrize("after", [0, 1, 7, 39])
def test_it_is_stopped(works, after):
    found = []
    for batch in read(works, stopping=lambda: len(found) > after):
        found.append(batch.path)  # noqa: PERF401 - `stopping` looks at it
    assert found == names(works)[: after + 1]
    assert multiprocessing.active_children() == []


@pytest.mark.long
def test_closing_the_results_ends_the_children(works):
    results = read(works)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


class Stuck:
    """Files whose read never returns in the child processes."""

    def __init__(self, monkeypatch, *names):
        read, self.write = os.pipe()

        def read_one(item, agents):
            if Path(item.path).name in names:
                os.read(read, 1)
            return one_file.read_one(item, agents)

        monkeypatch.setattr(children, "read_one", read_one)
        monkeypatch.setattr(children, "ANSWER_SECONDS", 1)
        monkeypatch.setattr(children.threading, "active_count", lambda: 1)


@pytest.mark.long
@pytest.mark.parametrize("number", [0, 20, 39])
def test_a_child_does_not_return(works, monkeypatch, number):
    """Its file is reported. Unstarted files and files of other agents are read."""
    path = works[number].path
    Stuck(monkeypatch, Path(path).name)
    other = [msgspec.structs.replace(works[5], agent="codex"), *works]
    results = list(read(other))
    failures = [result for result in results if isinstance(result, one_file.Failure)]
    assert failures == [one_file.Failure("claude", path, "does not respond")]
    assert "codex" in {result.agent for result in results}
    read_ones = [result.path for result in results if result.agent == "claude"]
    assert set(names(works[: number + 1])) <= set(read_ones)
    assert len(set(read_ones)) == len(read_ones)
    assert multiprocessing.active_children() == []


@pytest.mark.long
def test_no_child_returns(works, monkeypatch):
    Stuck(monkeypatch, *(Path(item.path).name for item in works))
    results = list(read(works))
    assert results
    assert {(result.agent, result.reason) for result in results} == {("claude", "does not respond")}
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_scan_with_a_child_that_does_not_return_can_be_stopped(works, monkeypatch):
    Stuck(monkeypatch, Path(works[0].path).name)
    monkeypatch.setattr(children, "ANSWER_SECONDS", 3600)
    answers = iter([False] * 5)
    assert list(read(works, stopping=lambda: next(answers, True))) == []
    assert multiprocessing.active_children() == []
