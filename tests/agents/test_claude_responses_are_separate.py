"""Claude Code: every response counts once, whatever ids a router writes. Copies add nothing."""

import json
import shutil
from pathlib import Path

import pytest
from driving import batches, price, project, read_on, refresh, sessions, totals
from driving import used as what_was_used
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from places import AGENT_FOLDERS
from transcripts import SESSION, Claude, Told, tool, write

from agtop_exporter.agents import claude
from agtop_exporter.agents.claude.identity import is_unique
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Batch, Cursor, TokenCounts

OTHER = "22222222-2222-4222-8222-222222222222"
API_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"


@pytest.fixture
def chat(tmp_path):
    return Claude(tmp_path)


def used(input_tokens, output=5, read=0):
    return {
        "input_tokens": input_tokens,
        "cache_read_input_tokens": read,
        "output_tokens": output,
    }


def relay(folder, session, outputs, *, day="2026-03-02", request=None):
    """Write a session whose router gives every response the same ids, in two lines each."""
    chat = Claude(folder, session, day=day)
    chat.version = "2.1.200"
    for number, output in enumerate(outputs):
        call = f"toolu_{session[:2]}{number}"
        chat.user(f"Step {number}")
        for block in ({"type": "text", "text": "I look."}, tool("Bash", call)):
            usage = used(1000 + number, output)
            chat.assistant("relay", block, usage=usage, stop="tool_use", requestId=request)
        chat.result(call)
    return chat


def forked(chat, session, *, without=()):
    """Return a fork: the copied lines have the id of the new session."""
    fork = Claude(chat.path.parent, session, day="2026-03-05")
    fork.version = chat.version
    fork.add("queue-operation")
    fork.records += [
        {name: value for name, value in record.items() if name not in without}
        | {"sessionId": session}
        for record in chat.records
    ]
    return fork


def grown(*paths):
    """Read the files line by line, alternately."""
    ledger = Ledger()
    lines = [(path, path.read_bytes().splitlines(keepends=True)) for path in paths]
    for path, _ in lines:
        path.write_bytes(b"")
    for number in range(max(len(each) for _, each in lines)):
        for path, each in lines:
            with path.open("ab") as file:
                file.write(b"".join(each[number : number + 1]))
            read_on(ledger, claude.AGENT, str(path))
    return ledger


def requests_and_output(told, session):
    usage = told.session(session).usage
    return usage.requests, usage.tokens.output


@pytest.mark.parametrize("request_id", [None, "req-1"])
@pytest.mark.parametrize("backwards", [False, True])
def test_one_id_for_all_responses(tmp_path, request_id, backwards):
    first = relay(tmp_path, SESSION, (100, 200, 50), request=request_id)
    second = relay(tmp_path, OTHER, (70, 80), day="2026-03-03", request=request_id)
    paths = [first.write(), second.write()]
    told = Told(claude.AGENT, *(reversed(paths) if backwards else paths))
    assert requests_and_output(told, SESSION) == (3, 350)
    assert requests_and_output(told, OTHER) == (2, 150)
    assert told.total("tool_calls", "Bash") == 5


@pytest.mark.parametrize("figures", [(500, 9), (0, 0)])
def test_ids_that_begin_at_one_in_every_session(tmp_path, figures):
    chats = []
    for session, day in ((SESSION, "2026-03-02"), (OTHER, "2026-03-03")):
        chat = Claude(tmp_path, session, day=day)
        for number in (1, 2):
            chat.user("Go").assistant(f"msg_{number}", usage=used(*figures))
        chats.append(chat.write())
    told = Told(claude.AGENT, *chats)
    assert [told.session(session).usage.requests for session in (SESSION, OTHER)] == [2, 2]


def test_ids_that_begin_at_one_again_in_a_session(chat):
    for _ in range(2):
        for number in (1, 2):
            chat.user("Go").assistant(f"msg_{number}", usage=used(100 * number))
    assert requests_and_output(chat.told(), SESSION) == (4, 20)


