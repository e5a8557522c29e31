"""Claude Code: each response in a record counts for its own model and its own context."""

import pytest
from driving import read_on, totals
from transcripts import SESSION, Claude, Told, write

from agtop_exporter.agents import claude
from agtop_exporter.agents.claude.context import context_window
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor, TokenCounts

API_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"
OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def chat(tmp_path):
    return Claude(tmp_path, model="claude-sonnet-4-6").user("Go")


def figures(input_tokens=0, output=0, read=0, written=0, hour=0, **more):
    return {
        "input_tokens": input_tokens,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": hour},
        **more,
    }


def models(told, session=SESSION):
    return {
        name: (usage.requests, usage.tokens) for name, usage in told.session(session).models.items()
    }


def context(told, session=SESSION):
    facts = told.facts(session)
    return facts.context_used_tokens, facts.context_peak_tokens, facts.context_window_tokens


ADVISED = figures(
    3,
    250,
    122_000,
    1_000,
    2_000,
    iterations=[
        figures(1, 45, 60_000, 1_000, 1_000, type="message"),
        figures(15_000, 900, type="advisor_message", model="claude-opus-4-7"),
        figures(15_000, 900, type="advisor_message", model="claude-opus-4-7"),
        figures(2, 205, 62_000, 0, 1_000, type="message"),
    ],
)
OF_ADVISED = {
    "claude-sonnet-4-6": (2, TokenCounts(3, 122_000, 1_000, 2_000, 250)),
    "claude-opus-4-7": (2, TokenCounts(30_000, output=1_800)),
}


def test_two_answers_of_an_advisor_are_two_responses(chat):
    for _ in range(3):
        chat.assistant("m1", usage=ADVISED)
    told = chat.told()
    assert models(told) == OF_ADVISED
    assert context(told) == (63_207, 63_207, 200_000)


def test_an_older_line_in_a_later_read_adds_nothing(chat):
    """The lines of a response were written in the wrong order, and a read ended between them."""
    chat.assistant("m1", usage=ADVISED).assistant("m1", usage=ADVISED)
    chat.records[1:] = reversed(chat.records[1:])
    ledger = Ledger()
    for count in (2, 3):
        read_on(ledger, claude.AGENT, str(write(chat.path, *chat.records[:count])))
    assert totals(ledger) == totals(chat.told().ledger)


def test_the_answers_of_an_advisor_stay_with_the_session_that_is_read_in_parts(tmp_path, chat):
    """Only the last line has iterations. A subagent with a copy of the lines was read before."""
    chat.assistant(API_ID, usage={**ADVISED, "iterations": None}).assistant(API_ID, usage=ADVISED)
    child = Claude(tmp_path / SESSION / "subagents", "agent-aaaa")
    child.records = [{**each, "isSidechain": True, "agentId": "aaaa"} for each in chat.records]
    ledger = Ledger()
    read_on(ledger, claude.AGENT, str(child.write()))
    for count in (2, 3):
        read_on(ledger, claude.AGENT, str(write(chat.path, *chat.records[:count])))
    assert ledger.sessions["claude", SESSION].usage.requests == 4
    assert not ledger.sessions["claude", "agent-aaaa"].models


def test_an_advisor_in_a_fork_adds_nothing(tmp_path, chat):
    chat.assistant("m1", usage=ADVISED)
    fork = Claude(tmp_path, OTHER, day="2026-03-05").add("queue-operation")
    fork.records += [{**record, "sessionId": OTHER} for record in chat.records]
    fork.assistant("m2", usage=figures(1, 1))
    for paths in ([chat.write(), fork.write()], [fork.write(), chat.write()]):
        told = Told(claude.AGENT, *paths)
        assert models(told) == OF_ADVISED
        assert set(models(told, OTHER)) == {"claude-sonnet-4-5"}


def test_an_advisor_of_a_subagent(tmp_path):
    child = Claude(tmp_path / SESSION / "subagents", "agent-aaaa", model="claude-sonnet-4-6")
    child.session = SESSION
    child.assistant("m1", usage=ADVISED, isSidechain=True, agentId="aaaa")
    assert models(child.told(), "agent-aaaa") == OF_ADVISED


def test_the_record_names_the_advisor(chat):
    usage = figures(1, 5, iterations=[figures(7, 9, type="advisor_message")])
    told = chat.assistant("m1", usage=usage, advisorModel="claude-opus-4-7").told()
    assert models(told)["claude-opus-4-7"] == (1, TokenCounts(7, output=9))


def fallback(*attempts, served=figures(2, 1_100, 25_000)):  # noqa: B008 - not changed
    last = {**served, "type": "fallback_message", "model": "claude-opus-4-8"}
    return {**served, "iterations": [*attempts, last]}


