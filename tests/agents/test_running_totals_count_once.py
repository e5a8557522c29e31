"""The usage of an agent that records only running totals counts once, for the right model."""

import json
import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from agent_files import write_document, write_lines
from driving import refresh
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import droid, zed
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor, TokenCounts, UsageEvent
from agtop_exporter.reading.running_totals import SESSIONS_MAX, RunningTotals

ID, ORIGINAL = (f"3e000000-0000-4000-8000-00000000000{end}" for end in "ab")


def save_thread(home, total, model, *, second=0):
    """Write the row of Zed's only thread; `total` is its number of input and of output tokens."""
    path = home / ".local/share/zed/threads/threads.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    usage = {"input_tokens": total, "output_tokens": total} if total else {}
    thread = {"version": "0.3.0", "cumulative_token_usage": usage, "model": {"model": model}}
    row = (ID, f"2026-09-01T10:00:{second:02}Z", json.dumps(thread))
    with closing(sqlite3.connect(path)) as database:
        columns = "id TEXT PRIMARY KEY, summary TEXT, updated_at TEXT, data_type TEXT, data BLOB"
        database.execute(f"CREATE TABLE IF NOT EXISTS threads ({columns})")
        database.execute("REPLACE INTO threads VALUES (?, '', ?, 'json', ?)", row)
        database.commit()


def save_settings(home, session_id, total, model="m", *, folder="-x"):
    """Write the settings of a session of Droid."""
    usage = {"inputTokens": total, "outputTokens": total}
    document = {"model": model, "tokenUsage": usage}
    write_document(home / f".factory/sessions/{folder}/{session_id}.settings.json", document)


def begin(home, session_id, *lines, **facts):
    """Write the transcript of a session of Droid."""
    first = {"type": "session_start", "id": session_id, **facts}
    write_lines(home / f".factory/sessions/-x/{session_id}.jsonl", first, *lines)


def counted(ledger, home, agent, session_id=ID):
    """Refresh, and return the number of output tokens by model."""
    refresh(ledger, home, [agent])
    found = {}
    for session in ledger.sessions.values():
        if session.session_id == session_id:
            for model, usage in session.models.items():
                assert usage.tokens == TokenCounts(usage.tokens.output, output=usage.tokens.output)
                found[model] = usage.tokens.output
    return found


@pytest.fixture
def ledger():
    return Ledger()


def test_growth_belongs_to_the_model_at_that_time(ledger, tmp_path):
    save_thread(tmp_path, 100, "a")
    assert counted(ledger, tmp_path, zed.AGENT) == {"a": 100}
    save_thread(tmp_path, 130, "a", second=1)
    save_thread(tmp_path, 250, "b", second=2)
    assert counted(ledger, tmp_path, zed.AGENT) == {"a": 100, "b": 150}
    save_thread(tmp_path, 260, "a", second=3)
    assert counted(ledger, tmp_path, zed.AGENT) == {"a": 110, "b": 150}


def test_a_total_that_fell_has_begun_again(ledger, tmp_path):
    for second, total in enumerate((100, 40, 60)):
        save_thread(tmp_path, total, "a", second=second)
        counted(ledger, tmp_path, zed.AGENT)
    assert counted(ledger, tmp_path, zed.AGENT) == {"a": 160}


def test_a_thread_is_saved_twice_within_a_second(ledger, tmp_path):
    save_thread(tmp_path, 100, "a")
    counted(ledger, tmp_path, zed.AGENT)
    save_thread(tmp_path, 200, "a")
    assert counted(ledger, tmp_path, zed.AGENT) == {"a": 200}


@pytest.mark.parametrize("first", [0, 100])
def test_a_lost_reader_state_counts_nothing_again(ledger, tmp_path, first):
    save_thread(tmp_path, first, "a")
    counted(ledger, tmp_path, zed.AGENT)
    save_thread(tmp_path, 200, "b", second=1)
    before = counted(ledger, tmp_path, zed.AGENT)
    path = str(tmp_path / ".local/share/zed/threads/threads.db")
    ledger.record(zed.AGENT.read(path, Cursor()), price=lambda _event: None, project=str)
    ledger.commit()
    assert counted(ledger, tmp_path, zed.AGENT) == before
    save_thread(tmp_path, 230, "b", second=2)
    assert counted(ledger, tmp_path, zed.AGENT) == {**before, "b": before["b"] + 30}