@pytest.mark.parametrize("fork_first", [False, True])
@pytest.mark.parametrize("without", [(), ("uuid",), ("requestId",)])
@pytest.mark.parametrize("request_id", [None, "req-1"])
def test_a_fork_of_a_relayed_session_adds_nothing(tmp_path, fork_first, without, request_id):
    """Public reports disagree on whether copies keep their uuid. Both cases are tested."""
    chat = relay(tmp_path, SESSION, (100, 200, 50), request=request_id)
    fork = forked(chat, OTHER, without=without)
    fork.assistant("relay", usage=used(2000, 1), requestId=None)
    paths = [chat.write(), fork.write()]
    told = Told(claude.AGENT, *(reversed(paths) if fork_first else paths))
    assert requests_and_output(told, SESSION) == (3, 350)
    assert requests_and_output(told, OTHER) == (1, 1)


@pytest.mark.parametrize("request_id", [None, "req-1"])
def test_a_growing_file_of_a_relay(tmp_path, request_id):
    chats = [
        relay(tmp_path, SESSION, (100, 200, 50), request=request_id),
        relay(tmp_path, OTHER, (70, 80), day="2026-03-03", request=request_id),
    ]
    paths = [chat.write() for chat in chats]
    once = Told(claude.AGENT, *paths).ledger
    again = grown(*paths)
    assert totals(again) == totals(once)
    assert sessions(again) == sessions(once)


@pytest.mark.parametrize("request_id", [None, "req-1"])
def test_results_come_between_the_lines_of_one_response(chat, request_id):
    chat.user("Go")
    for number in range(3):
        block = tool("Bash", f"t{number}")
        chat.assistant("relay", block, usage=used(10, 40), requestId=request_id)
        chat.result(f"t{number}")
    assert requests_and_output(chat.told(), SESSION) == (1, 40)


@pytest.mark.parametrize("subagent_first", [False, True])
def test_a_subagent_that_begins_with_a_copy_of_its_parent(tmp_path, chat, subagent_first):
    """The parent's responses stay with the parent in any order (anthropics/claude-code 45660)."""
    chat.user("Go").assistant("m1").assistant(API_ID)
    aside = Claude(tmp_path / SESSION / "subagents", "agent-aside_question-1f2e")
    aside.session, marks = SESSION, {"isSidechain": True, "agentId": "aside_question-1f2e"}
    aside.records = [{**record, **marks} for record in chat.records]
    aside.seconds = chat.seconds
    aside.assistant("m2", **marks)
    paths = [chat.write(), aside.write()]
    told = Told(claude.AGENT, *(reversed(paths) if subagent_first else paths))
    assert told.session(SESSION).usage.requests == 2
    assert told.session("agent-aside_question-1f2e").usage.requests == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_subagent_that_begins_with_a_copy_of_a_fork(tmp_path, chat, order):
    """The response of the fork stays with the fork, although the subagent has older records."""
    chat.user("Go").assistant(API_ID)
    fork = Claude(tmp_path, OTHER)
    fork.seconds = chat.seconds
    fork.add("queue-operation")
    fork.records += [{**record, "sessionId": OTHER} for record in chat.records]
    fork.assistant("m1")
    aside = Claude(tmp_path / OTHER / "subagents", "agent-aside_question-1f2e")
    aside.session, marks = OTHER, {"isSidechain": True, "agentId": "aside_question-1f2e"}
    aside.records = [{**record, **marks} for record in fork.records[1:]]
    aside.seconds = fork.seconds
    aside.assistant("m2", **marks)
    paths = [chat.write(), fork.write(), aside.write()]
    told = Told(claude.AGENT, *(paths[place] for place in order))
    for session in (SESSION, OTHER, "agent-aside_question-1f2e"):
        assert told.session(session).usage.requests == 1


@pytest.mark.parametrize("request_id", [None, "req-1"])
def test_lines_of_one_response_may_be_a_moment_out_of_order(chat, request_id):
    chat.user("Go")
    for number in range(2):
        chat.assistant("relay", tool("Bash", f"t{number}"), requestId=request_id)
    first, second = chat.records[-2:]
    first["timestamp"], second["timestamp"] = second["timestamp"], first["timestamp"]
    assert requests_and_output(chat.told(), SESSION) == (1, 5)


