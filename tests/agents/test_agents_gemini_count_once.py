"""Gemini CLI repeats messages and histories, and repeats both as telemetry. Each counts once."""

import itertools
import json

import pytest
from agent_files import counted, write_document, write_lines
from driving import read_on, refresh, transcripts

from agtop_exporter.agents.gemini import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import TokenCounts

SESSION = "11111111-aaaa-4aaa-8aaa-111111111111"
CHATS = ".gemini/tmp/engine/chats"


def at(clock):
    return f"2026-03-02T{clock}:00.000Z"


def header(session_id=SESSION, begun="10:00", **more):
    times = {"startTime": at(begun), "lastUpdated": at(begun)}
    return {"sessionId": session_id, "projectHash": "41cf", **times, "kind": "main", **more}


def user(number, clock, text="Oil the engine"):
    content = [{"text": text}]
    return {"id": f"u{number}", "timestamp": at(clock), "type": "user", "content": content}


def answer(number, clock, tokens=(100, 10, 0, 0, 0), content="Oiled.", **more):
    names = ("input", "output", "cached", "thoughts", "tool")
    usage = dict(zip(names, tokens, strict=True)) if tokens else None
    return {
        "id": f"m{number}",
        "timestamp": at(clock),
        "type": "gemini",
        "content": content,
        "model": "gemini-2.5-pro",
        **({"tokens": usage} if usage else {}),
        **more,
    }


def call(name="read_file", status="success", number=1):
    return {"id": f"call-{number}", "name": name, "args": {}, "status": status}


def api_response(clock, figures, **more):
    names = ("input", "output", "cached_content", "thoughts", "tool")
    counts = {f"{name}_token_count": n for name, n in zip(names, figures, strict=True)}
    name = {"event.name": "gemini_cli.api_response", "event.timestamp": at(clock)}
    return {"attributes": {**name, "model": "gemini-2.5-pro", **counts, **more}}


def write_telemetry(home, *records, indent=2):
    path = home / ".gemini/telemetry.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, indent=indent) + "\n" for record in records))
    return path


def tokens_of(record):
    return record.usage.tokens


def test_g01_no_data_directory_gives_nothing(tmp_path):
    assert list(transcripts(tmp_path, [AGENT])) == []


@pytest.mark.parametrize(
    "projects", [{"projects": {"/src/engine": "engine"}}, {"/src/engine": "engine"}]
)
def test_g02_g03_working_directory_by_projects_json(tmp_path, projects):
    write_lines(tmp_path / CHATS / "session-1.jsonl", header())
    write_document(tmp_path / ".gemini/projects.json", projects)
    assert counted(tmp_path, AGENT)[SESSION].facts.cwd == "/src/engine"


def test_project_root_outranks_projects_json(tmp_path):
    write_lines(tmp_path / CHATS / "session-1.jsonl", header())
    write_document(tmp_path / ".gemini/projects.json", {"projects": {"/old": "engine"}})
    (tmp_path / ".gemini/tmp/engine/.project_root").write_text("/src/engine\n")
    assert counted(tmp_path, AGENT)[SESSION].facts.cwd == "/src/engine"


def test_g04_g07_document(tmp_path):
    calls = [call(number=1), call(number=2)]
    messages = [
        user(1, "10:00"),
        answer(1, "10:01", (1000, 200, 300, 50, 0)),
        user(2, "10:01"),
        answer(2, "10:01", (500, 100, 0, 0, 0), toolCalls=calls),
    ]
    document = header() | {"lastUpdated": at("10:01"), "messages": messages}
    write_document(tmp_path / CHATS / "session-1.json", document, indent=2)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=1200, cache_read=300, output=350, reasoning=50)
    assert record.facts.context_peak_tokens == 1250  # cached tokens are in the input already
    assert record.facts.context_window_tokens == 1_048_576
    assert (record.turns, record.tools) == (2, {"read_file": 2})
    assert record.models["gemini-2.5-pro"].requests == 2
    assert record.facts.last_active - record.facts.started_at == 60


