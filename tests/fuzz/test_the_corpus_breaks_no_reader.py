"""Inputs that a fuzzer found break no rule of a reader: see `readers.py` in this folder."""

from itertools import count

import fuzzing
import pytest
from msgspec.structs import replace

from agtop_exporter.agents import load_agents
from agtop_exporter.model import Cursor


@pytest.mark.long
@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_every_input_of_the_corpus_is_read(agent, tmp_path):
    target = fuzzing.Target(agent, tmp_path)
    inputs = fuzzing.stored_inputs(agent.name)
    assert len(inputs) > 1
    check_each(target, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_the_corpus_is_of_files_in_the_golden_home(agent, tmp_path):
    """An input for a file that does not exist any more would test nothing."""
    target = fuzzing.Target(agent, tmp_path)
    assert [data for data in fuzzing.stored_inputs(agent.name) if not target.knows(data)] == []


@pytest.fixture
def target(tmp_path):
    (agent,) = (agent for agent in load_agents() if agent.name == "pi")
    return fuzzing.Target(agent, tmp_path)


def test_an_exception_is_found(target):
    def read(path, cursor):
        raise KeyError(path, cursor)

    target.agent = replace(target.agent, read=read)
    with pytest.raises(KeyError):
        target.check(target.seeds()[0])


def test_usage_that_is_counted_twice_is_found(target):
    """The reader gives every record another key in each read."""
    read, reads = target.agent.read, count()

    def read_again(path, _cursor):
        batch = read(path, Cursor())
        events = tuple(replace(event, key=f"{next(reads)}") for event in batch.events)
        return replace(batch, events=events)

    target.agent = replace(target.agent, read=read_again)
    with pytest.raises(fuzzing.Broken, match="growth changes"):
        check_each(target, [target.seeds()[0] + b"\n" * number for number in range(20)])


def check_each(target, inputs):
    """Check several inputs. A third of all contents is also read in two parts."""
    for data in inputs:
        target.check(data)
