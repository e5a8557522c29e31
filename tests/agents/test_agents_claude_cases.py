"""Claude Code: cases that readers of its transcripts are known to get wrong.

The ids are those of the acceptance list. Plans and credentials have tests of their own.
"""

import json

import pytest
from driving import price, project, read_on
from transcripts import SESSION, Claude, Told, tool, write

from agtop_exporter.agents import claude
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost, Cursor, Signal, TokenCounts

OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def chat(tmp_path):
    return Claude(tmp_path)


@pytest.mark.parametrize(
    "name", [SESSION, "agent-c3c3c3c3", "not-a-uuid", SESSION.replace("-", "")]
)
def test_c01_a_file_of_another_program_is_no_session(tmp_path, name):
    """The content decides: a renamed transcript is still a transcript."""
    told = Told(claude.AGENT, write(tmp_path / f"{name}.jsonl", {"note": "of another program"}))
    assert not told.ledger.sessions
    assert told.total("scan_records") == 1


def test_c01_a_transcript_is_one_under_any_name(chat):
    chat.assistant("m1")
    told = Told(claude.AGENT, chat.write().rename(chat.path.with_name("renamed.jsonl")))
    assert told.tokens(SESSION).total


def test_c02_nested_cache_creation(chat):
    chat.assistant(
        "m1",
        usage={
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 8,
            "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 1},
        },
    )
    assert chat.told().tokens(SESSION) == TokenCounts(10, 3, 7, 1, 5)


@pytest.mark.parametrize("nested", [{}, {"cache_creation": None}, {"cache_creation": {}}])
def test_c03_flat_cache_creation_is_5m(chat, nested):
    chat.assistant("m1", usage={"cache_creation_input_tokens": 9, **nested})
    assert chat.told().tokens(SESSION) == TokenCounts(cache_write_5m=9)


