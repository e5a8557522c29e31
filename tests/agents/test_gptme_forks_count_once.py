"""gptme copies the folder of a conversation that is forked, and keeps undone responses."""

import shutil

import pytest
from agent_files import write_lines
from driving import refresh, used

from agtop_exporter.agents.gptme import AGENT
from agtop_exporter.ledger import Ledger

LOGS = ".local/share/gptme/logs"


def response(second, output, **metadata):
    usage = {"input_tokens": 100, "output_tokens": output}
    time = f"2026-03-02T10:00:{second:02d}.000001"
    facts = {"model": "openai/gpt-5.1", "usage": usage, **metadata}
    return {"role": "assistant", "content": "", "timestamp": time, "metadata": facts}


def counted(ledger, home):
    refresh(ledger, home, [AGENT])
    totals = used(ledger)
    return sum(value for series, value in totals.items() if series[0] == "requests")


@pytest.mark.parametrize("name", ["a-fork", "z-fork"])
def test_a_fork_adds_its_own_responses(tmp_path, name):
    first = tmp_path / LOGS / "m-first"
    write_lines(first / "conversation.jsonl", response(1, 10), response(2, 20))
    ledger = Ledger()
    assert counted(ledger, tmp_path) == 2
    fork = shutil.copytree(first, first.with_name(name))
    assert counted(ledger, tmp_path) == 2
    assert counted(Ledger(), tmp_path) == 2
    write_lines(fork / "conversation.jsonl", response(1, 10), response(2, 20), response(3, 30))
    assert counted(ledger, tmp_path) == 3


def test_an_undone_response_stays(tmp_path):
    folder = tmp_path / LOGS / "m-first"
    both = response(1, 10), response(2, 20)
    write_lines(folder / "conversation.jsonl", *both)
    ledger = Ledger()
    assert counted(ledger, tmp_path) == 2
    write_lines(folder / "branches/main-undo-0.jsonl", *both)
    write_lines(folder / "conversation.jsonl", both[0])
    assert counted(ledger, tmp_path) == 2
    assert counted(Ledger(), tmp_path) == 2


def test_a_response_without_a_time_counts(tmp_path):
    answer = response(1, 10)
    del answer["timestamp"]
    write_lines(tmp_path / LOGS / "m-first/conversation.jsonl", answer)
    write_lines(tmp_path / LOGS / "m-first/branches/main-undo-0.jsonl", answer)
    assert counted(Ledger(), tmp_path) == 1


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_a_time_that_no_clock_shows_costs_nothing(tmp_path, time):
    answer = {**response(1, 10), "timestamp": time}
    write_lines(tmp_path / LOGS / "m-first/conversation.jsonl", answer)
    assert counted(Ledger(), tmp_path) == 1
