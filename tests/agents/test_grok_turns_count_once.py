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


def test_the_log_of_the_parent_names_a_subagent(tmp_path):
    """The description of a subagent has no parent in version 1.0.41."""
    spawned = update(2, "subagent_spawned", child_session_id=OTHER, parent_prompt_id=TURN)
    session(tmp_path, MAIN, spawned, completed(9, TURN))
    session(tmp_path, OTHER, completed(8, "s"), session_kind="subagent")
    facts = counted(tmp_path, grok.AGENT)[OTHER].facts
    assert facts.parent_session_id == MAIN
    assert facts.data_path.endswith(f"project/{OTHER}/updates.jsonl")


@pytest.mark.parametrize(("reasoning", "output"), [(6, 10), (10, 10), (94, 104)])
def test_reasoning_that_exceeds_the_output_is_added(tmp_path, reasoning, output):
    """The chat completions of xAI have reasoning beside the output."""
    session(tmp_path, MAIN, completed(9, TURN, reasoningTokens=reasoning))
    assert usage_of(tmp_path) == {"a": (2, output)}


@pytest.mark.parametrize(("second", "counted_output"), [(8, 0), (12, 5)])
def test_a_subagent_that_ends_after_its_turn_counts(tmp_path, second, counted_output):
    """The usage of a turn includes only the subagents that ended before the end of the turn."""
    spawned = update(2, "subagent_spawned", child_session_id=OTHER, parent_prompt_id=TURN)
    finished = update(15, "subagent_finished", child_session_id=OTHER)
    session(tmp_path, MAIN, spawned, completed(9, TURN), finished, completed(20, "p"))
    copy, own = completed(-5, "earlier"), completed(second, "s", outputTokens=5)
    facts = {"session_kind": "subagent_resume", "parent_session_id": MAIN}
    session(tmp_path, OTHER, copy, own, created_at="2026-09-01T10:00:02Z", **facts)
    used = {MAIN: 20, OTHER: counted_output}
    assert {end: output for end, (_, output) in usage_of(tmp_path).items()} == {
        session_id[-1]: output for session_id, output in used.items()
    }


def test_a_fork_counts_its_own_turns(tmp_path):
    session(tmp_path, MAIN, completed(9, TURN))
    own = completed(99, "p", outputTokens=7)
    facts = {"session_kind": "fork", "parent_session_id": MAIN}
    session(tmp_path, OTHER, completed(9, TURN), own, created_at="2026-09-01T10:01:00Z", **facts)
    assert usage_of(tmp_path) == {"a": (2, 10), "b": (2, 7)}


def test_a_fork_has_new_times_of_writing(tmp_path):
    """A copied line has the time of the copy, and the time of the turn in `_meta`."""
    copy = completed(99, TURN)
    copy["params"]["_meta"] = {"agentTimestampMs": (BEGIN + 9) * 1000}
    facts = {"session_kind": "fork", "parent_session_id": MAIN}
    session(tmp_path, OTHER, copy, created_at="2026-09-01T10:01:00Z", **facts)
    assert counted(tmp_path, grok.AGENT)[OTHER].facts.last_active == BEGIN + 60
    session(tmp_path, MAIN, completed(9, TURN))
    assert usage_of(tmp_path) == {"a": (2, 10), "b": (0, 0)}


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