@pytest.mark.parametrize(
    ("thoughts", "reasoning"),
    [
        ({"thinking_tokens": 4}, 4),
        ({"thinking_tokens": 9}, 5),
        ({"thinking_tokens": None}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_thinking_is_a_part_of_the_output(chat, thoughts, reasoning):
    """Version 2.1.332 records it. A value above the output is cut to the output."""
    chat.assistant("m1", usage={"output_tokens": 5, "output_tokens_details": thoughts})
    assert chat.told().tokens(SESSION) == TokenCounts(output=5, reasoning=reasoning)


@pytest.mark.parametrize("figures", [(0, 4), (4, 0)])
def test_thinking_counts_once_whichever_line_tells_it(chat, figures):
    for thoughts in figures:
        details = {"thinking_tokens": thoughts}
        chat.assistant("m1", usage={"output_tokens": 5, "output_tokens_details": details})
    assert chat.told().tokens(SESSION) == TokenCounts(output=5, reasoning=4)


def test_effort_is_that_of_the_latest_answer_that_tells_it(chat):
    chat.assistant("m1", effort="high").assistant("m2", effort="low").assistant("m3")
    assert chat.told().facts(SESSION).model_effort == "low"


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("tool_use", "running"),
        ("end_turn", "idle"),
        ("stop_sequence", "idle"),
        ("max_tokens", "idle"),
        ("refusal", "idle"),
        (None, "running"),
    ],
)
def test_c04_c05_stop_reasons(chat, stop, kind):
    signal = chat.assistant("m1", stop=stop).told().signal(SESSION)
    assert signal == Signal(kind, "", f"assistant.stop_reason={stop}")


def test_c12_no_subagents(chat):
    told = chat.assistant("m1").told()
    assert set(told.ledger.sessions) == {("claude", SESSION)}


def test_c13_one_subagent(tmp_path, chat):
    chat.assistant("m1")
    child = Claude(tmp_path / SESSION / "subagents", "agent-aaaa", model="claude-haiku-4-5")
    child.session = SESSION
    child.assistant("m2", isSidechain=True, agentId="aaaa")
    told = Told(claude.AGENT, chat.write(), child.write())
    facts = told.facts("agent-aaaa")
    assert (facts.parent_session_id, facts.subagent) == (SESSION, True)
    assert (facts.model, facts.cwd, facts.signal.kind) == (
        "claude-haiku-4-5",
        "/home/ada/engine",
        "idle",
    )
    assert facts.data_path == str(child.path)
    assert told.tokens("agent-aaaa") == TokenCounts(input=10, output=5)
    assert told.tokens(SESSION) == TokenCounts(input=10, output=5)
    assert told.total("sessions_started") == 1


def test_c20_state_comes_from_the_end(chat):
    for number in range(50):
        chat.assistant(f"m{number}", tool("Bash", f"t{number}"), stop="tool_use").result(
            f"t{number}"
        )
    assert chat.told().signal(SESSION).kind == "running"
    assert chat.assistant("last").told().signal(SESSION).kind == "idle"


def test_c20_a_late_first_answer(chat):
    for number in range(60):
        chat.untimed("file-history-snapshot", messageId=str(number))
    told = chat.assistant("m1").told()
    assert told.tokens(SESSION).output == 5
    assert told.facts(SESSION).model == "claude-sonnet-4-5"


def test_c20_titles_of_any_alphabet(chat):
    title = chat.user("é🙂" * 100).told().facts(SESSION).title
    assert len(title) == 80
    assert title == "é🙂" * 39 + "é…"


@pytest.mark.parametrize("fork_first", [False, True])
def test_c20_ids_in_two_files_count_once(tmp_path, chat, fork_first):
    """A fork of version 2.0 has one line of its own, and then older lines."""
    chat.user("Go").assistant("m1").assistant("m2")
    fork = Claude(tmp_path, OTHER, day="2026-03-03").untimed("mode")
    fork.add("queue-operation")
    fork.records += [{**record, "sessionId": OTHER} for record in chat.records]
    fork.assistant("m3")
    paths = [chat.write(), fork.write()]
    told = Told(claude.AGENT, *(reversed(paths) if fork_first else paths))
    assert told.total("requests", "claude-sonnet-4-5") == 3
    assert told.session(SESSION).usage.requests == 2
    assert told.session(OTHER).usage.requests == 1
    assert (told.session(SESSION).turns, told.session(OTHER).turns) == (1, 0)


@pytest.mark.parametrize("copy_first", [False, True])
@pytest.mark.parametrize("mark", ["sessionKind", "forkedFrom"])
def test_a_copy_of_all_records_leaves_the_original_its_usage(tmp_path, chat, mark, copy_first):
    """A session in the background, or a branch that has its copies twice, once without a mark."""
    chat.user("Go").assistant("m1").user("On").assistant("m2")
    copy = Claude(tmp_path, OTHER, day="2026-03-03")
    marked = [{**each, "sessionId": OTHER, mark: "bg"} for each in chat.records]
    copy.records += marked
    if mark == "forkedFrom":
        copy.records += [{**each, "sessionId": OTHER} for each in chat.records]
    own = {mark: "bg"} if mark == "sessionKind" else {}
    copy.user("More", **own).assistant("m3", **own)
    paths = [chat.write(), copy.write()]
    told = Told(claude.AGENT, *(reversed(paths) if copy_first else paths))
    assert [told.session(each).usage.requests for each in (SESSION, OTHER)] == [2, 1]
    assert [told.session(each).turns for each in (SESSION, OTHER)] == [2, 1]


@pytest.mark.parametrize("copy_first", [False, True])
def test_c20_continued_by_1_0(tmp_path, chat, copy_first):
    """Copies keep message and uuid, have no requestId, and have the time of the copy."""
    chat.version = "1.0.100"
    chat.user("Go").assistant("m1", tool("Bash"), stop="tool_use").result("toolu_1")
    chat.assistant("m2")
    copy = Claude(tmp_path, OTHER, day="2026-03-03")
    copy.records += [
        {
            key: value
            for key, value in {
                **record,
                "sessionId": OTHER,
                "timestamp": "2026-03-03T10:00:00.000Z",
            }.items()
            if key != "requestId"
        }
        for record in chat.records
    ]
    copy.assistant("m3")
    paths = [chat.write(), copy.write()]
    told = Told(claude.AGENT, *(reversed(paths) if copy_first else paths))
    assert told.total("requests", "claude-sonnet-4-5") == 3
    assert told.total("tool_calls", "Bash") == 1
    assert told.total("turns") == 1
    assert told.session(SESSION).usage.requests == 2
    assert told.session(OTHER).usage.requests == 1


def test_c20_a_copy_alone_counts(tmp_path):
    """Claude Code deletes transcripts after 30 days. Then only the copy remains."""
    copy = Claude(tmp_path).assistant("m1", requestId=None)
    assert copy.told().tokens(SESSION).output == 5


def test_c20_an_unknown_model_keeps_its_tokens(chat):
    told = chat.assistant("m1", model="unpriced-model").told()
    assert told.tokens(SESSION) == TokenCounts(input=10, output=5)
    assert told.total("unpriced_tokens", "unpriced-model") == 15


def test_c20_a_line_of_600_kilobytes(chat):
    big = {**tool("Write"), "input": {"file_path": "/x", "content": "é" * 300_000}}
    told = chat.assistant("m1", big, stop="tool_use").told()
    assert chat.path.stat().st_size > 600_000
    assert told.tokens(SESSION) == TokenCounts(input=10, output=5)
    assert told.session(SESSION).tools == {"Write": 1}
    assert told.signal(SESSION).detail == "assistant.stop_reason=tool_use"


def test_c20_a_smaller_fragment_later(chat):
    chat.assistant("m1", usage={"input_tokens": 10, "output_tokens": 300})
    chat.assistant("m1", usage={"input_tokens": 10, "output_tokens": 2})
    assert chat.told().tokens(SESSION).output == 300


WHOLE = {"input_tokens": 10, "cache_creation_input_tokens": 100, "output_tokens": 50}
SPLIT = {**WHOLE, "cache_creation": {"ephemeral_1h_input_tokens": 100}, "output_tokens": 1}


@pytest.mark.parametrize("lines", [(SPLIT, WHOLE), (WHOLE, SPLIT)])
def test_a_line_that_does_not_split_its_cache_writes_adds_none(chat, lines):
    for usage in lines:
        chat.assistant("m1", usage=usage)
    assert chat.told().tokens(SESSION) == TokenCounts(input=10, cache_write_1h=100, output=50)


def test_a_response_in_two_sessions_belongs_to_the_earlier_one(tmp_path, chat):
    """An id of the API is unique, so a later line with it belongs to the same response."""
    message = "msg_01XFDUDYJgAACzvnptvVoYEL"
    chat.user("Go").assistant(message).assistant("m2")
    other = Claude(tmp_path, OTHER, day="2026-03-03").user("Go").assistant(message).assistant("m3")
    for paths in ([chat.write(), other.write()], [other.write(), chat.write()]):
        told = Told(claude.AGENT, *paths)
        assert told.session(SESSION).usage.requests == 2
        assert told.session(OTHER).usage.requests == 1


@pytest.mark.parametrize("version", ["2.1", "1.0"])
def test_without_the_original_the_earliest_copy_has_it(tmp_path, chat, version):
    """Claude Code has deleted the original after 30 days, and several copies remain."""
    chat.version = "1.0.100" if version == "1.0" else ""
    chat.user("Go").assistant("m1").assistant("m2")
    first = Claude(tmp_path, OTHER, day="2026-03-03")
    second = Claude(tmp_path, "33333333-3333-4333-8333-333333333333", day="2026-03-04")
    for copy in (first, second):
        for record in chat.records:
            if version == "2.1":
                copy.records += [{**record, "sessionId": copy.session}]
            else:
                kept = {name: record[name] for name in ("message", "uuid", "version")}
                copy.add(record["type"], **kept)
        if version == "2.1":
            copy.add("queue-operation")
            copy.records.insert(0, copy.records.pop())
        copy.seconds = 30
        copy.assistant(f"own {copy.session}")
    for paths in ([first.write(), second.write()], [second.write(), first.write()]):
        told = Told(claude.AGENT, *paths)
        assert told.session(first.session).usage.requests == 3
        assert told.session(second.session).usage.requests == 1


def test_no_ids_at_all(chat):
    usage = {"input_tokens": 12, "output_tokens": 5}
    chat.assistant("", uuid="u1", requestId=None)
    chat.assistant("", uuid="u2", requestId=None, usage=usage)
    for record in chat.records:
        record["message"]["id"] = None
    assert chat.told().session(SESSION).usage.requests == 2


def test_synthetic_answers_are_no_requests(chat):
    chat.assistant("m1").assistant("x", model="<synthetic>", isApiErrorMessage=True)
    told = chat.told()
    assert told.total("requests", "claude-sonnet-4-5") == 1
    assert told.signal(SESSION) == Signal("error", "api error", "assistant.isApiErrorMessage")
    assert told.facts(SESSION).model == "claude-sonnet-4-5"
    assert "<synthetic>" not in str(told.ledger.totals)


def test_an_error_ends_with_the_next_prompt(chat):
    chat.assistant("x", model="<synthetic>", isApiErrorMessage=True).user("Again")
    assert chat.told().signal(SESSION) == Signal("running", "", "user.prompt")


@pytest.mark.parametrize("name", ["AskUserQuestion", "ExitPlanMode"])
def test_a_question_waits_until_it_is_answered(chat, name):
    chat.assistant("m1", tool(name), stop="tool_use")
    assert chat.told().signal(SESSION) == Signal("waiting", "input", "assistant.question", name)
    assert chat.result("toolu_1").told().signal(SESSION).kind == "running"


@pytest.mark.parametrize(
    "after",
    [
        {"parentUuid": None, "type": "attachment", "timestamp": "2026-03-02T11:00:00.000Z"},
        {"type": "last-prompt", "sessionId": SESSION},
        {
            "type": "api-request-blob",
            "message": {"role": "user", "content": [{"tool_use_id": "t", "type": "tool_result"}]},
        },
    ],
    ids=lambda record: record["type"],
)
def test_an_answered_question_is_not_hidden_by_what_follows(chat, after):
    chat.assistant("m1", tool("AskUserQuestion"), stop="tool_use").result("toolu_1")
    chat.records.append(after)
    assert chat.told().signal(SESSION).kind == "running"


def test_an_interruption_is_idle(chat):
    chat.assistant("m1", tool("Bash"), stop="tool_use")
    chat.user([{"type": "text", "text": "[Request interrupted by user for tool use]"}])
    told = chat.told()
    assert told.signal(SESSION).kind == "idle"
    assert told.total("turns") == 0


def test_a_sidechain_does_not_drive_its_parent(chat):
    """In version 1.0 its lines are in the main file. Its tokens count, its state does not."""
    chat.assistant("m1", tool("Task"), stop="tool_use")
    chat.user("Look", isSidechain=True)
    chat.assistant("m2", isSidechain=True, model="claude-haiku-4-5")
    told = chat.told()
    assert told.signal(SESSION).detail == "assistant.stop_reason=tool_use"
    assert told.facts(SESSION).model == "claude-sonnet-4-5"
    assert told.facts(SESSION).context_used_tokens == 15
    assert told.session(SESSION).usage.requests == 2
    assert told.session(SESSION).turns == 0


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Hello", 1),
        ("  \n", 0),
        ("<command-name>/clear</command-name>", 0),
        ("<local-command-stdout></local-command-stdout>", 0),
        ("<task-notification>done</task-notification>", 0),
        ("Caveat: The messages below", 0),
        ("<b>bold</b> words", 1),
    ],
)
def test_only_what_was_typed_is_a_turn(chat, text, turns):
    assert chat.user(text).told().session(SESSION).turns == turns