@pytest.mark.parametrize("request_id", [None, "req-1"])
@pytest.mark.parametrize("wrong", ["2026-03-02T08:00:00.000Z", "1970-01-01T00:00:00.000Z", 5])
def test_a_line_of_a_response_has_a_wrong_time(chat, request_id, wrong):
    """The clock was set back, or the time was damaged."""
    chat.user("Go")
    for number in range(3):
        chat.assistant("relay", tool("Bash", f"t{number}"), requestId=request_id)
    chat.records[-2]["timestamp"] = wrong
    path = chat.write()
    once = Told(claude.AGENT, path)
    assert requests_and_output(once, SESSION) == (1, 5)
    assert totals(grown(path)) == totals(once.ledger)


def test_another_request_id_is_another_response(chat):
    """A gateway may answer from its cache."""
    chat.user("Go")
    for request in ("req_011CSHoEeqs5C35K2UUqR7Fy", "req_011CTWZe8p2VhNkmv6nJh3Qa"):
        for _ in range(2):
            chat.assistant(API_ID, requestId=request)
    path = chat.write()
    once = Told(claude.AGENT, path)
    assert requests_and_output(once, SESSION) == (2, 10)
    assert totals(grown(path)) == totals(once.ledger)


def test_a_line_between_two_requests_without_an_id(chat):
    first, second = "req_011CSHoEeqs5C35K2UUqR7Fy", "req_011CTWZe8p2VhNkmv6nJh3Qa"
    for request in (first, None, second):
        chat.assistant(API_ID, requestId=request)
    path = chat.write()
    once = Told(claude.AGENT, path)
    assert requests_and_output(once, SESSION) == (2, 10)
    assert totals(grown(path)) == totals(once.ledger)


@pytest.mark.parametrize("key", [API_ID, "relay"])
def test_a_gateway_divides_the_prompt_at_the_end_of_the_response(chat, key):
    """The first line has the whole prompt as input. What is read at once is divided rightly."""
    chat.assistant(key, usage=used(10_000, 1)).assistant(key, usage=used(100, 200, read=9_900))
    path = chat.write()
    counted = Told(claude.AGENT, path).session(SESSION).usage
    assert (counted.requests, counted.tokens) == (1, TokenCounts(100, 9_900, output=200))
    counted = grown(path).sessions["claude", SESSION].usage
    assert (counted.requests, counted.tokens) == (1, TokenCounts(10_000, output=200))


def test_an_id_of_the_api_keeps_its_key(chat):
    """Copies have no request id or other times, so the key is the message id alone."""
    chat.assistant(API_ID, requestId="req_011CSHoEeqs5C35K2UUqR7Fy")
    (event,) = claude.AGENT.read(str(chat.write()), Cursor()).events
    assert (event.key, event.other_keys) == (API_ID, ())


@pytest.mark.parametrize("message_id", [None, ""])
def test_the_request_id_where_there_is_no_message_id(chat, message_id):
    for request in ("req_1", "req_2"):
        for _ in range(3):
            chat.assistant(message_id, requestId=request)
    path = chat.write()
    once = Told(claude.AGENT, path)
    assert requests_and_output(once, SESSION) == (2, 10)
    assert totals(grown(path)) == totals(once.ledger)


def test_lines_without_any_id(chat):
    """Adjacent lines with equal figures belong to one response."""
    for _ in range(2):
        chat.user("Go")
        for _ in range(3):
            chat.assistant(None, usage=used(40, 7), requestId=None)
    chat.assistant(None, usage=used(41, 7), requestId=None)
    path, fork = chat.write(), forked(chat, OTHER).write()
    once = Told(claude.AGENT, path, fork)
    assert requests_and_output(once, SESSION) == (3, 21)
    assert once.session(OTHER).usage.requests == 0
    assert totals(grown(path, fork)) == totals(once.ledger)


def test_a_model_that_only_a_later_line_names(chat):
    chat.assistant("m1").assistant("m1")
    del chat.records[0]["message"]["model"]
    assert set(chat.told().session(SESSION).models) == {"claude-sonnet-4-5"}


