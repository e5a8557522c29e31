"""Codex: records that a rollout has again count once, and equal figures of two responses twice."""

import pytest
from transcripts import THREAD, Codex, usage

from agtop_exporter.reading.repeats import REMEMBERED

ONE = usage(100, 0, 10)


def times(number):
    """Return the running total after so many responses of `ONE`."""
    return usage(100 * number, 0, 10 * number)


@pytest.fixture
def chat(tmp_path):
    return Codex(tmp_path).turn()


def requests(chat):
    session = chat.told().session(THREAD).usage
    assert session.tokens.input == 100 * session.requests
    return session.requests


def with_totals(chat, number):
    for each in range(1, number + 1):
        chat.count(ONE, times(each))


def with_records(chat, number):
    for each in range(1, number + 1):
        fields = {"usage": ONE, "thread_token_usage": times(each)}
        chat.add("token_usage_record", response_id=f"r{each}", **fields).count(ONE, times(each))


def without_totals(chat, number):
    for _ in range(number):
        chat.count(ONE)


def in_turns(chat, number):
    for each in range(1, number + 1):
        chat.turn(turn_id=f"t{each}").count(ONE, times(each))


KINDS = [with_totals, with_records, without_totals, in_turns]


@pytest.mark.slow
@pytest.mark.parametrize("add", KINDS)
@pytest.mark.parametrize("number", [3, REMEMBERED + 200])
def test_a_rollout_that_follows_itself(chat, add, number):
    """Also one with more records than are remembered."""
    add(chat, number)
    chat.records *= 2
    chat.turn(turn_id="t-last")
    chat.count(ONE, None if add is without_totals else times(number + 1))
    assert requests(chat) == number + 1


@pytest.mark.parametrize("add", KINDS)
def test_runs_that_use_the_same(chat, add):
    """The running total starts again, by chance with the same figures; then all come again."""
    for _ in range(3):
        add(chat, 2)
    expected = 2 if add is with_records else 6  # the ids of its responses are the same
    assert requests(chat) == expected
    chat.records *= 2
    assert requests(chat) == expected


def test_processes_that_write_one_rollout(chat):
    """Each has its own running total, and repeats it after a count of the other."""
    chat.count(ONE, times(1)).count(ONE, times(2))
    first, second, third = ((ONE, usage(300 + each, 0, 30)) for each in (0, -50, 50))
    chat.count(*first).count(*second).count(*first).count(*second).count(*third)
    chat.count(*second).count(*third)
    assert requests(chat) == 5


def test_a_clock_that_was_set_back_loses_nothing(chat):
    with_totals(chat, 3)
    chat.seconds = 0
    for number in range(4, 7):
        chat.count(ONE, times(number))
    assert requests(chat) == 6


@pytest.mark.slow
def test_a_clock_that_was_far_ahead_loses_nothing(chat):
    with_totals(chat, 2)
    chat.records[-1]["timestamp"] = "2031-01-01T00:00:00Z"
    for number in [*range(3, 600), 1, 2, 3]:  # and the running total starts again
        chat.count(ONE, times(number))
    assert requests(chat) == 602


def test_an_old_record_does_not_change_the_model(chat):
    chat.count(ONE, times(1)).turn(model="gpt-5.2-codex").records.append(chat.records[1])
    chat.count(ONE, times(2))
    models = chat.told().session(THREAD).models
    assert {name: used.requests for name, used in models.items()} == {
        "gpt-5-codex": 1,
        "gpt-5.2-codex": 1,
    }


def test_records_that_begin_in_the_middle_have_a_total_of_their_own(chat):
    """antiburn/antiburn#505: the thread is continued by a version that writes usage records."""
    with_totals(chat, 3)
    fields = {"usage": ONE, "thread_token_usage": times(1)}
    chat.add("token_usage_record", response_id="r1", **fields).count(ONE, times(3))
    chat.count(ONE, times(4)).count(ONE, times(4))
    for each in (2, 3):  # the counts may come later
        fields = {"usage": ONE, "thread_token_usage": times(each)}
        chat.add("token_usage_record", response_id=f"r{each}", **fields)
    chat.count(ONE, times(5)).count(ONE, times(6))
    assert requests(chat) == 6
    chat.count(ONE, times(7))  # by an older version again
    assert requests(chat) == 7


def test_records_with_a_total_of_their_own_come_again(chat):
    """The repeated token counts belong to the repeated usage records."""
    with_totals(chat, 3)
    for each in (1, 2):
        fields = {"usage": ONE, "thread_token_usage": times(each)}
        chat.add("token_usage_record", response_id=f"r{each}", **fields).count(ONE, times(3 + each))
    chat.records *= 2
    assert requests(chat) == 5


def test_a_compaction_is_not_in_the_totals_of_counts(chat):
    """openai/codex#47003: only its usage record shows it."""
    with_records(chat, 2)
    fields = {"usage": ONE, "thread_token_usage": times(3)}
    chat.add("token_usage_record", response_id="r3", **fields).add("compacted", message="")
    chat.count({**usage(0), "total_tokens": 40}, times(2))
    for each in (4, 5):
        fields = {"usage": usage(100, 0, each), "thread_token_usage": usage(100 * each, 0, each)}
        chat.add("token_usage_record", response_id=f"r{each}", **fields)
        chat.count(usage(100, 0, each), usage(100 * (each - 1), 0, each))
    assert requests(chat) == 5


@pytest.mark.parametrize("written", [0, 30])
def test_an_older_version_continues_a_thread_with_usage_records(chat, written):
    """It writes no records. Its totals lack compactions, and 0.130 also writes to the cache."""
    one = {**ONE, "cache_write_input_tokens": written}
    for each in (1, 2):
        total = {**times(each), "cache_write_input_tokens": written * each}
        fields = {"usage": one, "thread_token_usage": total}
        chat.add("token_usage_record", response_id=f"r{each}", **fields).count(one, total)
    compaction = {"usage": usage(1000, 0, 90), "thread_token_usage": usage(1200, 0, 110)}
    chat.add("token_usage_record", response_id="r3", **compaction).add("compacted", message="")
    chat.count({**usage(0), "total_tokens": 40}, times(2))
    for each in (3, 4):
        chat.turn(turn_id=f"t{each}").count(ONE, times(each)).count(ONE, times(each))
    tokens = chat.told().session(THREAD).usage.tokens
    assert (tokens.total, tokens.cache_write_5m) == (4 * 110 + 1090, 2 * written)


def test_a_version_without_cache_writes_repeats_the_latest_count(chat):
    """0.130 continues a thread that 0.145 began: the repeated count lacks the writes."""
    chat.count(*[{**ONE, "cache_write_input_tokens": 30}] * 2)
    chat.count(ONE, times(1)).turn(turn_id="t2").count(ONE, times(2))
    tokens = chat.told().session(THREAD).usage.tokens
    assert (tokens.total, tokens.cache_write_5m) == (220, 30)