def test_marked_lines_are_no_turns(chat):
    chat.user("a", isMeta=True).user("b", isCompactSummary=True).user("c", isSidechain=True)
    assert chat.told().session(SESSION).turns == 0


def test_compaction(chat):
    chat.assistant("m1").add("system", subtype="compact_boundary").user("x", isCompactSummary=True)
    assert chat.told().session(SESSION).compactions == 1


def test_titles_by_rank(chat):
    chat.untimed("ai-title", aiTitle="ai").user("prompt").user("prompt 2")
    assert chat.told().facts(SESSION).title == "ai"
    chat.untimed("custom-title", customTitle="custom").untimed("ai-title", aiTitle="ai 2")
    assert chat.told().facts(SESSION).title == "custom"
    assert chat.untimed("custom-title", customTitle="new").told().facts(SESSION).title == "new"


def test_the_first_prompt_is_a_title(chat):
    assert chat.user(" one\n two ").user("three").told().facts(SESSION).title == "one two"


def test_tools_count_by_their_ids(chat):
    for _ in range(2):
        chat.assistant("m1", tool("Bash", "t1"), tool("mcp__gears__turn", "t2"), stop="tool_use")
    chat.result("t2", is_error=True).result("t2", is_error=True)
    told = chat.told()
    assert told.session(SESSION).tools == {"Bash": 1, "mcp:gears": 1}
    assert told.session(SESSION).tool_errors == {"mcp:gears": 1}