@pytest.mark.parametrize(("output", "requests"), [(400, 1), (0, 0)])
def test_a_refused_attempt_is_billed_if_it_wrote_anything(chat, output, requests):
    attempt = figures(2, output, 20_000, 5_000, type="message", model="claude-fable-5")
    told = chat.assistant("m1", usage=fallback(attempt), model="claude-opus-4-8").told()
    expected = {"claude-opus-4-8": (1, TokenCounts(2, 25_000, output=1_100))}
    if requests:
        expected["claude-fable-5"] = (1, TokenCounts(2, 20_000, 5_000, output=400))
    assert models(told) == expected
    assert context(told) == (26_102, 26_102, 1_000_000)


def test_a_fallback_that_refused_too_and_an_advisor(chat):
    usage = fallback(
        figures(2, 400, 20_000, type="message", model="claude-fable-5"),
        figures(3, 30, 21_000, type="fallback_message", model="claude-opus-4-7"),
        figures(9, 8, type="advisor_message", model="claude-haiku-4-5"),
    )
    told = chat.assistant("m1", usage=usage, model="claude-opus-4-8-20260801").told()
    assert models(told) == {
        "claude-opus-4-8-20260801": (1, TokenCounts(2, 25_000, output=1_100)),
        "claude-fable-5": (1, TokenCounts(2, 20_000, output=400)),
        "claude-opus-4-7": (1, TokenCounts(3, 21_000, output=30)),
        "claude-haiku-4-5": (1, TokenCounts(9, output=8)),
    }


def test_the_same_model_answers_after_it_refused(chat):
    attempt = figures(2, 60, 20_000, type="message", model="claude-opus-4-8")
    told = chat.assistant("m1", usage=fallback(attempt), model="claude-opus-4-8").told()
    assert models(told) == {"claude-opus-4-8": (2, TokenCounts(4, 45_000, output=1_160))}


def test_the_answer_is_listed_once_more_as_its_iteration(chat):
    served = figures(5, 20, 65_000)
    usage = {**served, "iterations": [{**served, "type": "message", "model": "claude-sonnet-4-6"}]}
    assert models(chat.assistant("m1", usage=usage).told()) == {
        "claude-sonnet-4-6": (1, TokenCounts(5, 65_000, output=20))
    }


@pytest.mark.parametrize("number", [2, 3])
def test_a_tool_loop_is_a_sum(chat, number):
    each = figures(3, 100, 118_000, 2_000)
    total = figures(3 * number, 100 * number, 118_000 * number, 2_000 * number)
    usage = {**total, "iterations": [{**each, "type": "message"}] * number}
    told = chat.assistant("m1", usage=usage).told()
    tokens = TokenCounts(3 * number, 118_000 * number, 2_000 * number, 0, 100 * number)
    assert models(told) == {"claude-sonnet-4-6": (number, tokens)}
    assert context(told) == (120_103, 120_103, 200_000)


def test_one_iteration_is_larger_than_the_window(chat):
    parts = [figures(1, 10, 100_000, type="message"), figures(1, 10, 230_000, type="message")]
    usage = figures(2, 20, 330_000, iterations=parts)
    assert context(chat.assistant("m1", usage=usage).told()) == (230_011, 230_011, 1_000_000)


def test_iterations_without_cache_figures_tell_nothing(chat):
    parts = [{"type": "message", "input_tokens": n, "output_tokens": 10} for n in (4, 5)]
    told = chat.assistant("m1", usage=figures(9, 20, 70_000, iterations=parts)).told()
    assert models(told) == {"claude-sonnet-4-6": (1, TokenCounts(9, 70_000, output=20))}
    assert context(told)[0] == 70_029


def test_hour_long_writes_and_thinking_of_a_tool_loop(chat):
    """The iterations contain neither. All cache writes of the record are for one hour."""
    part = figures(1, 10, 50, 7, type="message")
    del part["cache_creation"]
    usage = figures(2, 20, 100, 0, 14, iterations=[part, part])
    usage["output_tokens_details"] = {"thinking_tokens": 13}
    told = chat.assistant("m1", usage=usage).told()
    assert models(told) == {"claude-sonnet-4-6": (2, TokenCounts(2, 100, 0, 14, 20, 13))}


def test_the_end_of_a_stream_shows_no_lifetimes(chat):
    """`cache_creation` has only the writes of the first iteration."""
    parts = [
        figures(1, 10, 0, 0, 4_000, type="message"),
        figures(1, 10, 4_000, 0, 7, type="message"),
    ]
    usage = figures(2, 20, 4_000, 0, 4_000, iterations=parts)
    usage["cache_creation_input_tokens"] = 4_007
    told = chat.assistant("m1", usage=usage).told()
    assert models(told) == {"claude-sonnet-4-6": (2, TokenCounts(2, 4_000, 0, 4_007, 20))}