@pytest.mark.parametrize(
    ("identifier", "random"),
    [
        (API_ID, True),
        ("msg_bdrk_01XFDUDYJgAACzvnptvVoYEL", True),
        ("chatcmpl-9a8f7d6c5b4e3f2a1b0c", True),
        ("0b1c2d3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e", True),
        ("relay-msg", False),
        ("msg_1", False),
        ("msg_gateway_constant_0001", False),
        ("chatcmpl-123456789012345678901234", False),
        ("", False),
    ],
)
def test_random_ids_are_recognised(identifier, random):
    assert is_unique(identifier) is random


def test_what_an_earlier_version_counted_is_not_counted_again(tmp_path):
    """It used the message id as the key, and counted all responses of a router as one."""
    chat = Claude(tmp_path).user("Go").assistant("msg_1", usage=used(10, 5))
    (event,) = claude.AGENT.read(str(chat.write()), Cursor()).events[:1]
    assert event.other_keys[-1] == "msg_1"
    ledger = Ledger()
    record_as_before(ledger, event)
    read_on(ledger, claude.AGENT, str(chat.path))
    assert ledger.totals["requests", "claude", "claude-sonnet-4-5"] == 1
    late = Claude(tmp_path, OTHER, day="2026-03-03").user("Go").assistant("msg_1", usage=used(9))
    read_on(ledger, claude.AGENT, str(late.write()))
    assert ledger.totals["requests", "claude", "claude-sonnet-4-5"] == 2


def record_as_before(ledger, event):
    before = replace(event, key="msg_1", other_keys=())
    batch = Batch("claude", "/gone.jsonl", Cursor(), events=(before,))
    ledger.record(batch, price=price, project=project)