def test_context_is_that_of_the_last_answer(chat):
    def used(tokens):
        return {"input_tokens": tokens, "output_tokens": 0}

    chat.assistant("m1", usage=used(150_000)).assistant("m2", usage=used(20_000))
    facts = chat.told().facts(SESSION)
    assert (facts.context_used_tokens, facts.context_peak_tokens) == (20_000, 150_000)
    assert facts.context_window_tokens == 200_000
    facts = chat.assistant("m3", usage=used(200_001)).told().facts(SESSION)
    assert facts.context_window_tokens == 1_000_000


def test_a_fork_of_a_session_names_its_parent_alone(tmp_path):
    path = tmp_path / SESSION / "subagents" / "agent-afork-1.jsonl"
    write(path, {"type": "fork-context-ref", "agentId": "afork-1", "parentSessionId": OTHER})
    told = Told(claude.AGENT, path)
    assert told.facts("agent-afork-1").parent_session_id == OTHER


def test_a_renamed_transcript_goes_on_under_another_id(chat):
    chat.assistant("m1")
    chat.session = OTHER
    told = chat.assistant("m2").told()
    assert told.session(SESSION).usage.requests == 1
    assert told.session(OTHER).usage.requests == 1


def test_records_without_a_time_have_a_directory(chat):
    chat.user("Go").assistant("m1")
    for record in chat.records:
        record["timestamp"] = record["timestamp"].removesuffix("Z")
    told = chat.told()
    assert told.facts(SESSION).cwd == "/home/ada/engine"
    assert told.facts(SESSION).started_at is None