@pytest.mark.parametrize("indent", [None, 2])
def test_g05_g08_telemetry_where_the_transcript_has_no_tokens(tmp_path, indent):
    messages = [user(1, "10:00"), answer(1, "10:05", None)]
    write_document(tmp_path / CHATS / "session-1.json", header(messages=messages))
    response = api_response("10:04", (100, 50, 20, 10, 5), total_token_count=185)
    tool = {"event.name": "gemini_cli.tool_call", "event.timestamp": at("10:03")}
    tool |= {"function_name": "glob", "session.id": SESSION}
    flat = {"name": "gemini_cli.api_response", "timestamp": at("10:04"), "input_token_count": 1}
    response["attributes"]["session.id"] = SESSION
    write_telemetry(tmp_path, response, {"attributes": tool}, flat, indent=indent)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=86, cache_read=20, output=60, reasoning=10)
    assert record.facts.context_peak_tokens == 185
    assert record.tools == {"glob": 1}


def test_g06_telemetry_before_the_session_is_not_the_sessions(tmp_path):
    messages = [answer(1, "10:05", None)]
    write_document(tmp_path / CHATS / "session-1.json", header(messages=messages))
    early = api_response("09:00", (100, 50, 0, 0, 0))
    named = api_response("09:00", (100, 50, 0, 0, 0), **{"session.id": SESSION})
    write_telemetry(tmp_path, early, named)
    assert tokens_of(counted(tmp_path, AGENT)[SESSION]).total == 0


def test_g09_telemetry_without_a_session_needs_a_single_one(tmp_path):
    messages = [answer(1, "10:05", None)]
    write_document(tmp_path / CHATS / "session-1.json", header(messages=messages))
    events = [
        api_response("10:01", (1, 1, 0, 0, 0), **{"session.id": "999"}),
        api_response("10:02", (100, 0, 0, 0, 0), **{"session.id": SESSION}),
        api_response("10:03", (0, 50, 0, 0, 0)),
    ]
    write_telemetry(tmp_path, *events)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=100, output=50)
    other = "22222222-aaaa-4aaa-8aaa-111111111111"
    write_document(tmp_path / CHATS / "session-2.json", header(other, messages=messages))
    both = counted(tmp_path, AGENT)
    assert tokens_of(both[SESSION]) == TokenCounts(input=100)
    assert tokens_of(both[other]).total == 0


def test_g10_subagents_are_the_parents(tmp_path):
    child = "22222222-aaaa-4aaa-8aaa-111111111111"
    write_lines(tmp_path / CHATS / "session-1.jsonl", header())
    write_lines(tmp_path / CHATS / SESSION / f"{child}.jsonl", header(child), user(1, "10:00"))
    sessions = counted(tmp_path, AGENT)
    assert sessions[child].facts.parent_session_id == SESSION
    assert sessions[child].turns == 0  # no user typed the prompt of a subagent
    assert sessions[SESSION].facts.parent_session_id == ""