REQUESTS = ("req_011CSHoEeqs5C35K2UUqR7Fy", "req_011CTWZe8p2VhNkmv6nJh3Qa")
UNIQUE = [(API_ID, REQUESTS[0]), (API_ID, REQUESTS[1]), (None, REQUESTS[0])]
RECURRING = [
    *[
        (message, request)
        for message in (None, "", "relay", "msg_1")
        for request in (None, "req_1")
    ],
    *[("relay", "req_2"), ("relay", REQUESTS[1])],
]
turns = st.lists(
    st.tuples(st.sampled_from(UNIQUE + RECURRING), st.integers(1, 3), st.booleans()),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@given(turns=turns, cuts=st.sets(st.integers(0, 40)))
def test_any_ids_in_any_order(tmp_path_factory, turns, cuts):
    """A line with a unique id belongs to that response. Any other id may recur."""
    chat = Claude(tmp_path_factory.mktemp("home"))
    for number, ((message, request), count, by_prompt) in enumerate(turns):
        _ = chat.user("Go") if by_prompt else chat.result(f"toolu_{number}")
        for _ in range(count):
            chat.assistant(message, usage=used(1000 + number, 7), requestId=request)
    requests = [ids for ids, _, _ in turns]
    expected = len(set(requests) & set(UNIQUE)) + sum(ids in RECURRING for ids in requests)
    path = chat.write()
    lines = path.read_bytes().splitlines(keepends=True)
    once = Told(claude.AGENT, path)
    path.write_bytes(b"")
    ledger = Ledger()
    for number, line in enumerate(lines):
        with path.open("ab") as file:
            file.write(line)
        if number in cuts:
            read_on(ledger, claude.AGENT, str(path))
    read_on(ledger, claude.AGENT, str(path))
    assert totals(ledger) == totals(once.ledger)
    assert once.session(SESSION).usage.requests == expected


@pytest.mark.slow
@given(place=st.integers(0, 10**6), distance=st.integers(0, 30), number=st.integers(1, 3))
def test_a_line_that_is_written_again(tmp_path_factory, place, distance, number):
    """A repeated line adds nothing, whatever ids it has and whenever it is repeated."""
    home = tmp_path_factory.mktemp("again") / "home"
    shutil.copytree(AGENT_FOLDERS / "claude" / "home", home)
    once = Ledger()
    refresh(once, home, [claude.AGENT])
    paths = sorted((home / ".claude" / "projects" / "-home-ada-src-router").glob("*.jsonl"))
    path = paths[place % len(paths)]
    lines = path.read_bytes().splitlines(keepends=True)
    first = place // len(paths) % len(lines)
    again = lines[first : first + number]
    lines[first + number + distance : first + number + distance] = again
    path.write_bytes(b"".join(lines))
    ledger = Ledger()
    refresh(ledger, home, [claude.AGENT])
    assert what_was_used(ledger) == what_was_used(once)


# --- transcripts without their head -------------------------------------------------------------


def test_the_head_of_a_transcript_is_missing(chat):
    """The file of a running agent was deleted, and the agent continues in a new file."""
    chat.user("Go").assistant("m1", usage=used(10)).assistant("m2", usage=used(20))
    path = chat.write()
    told = Told(claude.AGENT, path)
    path.unlink()
    chat.assistant("m3", usage=used(30))
    write(path, chat.records[-1])
    read_on(told.ledger, claude.AGENT, str(path))
    assert told.tokens(SESSION) == TokenCounts(input=60, output=15)
    assert Told(claude.AGENT, path).tokens(SESSION) == TokenCounts(input=30, output=5)
    lines = [json.dumps(record) for record in chat.records[2:]]
    path.write_text(lines[0][40:] + "\n" + lines[1] + "\n")
    torn = Told(claude.AGENT, path)
    assert torn.tokens(SESSION) == TokenCounts(input=30, output=5)
    assert torn.facts(SESSION).cwd == "/home/ada/engine"


def test_a_subagent_whose_parent_only_a_later_record_names(tmp_path):
    """In version 2.0 its file is not below that of its session."""
    child = Claude(tmp_path / "projects" / "-home-ada-engine", "agent-c3c3c3c3")
    child.session = SESSION
    child.untimed("file-history-snapshot", messageId="x")
    del child.records[0]["sessionId"]
    child.assistant("m1", isSidechain=True, agentId="c3c3c3c3")
    told = child.told()
    assert {session for _, session in told.ledger.sessions} == {SESSION, "agent-c3c3c3c3"}
    assert told.facts("agent-c3c3c3c3").parent_session_id == SESSION


def test_a_continued_file_is_of_the_session_that_its_records_name(tmp_path):
    """Its first records name no session, and its file name is that of another session."""
    chat = Claude(tmp_path, OTHER)
    chat.session = SESSION
    chat.untimed("file-history-snapshot", messageId="x")
    del chat.records[0]["sessionId"]
    path = chat.assistant("m1").write()
    for ledger in (Told(claude.AGENT, path).ledger, grown(path)):
        assert [session for _, session in ledger.sessions] == [SESSION]


@pytest.mark.parametrize("folder", ["workflows/wf_1", "workflows/wf_1/deeper/still", "other"])
def test_subagents_at_any_depth(tmp_path, folder):
    """The transcript of the parent may be missing. A journal is not a transcript."""
    root = tmp_path / "projects"
    path = root / "-home-ada-engine" / SESSION / "subagents" / folder
    child = Claude(path, "agent-aaaa")
    child.session = SESSION
    child.user("Go", isSidechain=True, agentId="aaaa")
    child.assistant("m1", isSidechain=True, agentId="aaaa").write()
    write(path / "journal.jsonl", {"type": "started", "key": "v2:1", "agentId": "aaaa"})
    paths = [Path(entry.path) for entry in claude.AGENT.files(root)]
    assert sorted(path.name for path in paths) == ["agent-aaaa.jsonl", "journal.jsonl"]
    assert [batch.unknown for path in paths for batch in batches(claude.AGENT, str(path))] == [
        (),
        (),
    ]
    told = Told(claude.AGENT, *paths)
    assert {session for _, session in told.ledger.sessions} == {SESSION, "agent-aaaa"}
    assert told.facts("agent-aaaa").parent_session_id == SESSION
    assert told.facts("agent-aaaa").subagent