@pytest.mark.parametrize(
    ("requested", "creation", "expected"),
    [
        ("1h", {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, (0, 900)),
        ("1h", None, (0, 900)),
        ("1h", {"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 0}, (900, 0)),
        ("5m", None, (900, 0)),
        ("off", None, (900, 0)),
        (None, None, (900, 0)),
    ],
)
def test_a_gateway_reports_no_lifetimes(chat, requested, creation, expected):
    usage = figures(3, 20, written=900) | {"cache_creation": creation}
    for _ in range(2):
        chat.assistant("m1", usage=usage, promptCacheRequested=requested)
    assert chat.told().tokens(SESSION) == TokenCounts(3, 0, *expected, 20)


def test_a_compaction_by_the_server(chat):
    parts = [figures(64_000, 700, type="compaction"), figures(5, 20, 9_000, type="message")]
    told = chat.assistant("m1", usage=figures(5, 20, 9_000, iterations=parts)).told()
    assert models(told) == {
        "claude-sonnet-4-6": (2, TokenCounts(64_005, 9_000, output=720)),
    }
    assert context(told)[:2] == (9_025, 9_025)


def test_an_unknown_iteration_is_reported(chat):
    parts = [figures(1, 1, type="of_tomorrow"), figures(5, 20, type="message")]
    path = chat.assistant("m1", usage=figures(5, 20, iterations=parts)).write()
    batch = claude.AGENT.read(str(path), Cursor())
    assert batch.unknown == (("iteration.of_tomorrow", 1),)
    assert sum(event.requests for event in batch.events) == 1


@pytest.mark.parametrize("iterations", [None, [], "none", [None], [{"type": 1}]])
def test_unusual_iterations(chat, iterations):
    usage = figures(5, 20, iterations=iterations)
    assert chat.assistant("m1", usage=usage).told().tokens(SESSION) == TokenCounts(5, output=20)


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("claude-opus-4-8", 1_000_000),
        ("claude-opus-4-7", 1_000_000),
        ("claude-opus-5", 1_000_000),
        ("claude-sonnet-5-5-20261001", 1_000_000),
        ("claude-haiku-5-5", 1_000_000),
        ("claude-fable-5", 1_000_000),
        ("claude-mythos-5-2", 1_000_000),
        ("us.anthropic.claude-opus-4-7-v1:0", 1_000_000),
        ("claude-sonnet-4-6[1m]", 1_000_000),
        ("claude-sonnet-4-6", 200_000),
        ("claude-opus-4-6", 200_000),
        ("claude-opus-4-20250514", 200_000),
        ("claude-sonnet-4-5-20250929", 200_000),
        ("claude-haiku-4-5-20251001", 200_000),
        ("claude-3-5-sonnet-20241022", 200_000),
        ("glm-4.6", None),
    ],
)
def test_context_windows(model, window):
    assert context_window(model) == window


def test_the_window_is_that_of_the_present_model(chat):
    chat.assistant("m1", usage=figures(1, 0, 150_000), model="claude-opus-4-8")
    assert context(chat.told()) == (150_001, 150_001, 1_000_000)
    chat.assistant("m2", usage=figures(1, 0, 90_000), model="claude-haiku-4-5-20251001")
    assert context(chat.told()) == (90_001, 150_001, 200_000)
    chat.assistant("m3", usage=figures(1, 0, 95_000), model="claude-opus-4-8")
    assert context(chat.told())[2] == 1_000_000


def test_a_wide_request_widens_the_window_of_its_model_alone(chat):
    chat.assistant("m1", usage=figures(1, 0, 250_000)).assistant("m2", usage=figures(1, 0, 9_000))
    assert context(chat.told()) == (9_001, 250_001, 1_000_000)
    chat.assistant("m3", usage=figures(1, 0, 9_000), model="claude-sonnet-4-5")
    assert context(chat.told())[2] == 200_000
    path = chat.write()
    told = Told(claude.AGENT, write(path, *chat.records[:2]))
    for number in range(3, len(chat.records) + 1):
        write(path, *chat.records[:number])
        read_on(told.ledger, claude.AGENT, str(path))
    assert context(told) == context(chat.told())
    assert totals(told.ledger) == totals(chat.told().ledger)


def test_the_context_after_a_compaction(chat):
    chat.assistant("m1", usage=figures(1, 0, 150_000))
    chat.add("system", subtype="compact_boundary", compactMetadata={"preTokens": 150_001})
    assert context(chat.told())[0] == 150_001
    chat.records[-1]["compactMetadata"]["postTokens"] = 4_000
    assert context(chat.told())[:2] == (4_000, 150_001)
    chat.assistant("m2", usage=figures(1, 0, 6_000))
    assert context(chat.told())[:2] == (6_001, 150_001)
