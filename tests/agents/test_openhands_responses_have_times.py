"""Each response of OpenHands has a time; only responses with a known price have a recorded one."""

import os
from pathlib import Path

from agent_files import write_document
from driving import refresh

from agtop_exporter.agents import openhands
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor

COST = {"cost": 0.5, "timestamp": 1_790_000_000.0}


def write(home, *, usages, costs, modified_at):
    usage = [{"prompt_tokens": 100, "response_id": f"r{number}"} for number in range(usages)]
    stats = {"usage_to_metrics": {"agent": {"token_usages": usage, "costs": costs}}}
    path = home / ".openhands/conversations/a/base_state.json"
    write_document(path, {"id": "a", "stats": stats})
    os.utime(path, (modified_at, modified_at))
    return path


def events(path):
    found = openhands.AGENT.read(str(path), Cursor()).events
    return [(event.time, event.reported_cost) for event in found]


def test_recorded_times_and_costs_are_used(tmp_path):
    path = write(tmp_path, usages=1, costs=[COST], modified_at=1_790_000_500)
    assert events(path) == [(1_790_000_000.0, 500_000_000_000)]


def test_costs_of_unknown_responses_are_not_guessed(tmp_path):
    path = write(tmp_path, usages=2, costs=[COST], modified_at=1_790_000_500)
    assert events(path) == [(1_790_000_500.0, None)] * 2


def test_a_later_change_adds_only_new_responses(tmp_path):
    ledger = Ledger()
    for number in (1, 2, 2):
        write(tmp_path, usages=number, costs=[], modified_at=1_790_000_000 + 7200 * number)
        refresh(ledger, tmp_path, [openhands.AGENT])
    (session,) = ledger.sessions.values()
    assert session.usage.requests == 2
    assert session.usage.tokens.input == 200


def test_a_task_that_is_continued_counts_each_response_once(tmp_path):
    """`ConversationStats.get_combined_metrics` builds the list of all models again."""
    ledger = Ledger()
    own = [{"prompt_tokens": 100, "response_id": f"own{number}"} for number in range(3)]
    condenser = {"prompt_tokens": 40, "response_id": "condenser"}
    for usages in ([*own[:2], condenser], [*own, condenser]):
        stats = {"usage_to_metrics": {"task:1": {"model_name": "m", "token_usages": usages}}}
        path = tmp_path / ".openhands/conversations/a/base_state.json"
        write_document(path, {"id": "a", "stats": stats})
        refresh(ledger, tmp_path, [openhands.AGENT])
    (session,) = ledger.sessions.values()
    assert (session.usage.requests, session.usage.tokens.input) == (4, 340)


def test_variables_name_the_directory(tmp_path):
    roots, default = openhands.AGENT.roots, tmp_path / ".openhands/conversations"
    assert roots(tmp_path, {}) == (default,)
    settings = {"OPENHANDS_PERSISTENCE_DIR": "/srv/a"}
    assert roots(tmp_path, settings) == (Path("/srv/a/conversations"),)
    both = settings | {"OPENHANDS_CONVERSATIONS_DIR": "/srv/b"}
    assert roots(tmp_path, both) == (Path("/srv/b"),)