@pytest.mark.parametrize(
    ("records", "kind", "detail"),
    [
        pytest.param([answer(1, "10:01")], "idle", "gemini.message", id="G-11"),
        pytest.param(
            [answer(1, "10:01", toolCalls=[call()])], "running", "gemini.toolCalls", id="G-12"
        ),
        pytest.param(
            [answer(1, "10:01", toolCalls=[call(), call("glob", "error")])],
            "running",
            "gemini.tool_error:glob",
            id="G-13",
        ),
        (
            [answer(1, "10:01", toolCalls=[call(status="awaiting_approval")])],
            "waiting",
            "gemini.toolCalls.awaiting_approval",
        ),
        ([answer(1, "10:01", content="")], "running", "gemini.calling"),
        ([answer(1, "10:01"), user(2, "10:02")], "running", "gemini.user"),
        ([answer(1, "10:01"), {"$rewindTo": "m1"}], "idle", "gemini.rewind"),
        (
            [answer(1, "10:01"), {"id": "e", "type": "error", "content": "quota"}],
            "error",
            "gemini.error",
        ),
    ],
)
def test_state_by_the_tail(tmp_path, records, kind, detail):
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), *records)
    signal = counted(tmp_path, AGENT)[SESSION].facts.signal
    assert (signal.kind, signal.detail) == (kind, detail)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mcp_gears_turn_left", "mcp:gears"),  # as 0.61 names them
        ("mcp__gears__turn", "mcp:gears"),
        ("mcp_gears", "mcp_gears"),
        ("read_file", "read_file"),
    ],
)
def test_tools_of_a_server_are_one(tmp_path, name, label):
    records = [header(), answer(1, "10:01", toolCalls=[call(name), call(name, number=2)])]
    write_lines(tmp_path / CHATS / "session-x.jsonl", *records)
    assert counted(tmp_path, AGENT)[SESSION].tools == {label: 2}


def test_g14_two_files_of_one_session_are_their_union(tmp_path):
    first = [header(begun="09:00"), user(1, "09:00"), answer(1, "09:30")]
    again = [header(begun="10:00"), user(1, "09:00"), answer(1, "09:30"), answer(2, "10:15")]
    write_lines(tmp_path / CHATS / "session-1.jsonl", *first)
    newer = write_lines(tmp_path / CHATS / "session-2.jsonl", *again)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=200, output=20)
    assert record.turns == 1
    assert record.facts.data_path == str(newer)
    assert record.facts.last_active - record.facts.started_at == 75 * 60


def test_g15_one_message_with_growing_tokens_counts_its_last(tmp_path):
    grown = answer(1, "10:01", (100, 40, 0, 7, 0), toolCalls=[call()])
    path = write_lines(tmp_path / CHATS / "session-1.jsonl", header(), answer(1, "10:01"))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    write_lines(path, header(), answer(1, "10:01"), grown, grown)
    read_on(ledger, AGENT, str(path))
    record = ledger.sessions["gemini", SESSION]
    assert tokens_of(record) == TokenCounts(input=100, output=47, reasoning=7)
    assert record.models["gemini-2.5-pro"].requests == 1
    assert record.tools == {"read_file": 1}


def test_a_prompt_that_only_a_later_record_divides(tmp_path):
    records = (answer(2, "10:00", (1_500, 30, cached, 0, 0)) for cached in (0, 1_300))
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), *records)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=200, cache_read=1_300, output=30)


def test_a_record_with_the_session_id_that_comes_late(tmp_path):
    """Then an earlier read knew the session by the name of its file only."""
    first = {**answer(1, "10:01"), "id": "m1"}
    path = write_lines(tmp_path / CHATS / "session-1.jsonl", first)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    write_lines(path, first, header(), first, answer(2, "10:02"))
    read_on(ledger, AGENT, str(path))
    assert ledger.totals["requests", "gemini", "gemini-2.5-pro"] == 2


def test_g15_what_was_billed_stays_when_it_is_rewound(tmp_path):
    history = {"$set": {"messages": [user(1, "10:00"), answer(9, "10:09", None)]}}
    records = [answer(1, "10:01"), {"$rewindTo": "m1"}, history, answer(2, "10:02")]
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), *records)
    assert tokens_of(counted(tmp_path, AGENT)[SESSION]) == TokenCounts(input=200, output=20)


def test_a_history_whose_ids_collide_loses_nothing(tmp_path):
    result = {"id": "m1", "timestamp": at("10:01"), "type": "user"}
    result |= {"content": [{"functionResponse": {"id": "call-1", "response": {}}}]}
    history = {"$set": {"messages": [user(1, "10:00"), answer(1, "10:01"), result]}}
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), history, history)
    record = counted(tmp_path, AGENT)[SESSION]
    assert tokens_of(record) == TokenCounts(input=100, output=10)
    assert record.turns == 0  # a history is no new prompt


