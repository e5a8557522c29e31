"""After a restart, new series start at 0 and known series continue."""

import pytest
from running import daemon, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

pytestmark = pytest.mark.integration

TOKENS = "agtop_tokens_total"
NEW = "claude-opus-4-5"


@pytest.mark.long
def test_a_model_that_is_new_while_the_daemon_is_stopped(tmp_path):
    claude_file(tmp_path, 1).write_text(claude_turns(1, range(10)))
    state = ("--state-dir", tmp_path / "state")
    with daemon(tmp_path, *state) as running:
        known = running.until(lambda s: total(s, TOKENS) == 10 * TOKENS_OF_A_TURN)
        running.end()
    with claude_file(tmp_path, 1).open("a") as file:
        file.write(claude_turns(1, [10]))
    claude_file(tmp_path, 2).write_text(claude_answer(2, 0, model=NEW))
    with daemon(tmp_path, *state, interval=5) as again:
        again.until_ready()
        first = again.samples()
    assert [v for (name, labels), v in first.items() if name == TOKENS and ("model", NEW) in labels]
    assert total(first, TOKENS, model=NEW) == 0
    assert total(first, TOKENS) == 11 * TOKENS_OF_A_TURN
    assert all(first.get(key, value) >= value for key, value in known.items() if key[0] == TOKENS)


@pytest.mark.long
def test_a_first_run_shows_history_as_it_is(tmp_path):
    claude_file(tmp_path, 1).write_text(claude_turns(1, range(10)))
    with daemon(tmp_path, "--state-dir", tmp_path / "state", interval=5) as running:
        running.until_ready()
        assert total(running.samples(), TOKENS) == 10 * TOKENS_OF_A_TURN
