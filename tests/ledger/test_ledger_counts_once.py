"""Every event is counted once, with the largest figures that were recorded for it."""

import msgspec
import pytest
from driving import price, project, totals
from events import NOON, batch, contradicting, record, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import NO_TOKENS, ModelUsage

histories = st.lists(st.lists(sightings, max_size=5), max_size=8)


def merged(events):
    """Compute the merged events in a simple way."""
    best, tools = {}, {}
    for event in events:
        best[event.key] = best.get(event.key, NO_TOKENS).max(event.tokens)
        tools.setdefault(event.key, {}).update(event.tools)
    return sum(best.values(), NO_TOKENS), len(best), sum(map(len, tools.values()))


@pytest.mark.slow
@given(history=histories)
def test_totals_are_those_of_the_largest_sightings(history):
    ledger = Ledger()
    for events in history:
        record(ledger, *events)
    tokens, requests, tools = merged([event for events in history for event in events])
    known = ledger.totals.get
    assert known(("requests", "claude", "model-1"), 0) == requests
    assert known(("tokens", "claude", "model-1", "input"), 0) == tokens.input
    assert known(("tokens", "claude", "model-1", "cache_read"), 0) == tokens.cache_read
    assert known(("tokens", "claude", "model-1", "cache_write_5m"), 0) == tokens.cache_write_5m
    assert known(("tokens", "claude", "model-1", "cache_write_1h"), 0) == tokens.cache_write_1h
    assert known(("tokens", "claude", "model-1", "output"), 0) == tokens.output
    assert known(("reasoning_tokens", "claude", "model-1"), 0) == tokens.reasoning
    assert known(("tool_calls", "claude", "Bash"), 0) == tools
    assert known(("cost", "claude", "model-1", "output", "estimated"), 0) == (
        tokens.output * 5_000_000
    )


@pytest.mark.slow
@given(history=histories)
def test_sessions_share_the_totals(history):
    """The sums of all sessions equal the totals, whichever session owns an event."""
    ledger = Ledger()
    for events in history:
        record(ledger, *events)
    together = sum((session.usage for session in ledger.sessions.values()), ModelUsage())
    tokens, requests, tools = merged([event for events in history for event in events])
    assert (together.requests, together.tokens) == (requests, tokens)
    assert sum(sum(session.tools.values()) for session in ledger.sessions.values()) == tools
    for session in ledger.sessions.values():
        assert all(usage.requests > 0 for usage in session.models.values())


@pytest.mark.slow
@given(history=histories, randomness=st.randoms(use_true_random=False))
def test_totals_do_not_depend_on_the_order(history, randomness):
    once, again = Ledger(), Ledger()
    events = [event for events in history for event in events]
    record(once, *events)
    shuffled = randomness.sample(events, len(events))
    while shuffled:
        size = randomness.randint(1, 4)
        record(again, *shuffled[:size])
        del shuffled[:size]
    assert {s: v for s, v in totals(again).items() if v} == {
        s: v for s, v in totals(once).items() if v
    }


@given(records=st.lists(contradicting, min_size=1, max_size=6))
def test_a_prompt_that_is_divided_in_several_ways_counts_once(records):
    ledger = Ledger()
    for tokens in records:
        record(ledger, msgspec.structs.replace(response("k"), tokens=tokens))
    counted = sum((session.usage for session in ledger.sessions.values()), ModelUsage()).tokens
    assert counted.prompt == max(tokens.prompt for tokens in records)
    assert counted.output == max(tokens.output for tokens in records)


@pytest.mark.slow
@given(history=histories, breaks=st.sets(st.integers(0, 7)))
def test_restarts_change_nothing(tmp_path_factory, history, breaks):
    directory = tmp_path_factory.mktemp("state")
    once, ledger = Ledger(), Ledger(directory)
    for number, events in enumerate(history):
        record(once, *events)
        record(ledger, *events)
        if number in breaks:
            ledger.close()
            ledger = Ledger(directory)
    ledger.close()
    ledger = Ledger(directory)
    assert ledger.warning == ""
    assert ledger.totals == once.totals
    assert ledger.sessions == once.sessions
    assert ledger.cursors == once.cursors
    ledger.close()


def test_agents_have_keys_of_their_own():
    ledger = Ledger()
    record(ledger, response("k"), agent="claude")
    record(ledger, response("k"), agent="codex")
    assert ledger.totals["requests", "claude", "model-1"] == 1
    assert ledger.totals["requests", "codex", "model-1"] == 1


def test_uncommitted_changes_are_dropped(tmp_path):
    """Cursor, key and total are dropped together, so the next read counts the event."""
    ledger = Ledger(tmp_path)
    record(ledger, response("k1"), offset=10)
    ledger.record(batch(response("k2"), offset=20), price=price, project=project)
    ledger.close()
    ledger = Ledger(tmp_path)
    assert ledger.cursor("claude", "/t.jsonl").offset == 10
    record(ledger, response("k2"), offset=20)
    assert ledger.totals["requests", "claude", "model-1"] == 2
    ledger.close()


def test_a_commit_names_the_sessions_that_changed():
    ledger = Ledger()
    assert [session for _, session in record(ledger, response("k1"))] == ["s1"]
    assert record(ledger, response("k1")) == {}
    changed = record(ledger, response("k1"), response("k2", "s2"))
    assert [session for _, session in changed] == ["s2"]


@pytest.mark.parametrize("copied", [False, True])
def test_an_event_that_was_counted_under_an_older_key(tmp_path, copied):
    """Its time identifies the event with that key. A copy may have another time."""
    ledger = Ledger(tmp_path)
    record(ledger, response("old", output=5))
    ledger.close()
    ledger = Ledger(tmp_path)
    time = NOON + 4_000 if copied else NOON
    sighting = response("new", output=9, time=time, copied=copied, other_keys=("never", "old"))
    for _ in range(2):
        record(ledger, sighting, response("other", time=NOON + 4_000, other_keys=("never", "old")))
        assert ledger.totals["requests", "claude", "model-1"] == 2
        assert ledger.totals["tokens", "claude", "model-1", "output"] == 9 + 5
    ledger.close()


def test_an_older_key_that_is_not_known():
    ledger = Ledger()
    record(
        ledger,
        response("new", other_keys=("never", "old")),
        response("newer", other_keys=("never", "old")),
    )
    record(ledger, response("new", other_keys=("never", "old")))
    assert ledger.totals["requests", "claude", "model-1"] == 2