COMPACTION = {"type": "compaction_state", "id": "c1"}
MESSAGE = {"type": "message", "id": "m1", "message": {"role": "user", "content": []}}


def test_a_compacted_session_does_not_count_its_original_again(ledger, tmp_path):
    begin(tmp_path, ORIGINAL)
    save_settings(tmp_path, ORIGINAL, 100)
    begin(tmp_path, ID, COMPACTION, parent=ORIGINAL)
    save_settings(tmp_path, ID, 100)
    assert counted(ledger, tmp_path, droid.AGENT) == {}
    save_settings(tmp_path, ID, 130)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 30}
    save_settings(tmp_path, ORIGINAL, 170)  # the user goes on with the original
    save_settings(tmp_path, ID, 150)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 50}
    assert counted(ledger, tmp_path, droid.AGENT, ORIGINAL) == {"m": 170}


def test_a_compacted_session_is_read_before_its_second_line(ledger, tmp_path):
    begin(tmp_path, ID, parent=ORIGINAL)
    save_settings(tmp_path, ID, 100)
    assert counted(ledger, tmp_path, droid.AGENT) == {}
    save_settings(tmp_path, ID, 130)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 30}


def test_a_subagent_counts_for_itself(ledger, tmp_path):
    begin(tmp_path, ORIGINAL)
    save_settings(tmp_path, ORIGINAL, 100)
    begin(tmp_path, ID, MESSAGE, callingSessionId=ORIGINAL)
    save_settings(tmp_path, ID, 40, "small")
    assert counted(ledger, tmp_path, droid.AGENT) == {"small": 40}
    assert counted(ledger, tmp_path, droid.AGENT, ORIGINAL) == {"m": 100}
    parents = {each.session_id: each.facts.parent_session_id for each in ledger.sessions.values()}
    assert parents == {ID: ORIGINAL, ORIGINAL: ""}


def test_a_fork_begins_without_usage(ledger, tmp_path):
    begin(tmp_path, ORIGINAL)
    save_settings(tmp_path, ORIGINAL, 100)
    begin(tmp_path, ID, MESSAGE, parent=ORIGINAL)
    save_settings(tmp_path, ID, 40)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 40}


EARLIER = ""  # the folder of all sessions, to which earlier versions wrote


@pytest.mark.parametrize(("earlier", "now"), [(40, 100), (100, 40), (100, 100)])
@pytest.mark.parametrize("is_earlier_first", [True, False])
def test_a_session_has_settings_in_two_folders(ledger, tmp_path, earlier, now, is_earlier_first):
    save_settings(tmp_path, ID, earlier, folder=EARLIER)
    save_settings(tmp_path, ID, now)
    root = tmp_path / ".factory/sessions"
    places = [str(path) for path in sorted(root.rglob("*.json"), key=lambda path: len(path.parts))]
    for path in places if is_earlier_first else reversed(places):
        ledger.record(droid.AGENT.read(path, Cursor()), price=lambda _event: None, project=str)
    ledger.commit()
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 100}


def test_a_session_goes_on_in_another_folder(ledger, tmp_path):
    save_settings(tmp_path, ID, 40, folder=EARLIER)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 40}
    save_settings(tmp_path, ID, 70)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 70}
    save_settings(tmp_path, ID, 95)
    assert counted(ledger, tmp_path, droid.AGENT) == {"m": 95}


def total(tokens):
    return UsageEvent("k", "s", 0.0, "m", TokenCounts(input=tokens))


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_the_growth_adds_up(steps):
    """The events of any totals add up to the last total plus each total before a decrease."""
    totals = RunningTotals()
    events = [totals.growth(total(each)) for each in steps]
    found = sum(event.tokens.input for event in events if event)
    falls = [one for one, other in pairwise(steps) if other < one]
    assert found == sum(falls) + steps[-1]


def test_the_memory_is_bounded():
    totals = RunningTotals()
    for number in range(SESSIONS_MAX + 10):
        totals.growth(UsageEvent("k", str(number), 0.0))
    assert len(totals.last) == SESSIONS_MAX
