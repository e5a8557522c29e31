"""The usage of a Vibe session counts once, although Vibe deletes journals."""

import shutil

import pytest
from agent_files import write_document, write_lines
from driving import refresh
from looking import Look

from agtop_exporter.agents import vibe
from agtop_exporter.ledger import Ledger

ID = "0f000000-0000-4000-8000-00000000000c"
FOLDER = f".vibe/logs/session/unified/{ID}"
USED = {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 10}


def turn(home, number, *, before):
    """Write the journal of one turn with one request; `before` requests were made before it."""
    total = {"inputTokens": 100 * before, "cachedInputTokens": 60 * before}
    total["outputTokens"] = 10 * before
    state = {"session": {"createdAt": 1_790_000_000_000, "tokenUsage": total if before else None}}
    answer = {"action_id": f"a{number}", "type": "completion_succeeded", "result": {"usage": USED}}
    time = {"time_unix_ms": 1_790_000_000_000 + number}
    return write_lines(
        home / FOLDER / f"journal/{number:016}.jsonl",
        {"type": "projection_delta", "payload": {"delta": [{"op": "set", "state": state}]}},
        {"type": "core_input", "payload": {"input": {"command": answer, "determinism": time}}},
    )


def use_model(home, name):
    write_document(home / FOLDER / "meta.json", {"session_id": ID, "config": {"model_name": name}})


def requests(ledger, home):
    """Refresh, and return the number of requests by model that equals the counted tokens."""
    refresh(ledger, home, [vibe.AGENT])
    (session,) = ledger.sessions.values()
    for usage in session.models.values():
        tokens = usage.tokens
        assert (tokens.input, tokens.output * 6) == (
            tokens.cache_read // 60 * 40,
            tokens.cache_read,
        )
    return {model: usage.tokens.output // 10 for model, usage in session.models.items()}


@pytest.fixture
def ledger():
    return Ledger()


def test_all_turns_are_read_while_journals_are_deleted(ledger, tmp_path):
    use_model(tmp_path, "m")
    first = turn(tmp_path, 1, before=0)
    assert requests(ledger, tmp_path) == {"m": 1}
    turn(tmp_path, 9, before=1)
    first.unlink()
    assert requests(ledger, tmp_path) == {"m": 2}
    turn(tmp_path, 17, before=2)
    assert requests(ledger, tmp_path) == {"m": 3}


def test_a_journal_that_is_deleted_before_the_next_scan_counts_once(ledger, tmp_path):
    use_model(tmp_path, "m")
    first = turn(tmp_path, 1, before=0)
    assert requests(ledger, tmp_path) == {"m": 1}
    first.unlink()
    turn(tmp_path, 9, before=1)
    assert requests(ledger, tmp_path) == {"m": 2}


def test_turns_before_the_first_scan_are_counted_by_their_sum(ledger, tmp_path):
    use_model(tmp_path, "m")
    turn(tmp_path, 41, before=5)
    turn(tmp_path, 49, before=6)
    assert requests(ledger, tmp_path) == {"m": 7}
    (tmp_path / FOLDER / "journal/0000000000000041.jsonl").unlink()
    turn(tmp_path, 57, before=7)
    assert requests(ledger, tmp_path) == {"m": 8}


def test_another_model_does_not_repeat_the_sum(ledger, tmp_path):
    use_model(tmp_path, "m")
    turn(tmp_path, 41, before=5)
    assert requests(ledger, tmp_path) == {"m": 6}
    use_model(tmp_path, "n")
    turn(tmp_path, 49, before=6)
    assert requests(ledger, tmp_path) == {"m": 6, "n": 1}


def test_a_model_that_is_described_after_the_last_record(tmp_path):
    look = Look(tmp_path, agents=[vibe.AGENT])
    turn(tmp_path, 1, before=0)
    assert list(look.sessions()[ID]["models"]) == [""]
    use_model(tmp_path, "m")
    assert look.sessions()[ID]["models"]["m"]["requests"] == 1
    assert list(look.sessions()[ID]["models"]) == ["m"]


def test_a_copy_of_the_folder_counts_nothing_again(ledger, tmp_path):
    use_model(tmp_path, "m")
    turn(tmp_path, 1, before=0)
    turn(tmp_path, 9, before=1)
    folder = tmp_path / FOLDER
    shutil.copytree(folder, folder.with_name("backup"))
    assert requests(ledger, tmp_path) == {"m": 2}


def test_a_lost_cursor_changes_nothing(ledger, tmp_path):
    use_model(tmp_path, "m")
    turn(tmp_path, 1, before=0)
    requests(ledger, tmp_path)
    (tmp_path / FOLDER / "journal/0000000000000001.jsonl").unlink()
    turn(tmp_path, 9, before=1)
    assert requests(ledger, tmp_path) == {"m": 2}
    for path in list(ledger.cursors["vibe"]):
        ledger.forget_cursor("vibe", path)
    assert requests(ledger, tmp_path) == {"m": 2}
