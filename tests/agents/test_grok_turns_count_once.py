"""A turn of Grok Build counts once, although the log of a subagent and a fork repeat its usage."""

import pytest
from agent_files import counted, write_document, write_lines

from agtop_exporter.agents import grok

MAIN, OTHER = (f"019f6000-0000-7000-8000-00000000000{end}" for end in "ab")
TURN = "5a000000-0000-4000-8000-000000000001"
BEGIN = 1_788_256_800
USAGE = {"inputTokens": 100, "cachedReadTokens": 60, "outputTokens": 10, "modelCalls": 2}


def update(second, kind, **fields):
    return {"timestamp": BEGIN + second, "params": {"update": {"sessionUpdate": kind, **fields}}}


def completed(second, prompt_id, **usage):
    models = {"modelUsage": {"grok-4.5": {**USAGE, **usage}}}
    return update(second, "turn_completed", prompt_id=prompt_id, usage=models)


def session(home, session_id, *lines, **facts):
    folder = home / f".grok/sessions/project/{session_id}"
    write_document(folder / "summary.json", {"info": {"id": session_id}, **facts})
    write_lines(folder / "updates.jsonl", *lines)


def usage_of(home):
    """Return (requests, output tokens) by the last letter of the session id."""
    found = {}
    for session_id, record in counted(home, grok.AGENT).items():
        used = list(record.models.values())
        tokens = sum(each.tokens.output for each in used)
        found[session_id[-1]] = (sum(each.requests for each in used), tokens)
    return found


@pytest.mark.parametrize("kind", ["subagent", "subagent_fork", "subagent_resume"])
def test_the_log_of_a_subagent_adds_nothing(tmp_path, kind):
    session(tmp_path, MAIN, completed(9, TURN))
    session(tmp_path, OTHER, completed(8, "p"), session_kind=kind, parent_session_id=MAIN)
    assert usage_of(tmp_path) == {"a": (2, 10), "b": (0, 0)}
    child = counted(tmp_path, grok.AGENT)[OTHER]
    assert child.facts.parent_session_id == MAIN


def test_a_fork_counts_its_own_turns(tmp_path):
    session(tmp_path, MAIN, completed(9, TURN))
    own = completed(99, "p", outputTokens=7)
    facts = {"session_kind": "fork", "parent_session_id": MAIN}
    session(tmp_path, OTHER, completed(9, TURN), own, created_at="2026-09-01T10:01:00Z", **facts)
    assert usage_of(tmp_path) == {"a": (2, 10), "b": (2, 7)}


def test_a_turn_that_is_written_twice_has_its_larger_figures(tmp_path):
    session(tmp_path, MAIN, completed(9, TURN, outputTokens=8), completed(9, TURN))
    assert usage_of(tmp_path) == {"a": (2, 10)}


def test_the_same_name_in_two_sessions_is_two_turns(tmp_path):
    session(tmp_path, MAIN, completed(9, "p-1"))
    session(tmp_path, OTHER, completed(9, "p-1"))
    assert usage_of(tmp_path) == {"a": (2, 10), "b": (2, 10)}


def test_the_cost_of_a_turn_is_billed_only_if_it_is_complete(tmp_path):
    whole = completed(9, TURN, costUsdTicks=20_000_000_000)
    part = completed(19, "p", costUsdTicks=10_000_000_000, costIsPartial=True)
    session(tmp_path, MAIN, whole, part)
    assert counted(tmp_path, grok.AGENT)[MAIN].billed_total >= 2 * 10**12
    session(tmp_path, MAIN, part)
    assert counted(tmp_path, grok.AGENT)[MAIN].billed_total < 10**12