def test_times_without_a_zone_are_none(chat):
    chat.assistant("m1", timestamp="2026-03-02T10:00:00.000")
    told = chat.told()
    assert told.facts(SESSION).last_active is None
    assert told.tokens(SESSION).output == 5
    assert told.total("parse_errors", "schema") == 1


def test_a_branch_with_half_a_surrogate_is_still_a_copy(chat):
    mark = {"sessionId": OTHER, "messageUuid": "u"}
    chat.assistant("m1", {"type": "text", "text": "@"}, forkedFrom=mark)
    path = chat.write()
    path.write_text(path.read_text().replace("@", "\\ud83d"))
    (event,) = claude.AGENT.read(str(path), Cursor()).events
    assert event.copied


def test_a_branch_that_is_read_in_two_parts_has_the_title_of_its_first_prompt(chat):
    """The first part has only copies. The title is the one of a single read."""
    mark = {"forkedFrom": {"sessionId": OTHER, "messageUuid": "u"}}
    chat.user("Sort the routes", **mark).assistant("m1", **mark)
    ledger = Ledger()
    read_on(ledger, claude.AGENT, str(chat.write()))
    chat.user("And now test").assistant("m2")
    read_on(ledger, claude.AGENT, str(chat.write()))
    assert ledger.sessions["claude", SESSION].facts.title == "Sort the routes"
    assert chat.told().facts(SESSION).title == "Sort the routes"


def test_a_rewriting_compaction_counts_nothing_again(chat):
    """Some compactions rewrite the file with only its later lines."""
    for number in range(10):
        chat.user(f"p{number}").assistant(f"m{number}", tool("Bash", f"t{number}"))
    told = chat.told()
    before = dict(told.ledger.totals)
    path = chat.path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[8:]) + json.dumps({"type": "summary", "summary": "s"}) + "\n")
    again = claude.AGENT.read(str(path), told.ledger.cursor("claude", str(path)))
    assert again.reset == "truncated"
    told.ledger.record(again, price=price, project=project)
    for series in ("requests", "tokens", "cost", "turns", "tool_calls"):
        assert {k: v for k, v in told.ledger.totals.items() if k[0] == series} == {
            k: v for k, v in before.items() if k[0] == series
        }


@pytest.mark.parametrize(
    ("result", "fees"),
    [
        ({"results": [{"tool_use_id": "srvtoolu_1"}, "Found.", {"tool_use_id": "srvtoolu_2"}]}, 2),
        ({"results": [{"tool_use_id": "srvtoolu_1"}, "Web search error: unavailable"]}, 1),
        ({"results": [{"tool_use_id": "search-service-1", "content": []}]}, 0),
        ({"results": "none"}, 0),
        ({"results": [None, 1, {"tool_use_id": 1}]}, 0),
        ("Error: aborted", 0),
        ([{"type": "text"}], 0),
        (None, 0),
    ],
)
def test_the_result_of_a_web_search_shows_its_fee(chat, result, fees):
    """The model that searches is asked in a request that no transcript contains."""
    chat.user("Go").assistant("m1", tool("WebSearch"), stop="tool_use")
    ledger = Ledger()
    read_on(ledger, claude.AGENT, str(chat.write()), price=fee)
    block = {"tool_use_id": "toolu_1", "type": "tool_result", "content": "Found."}
    chat.user([block], toolUseResult=result)
    chat.records.append(chat.records[-1])
    read_on(ledger, claude.AGENT, str(chat.write()), price=fee)
    assert ledger.sessions["claude", SESSION].usage.cost.web_search == fees
    assert ledger.totals["requests", "claude", "claude-sonnet-4-5"] == 1
    assert not ledger.totals.get(("scan_errors", "claude", "schema"), 0)


def fee(event):
    return Cost(web_search=event.web_searches)