def test_equal_ids_of_two_sessions_are_two_messages(tmp_path):
    other = "22222222-aaaa-4aaa-8aaa-111111111111"
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), answer(1, "10:01"))
    write_lines(tmp_path / CHATS / "session-2.jsonl", header(other), answer(1, "10:01"))
    assert [tokens_of(record).total for record in counted(tmp_path, AGENT).values()] == [110, 110]


@pytest.mark.long
def test_telemetry_never_repeats_a_transcript_in_any_order(tmp_path):
    """However much of each file has been written when it is read, everything is counted once."""
    chat = tmp_path / CHATS / "session-1.jsonl"
    lines = [header(), user(1, "10:00"), answer(1, "10:01"), user(2, "10:02"), answer(2, "10:03")]
    main = {"session.id": SESSION, "role": "main"}
    events = [
        api_response("10:00", (7, 1, 0, 0, 0), role="utility_router", **{"session.id": SESSION}),
        api_response("10:01", (100, 10, 0, 0, 0), **main),
        api_response("10:03", (100, 10, 0, 0, 0), **main),
    ]
    steps = ["chat"] * len(lines) + ["telemetry"] * len(events)
    orders = set(itertools.permutations(steps))
    assert len(orders) == 56
    for order in orders:
        ledger, written = Ledger(), {"chat": 0, "telemetry": 0}
        for path in (chat, tmp_path / ".gemini/telemetry.log"):
            path.unlink(missing_ok=True)
        for kind in order:
            written[kind] += 1
            write_lines(chat, *lines[: written["chat"]])
            write_telemetry(tmp_path, *events[: written["telemetry"]])
            refresh(ledger, tmp_path, [AGENT])
        assert tokens_of(ledger.sessions["gemini", SESSION]) == TokenCounts(input=207, output=21)


def test_checks_of_tool_calls_are_in_no_transcript(tmp_path):
    write_lines(tmp_path / CHATS / "session-1.jsonl", header(), answer(1, "10:01"))
    check = {"session.id": SESSION, "role": "subagent"}
    write_telemetry(
        tmp_path,
        api_response("10:00", (70, 9, 0, 0, 0), prompt_id="conseca-policy-generation", **check),
        api_response("10:00", (50, 3, 0, 0, 0), prompt_id="conseca-policy-enforcement", **check),
        api_response("10:01", (40, 2, 0, 0, 0), prompt_id=f"{SESSION}#agent#0", **check),
    )
    (record,) = counted(tmp_path, AGENT).values()
    assert (tokens_of(record).total, record.usage.requests) == (110 + 79 + 53, 3)


def test_g15_telemetry_may_lie_elsewhere(tmp_path):
    outfile, other = tmp_path / "logs/gemini.log", tmp_path / "logs/other.log"
    write_document(tmp_path / ".gemini/settings.json", {"telemetry": {"outfile": str(outfile)}})
    assert AGENT.roots(tmp_path, {})[1:] == (outfile,)
    roots = AGENT.roots(tmp_path, {"GEMINI_TELEMETRY_OUTFILE": str(other)})
    assert roots == (tmp_path / ".gemini", other, outfile)
    outfile.parent.mkdir()
    outfile.write_text("")
    (tmp_path / "logs/else.log").write_text("")
    assert [entry.path for entry in AGENT.files(outfile)] == [str(outfile)]


def test_data_directory_may_be_named(tmp_path):
    assert AGENT.roots(tmp_path, {"GEMINI_CLI_HOME": "/elsewhere"})[0].as_posix() == (
        "/elsewhere/.gemini"
    )
    named = AGENT.roots(tmp_path, {"GEMINI_DATA_DIR": "/one, /two"})
    assert [root.as_posix() for root in named] == ["/one", "/two"]
