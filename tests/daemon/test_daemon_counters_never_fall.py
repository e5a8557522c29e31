"""No event in files or processes lowers a published counter, or counts usage twice."""

import random
import re
import shutil
import signal

import pytest
from running import daemon, once, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns, session_id

pytestmark = pytest.mark.integration

TOKENS = "agtop_tokens_total"


def counters(samples):
    return {key: value for key, value in samples.items() if key[0].endswith("_total")}


def tokens_are(turns):
    return lambda samples: total(samples, TOKENS) == turns * TOKENS_OF_A_TURN


@pytest.fixture
def home(tmp_path):
    claude_file(tmp_path, 1).write_text(claude_turns(1, range(10)))
    return tmp_path


def rewrite(home):
    claude_file(home, 1).write_text(claude_turns(1, range(3)))


def truncate(home):
    claude_file(home, 1).write_bytes(b"")


def delete(home):
    claude_file(home, 1).unlink()


def rename(home):
    claude_file(home, 1).rename(claude_file(home, 1).with_name("renamed.jsonl"))


def delete_all(home):
    shutil.rmtree(home / ".claude")


def put_rubbish(home):
    with claude_file(home, 1).open("ab") as file:
        file.write(b'\x00\xff{"type":"assistant"\n[]\n"\\ud800"\n')


@pytest.mark.long
@pytest.mark.parametrize("accident", [rewrite, truncate, delete, rename, delete_all, put_rubbish])
def test_an_accident_lowers_nothing(accident, home):
    with daemon(home, "--state-dir", home / "state") as running:
        before = running.until(tokens_are(10))
        accident(home)
        claude_file(home, 2).write_text(claude_turns(2, range(5)))
        after = running.until(tokens_are(15))
        fallen = {key for key, value in counters(before).items() if after.get(key, 0) < value}
        assert not {key for key in fallen if not key[0].startswith("agtop_session_")}
        running.end()
    with daemon(home, "--state-dir", home / "state") as again:
        assert total(again.until(tokens_are(15)), TOKENS) == 15 * TOKENS_OF_A_TURN


@pytest.mark.long
def test_kill_at_any_instant_then_restart_equals_the_truth(home):
    chance = random.Random(7)
    path = claude_file(home, 1)
    turns, written = 10, path.read_bytes()
    for _ in range(4):
        with daemon(home, "--state-dir", home / "state", interval=0.05) as running:
            running.until_ready()
            for _ in range(chance.randint(1, 30)):
                more = claude_turns(1, [turns]).encode()
                cut = chance.randrange(len(more))
                path.write_bytes(written + more[:cut])
                running.get("/-/healthy")
                written += more
                path.write_bytes(written)
                turns += 1
            running.end(signal.SIGKILL)
    with daemon(home, "--state-dir", home / "state") as running:
        running.until(tokens_are(turns))
    (session,) = once(home, "--state-dir", home / "state")["sessions"]
    assert session["tokens"]["total"] == turns * TOKENS_OF_A_TURN
    assert session["agent_turns"] == session["user_turns"] == turns


@pytest.mark.long
def test_a_streamed_answer_grows_once(home):
    path = claude_file(home, 2)
    with daemon(home, "--no-state") as running:
        running.until(tokens_are(10))
        path.write_text(claude_answer(2, 0, output=1, stop=None))
        running.until(lambda samples: total(samples, TOKENS) == 2000 + 101)
        with path.open("a") as file:
            file.write(claude_answer(2, 0, output=100))
        running.until(lambda samples: total(samples, TOKENS) == 2000 + 200)


@pytest.mark.long
def test_a_session_keeps_what_was_published_of_it(home):
    """The original is found later and gets the tokens, but the published counter stays."""
    copied = claude_turns(1, range(5)).replace(session_id(1), session_id(2))
    claude_file(home, 1).unlink()
    claude_file(home, 2).write_text(re.sub(r'"requestId":"[^"]*",', "", copied))
    mine = {"session_id": session_id(2)}

    def counted(samples):
        return total(samples, "agtop_session_tokens_total", **mine)

    config = home / "config.toml"
    config.write_text("session_linger = 1e9\n")
    with daemon(home, "--no-state", "--config", config) as running:
        running.until(lambda samples: counted(samples) == 5 * TOKENS_OF_A_TURN)
        claude_file(home, 1).write_text(claude_turns(1, range(7)))
        samples = running.until(tokens_are(7))
        assert counted(samples) == 5 * TOKENS_OF_A_TURN
    by_id = {each["session_id"]: each["tokens"]["total"] for each in once(home)["sessions"]}
    assert by_id == {session_id(1): 7 * TOKENS_OF_A_TURN, session_id(2): 0}


@pytest.mark.long
def test_a_new_series_is_seen_at_zero_first(home):
    with daemon(home, "--no-state") as running:
        running.until(tokens_are(10))
        claude_file(home, 2).write_text(claude_answer(2, 0, model="claude-opus-4-5"))
        seen = []
        running.until(
            lambda samples: (
                seen.append(total(samples, TOKENS, model="claude-opus-4-5"))
                or seen[-1] == TOKENS_OF_A_TURN
            )
        )
        keys = {key for key, _ in running.samples() if key == TOKENS}
        assert keys == {TOKENS}
        assert seen[-2] == 0
