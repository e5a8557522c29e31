"""Copilot: the changes in a log are applied, and each request counts once, in its final state."""

import json
import shutil

import pytest
from any_json import anything
from driving import read_on, refresh, totals
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents.copilot import AGENT
from agtop_exporter.ledger import Ledger

STARTED = 1_780_000_000_000
SESSION = "99999999-9999-4999-8999-999999999999"
USER = (".config", "Code", "User")


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def chat_log(home, lines):
    folder = home.joinpath(*USER, "workspaceStorage", "abc", "chatSessions")
    return write(folder / f"{SESSION}.jsonl", lines)


def chat_file(home, document, name=SESSION):
    folder = home.joinpath(*USER, "workspaceStorage", "abc", "chatSessions")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def request(name="r1", **more):
    return {
        "requestId": name,
        "timestamp": STARTED,
        "modelId": "copilot/gpt-4.1",
        "message": {"text": "please"},
        **more,
    }


def initial(*requests):
    return {
        "kind": 0,
        "v": {"sessionId": SESSION, "creationDate": STARTED, "requests": list(requests)},
    }


def told(path):
    """Read a file, and return its only session as stored in the ledger."""
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    [record] = ledger.sessions.values()
    return record


def test_h01_no_folder_gives_nothing(tmp_path):
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT])
    assert (ledger.sessions, ledger.totals) == ({}, {})


def test_h02_named_by_its_file(tmp_path):
    """The oldest chats have neither an id nor dates."""
    path = chat_file(tmp_path, {"requests": [{"modelId": "copilot/gpt-4.1", "message": "hi"}]})
    record = told(path)
    assert (record.session_id, record.facts.model) == (SESSION, "copilot/gpt-4.1")
    assert record.facts.title == "hi"
    assert record.facts.last_active == path.stat().st_mtime_ns / 1_000_000_000
    assert record.models == {}  # no figures: absent, never 0


def test_h05_a_deleted_chat_stays_counted(tmp_path):
    """Two rounds without call ids are two calls."""
    rounds = {"metadata": {"toolCallRounds": [{"id": "a"}, {"id": "b"}]}}
    path = chat_file(tmp_path, {"sessionId": SESSION, "requests": [request(result=rounds)]})
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT])
    path.unlink()
    refresh(ledger, tmp_path, [AGENT])
    assert sum(ledger.sessions["copilot", SESSION].tools.values()) == 2


def test_a_chat_without_requests_is_none(tmp_path):
    path = chat_file(tmp_path, {"sessionId": SESSION, "requests": []})
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions == {}


QUESTION = {"kind": "questionCarousel", "questions": [{}]}


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ([], "running", ""),
        ([(2, ["requests", 0, "response"], [QUESTION])], "waiting", "input"),
        (
            [
                (2, ["requests", 0, "response"], [QUESTION]),
                (2, ["requests", 0, "response"], [{**QUESTION, "isUsed": True}], 0),
                (1, ["requests", 0, "modelState"], {"value": 1, "completedAt": STARTED + 5}),
            ],
            "idle",
            "",
        ),
        ([(1, ["requests", 0, "modelState"], {"value": 4})], "waiting", "permission"),
        ([(1, ["requests", 0, "modelState"], {"value": 2})], "idle", ""),
        ([(1, ["requests", 0, "modelState"], {"value": 3})], "error", "failed"),
        ([(1, ["requests", 0, "result"], {"errorDetails": {"code": "quota"}})], "error", "quota"),
        ([(1, ["requests", 0, "result"], {"errorDetails": {"code": "canceled"}})], "idle", ""),
        ([(1, ["requests", 0, "result"], {"metadata": {}})], "idle", ""),
        (
            [
                (1, ["requests", 0, "result"], {"metadata": {}}),
                (3, ["requests", 0, "result"], None),
            ],
            "running",
            "",
        ),
    ],
)
def test_h06_h07_state_of_the_last_request(tmp_path, changes, kind, reason):
    """A session whose request was answered or has ended does not wait."""
    lines = [initial(request())]
    for number, path, value, *cut in changes:
        lines.append({"kind": number, "k": path, "v": value} | ({"i": cut[0]} if cut else {}))
    signal = told(chat_log(tmp_path, lines)).facts.signal
    assert (signal.kind, signal.reason) == (kind, reason)


def test_h07_pushes_into_a_response_are_no_requests(tmp_path):
    """Requests in the snapshot and pushed requests count. Parts of a response do not."""
    call = {"kind": "toolInvocationSerialized", "toolCallId": "c1", "toolId": "read"}
    record = told(
        chat_log(
            tmp_path,
            [
                initial(request("r1"), request("r2")),
                {"kind": 2, "k": ["requests"], "v": [request("r3")]},
                {"kind": 2, "k": ["requests", 2, "response"], "v": [{"value": "so"}, call]},
                {"kind": 2, "k": ["requests", 2, "response"], "v": [call], "i": 1},
                {"kind": 1, "k": ["requests", 2, "message", "text"], "v": "again"},
                {"kind": 1, "k": ["requests", 2, "response", 0, "value"], "v": "well"},
                {"kind": 1, "k": ["customTitle"], "v": "A title"},
                {"kind": 1, "k": ["requests", 1, "promptTokens"], "v": 100},
                {"kind": 1, "k": ["requests", 1, "completionTokens"], "v": 10},
            ],
        )
    )
    assert (record.turns, record.tools, record.facts.title) == (3, {"read": 1}, "A title")
    assert record.models["gpt-4.1"].tokens.input == 100


def test_a_compacted_log_counts_no_more(tmp_path):
    """VS Code rewrites a log that has become long as one document."""
    ended = request("r1", promptTokens=100, completionTokens=10, result={"metadata": {}})
    path = chat_log(
        tmp_path, [initial(request("r1")), {"kind": 1, "k": ["requests", 0], "v": ended}]
    )
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT])
    before = dict(ledger.totals)
    path.unlink()
    chat_log(tmp_path, [initial(ended)])
    refresh(ledger, tmp_path, [AGENT])
    for name in ("requests", "tokens", "turns"):
        same = {series: value for series, value in before.items() if series[0] == name}
        assert same
        assert same.items() <= ledger.totals.items()


@pytest.mark.parametrize(
    ("more", "tokens"),
    [
        ({"result": {"usage": {"promptTokens": 100, "completionTokens": 10}}}, (100, 10)),
        ({"result": {"promptTokens": 100, "outputTokens": 10}}, (100, 10)),
        ({"result": {"metadata": {"promptTokens": 100, "outputTokens": 10}}}, (100, 10)),
        (
            {
                "completionTokens": 49,
                "result": {"metadata": {"promptTokens": 9, "outputTokens": 6}},
            },
            (9, 49),
        ),
        ({"promptTokens": 100, "completionTokens": 10, "modelState": {"value": 1}}, (100, 10)),
    ],
)
def test_the_largest_figures_of_a_prompt_count(tmp_path, more, tokens):
    record = told(chat_file(tmp_path, {"requests": [request(**more)]}))
    counts = record.models["gpt-4.1"].tokens
    assert (counts.input, counts.output) == tokens


def test_a_change_within_a_result_keeps_the_rest(tmp_path):
    metadata = {"promptTokens": 100, "outputTokens": 10, "resolvedModel": "gpt-4.1-2025"}
    place = ["requests", 0, "result", "metadata"]
    lines = [
        initial(request(result={"metadata": metadata})),
        {"kind": 1, "k": [*place, "outputTokens"], "v": 88},
        {"kind": 1, "k": [*place, "toolCallRounds"], "v": [{"toolCalls": []}, {"id": "b"}]},
        {
            "kind": 2,
            "k": [*place, "toolCallRounds", 0, "toolCalls"],
            "v": [{"id": "c", "name": "x"}],
        },
        {"kind": 1, "k": [*place, "toolCallRounds", 1], "v": {"toolCalls": [{"name": "y"}]}},
        {"kind": 3, "k": [*place, "toolCallRounds", 0, "thinking"]},
    ]
    record = told(chat_log(tmp_path, lines))
    counts = record.models["gpt-4.1-2025"].tokens
    assert (counts.input, counts.output) == (100, 88)
    assert record.tools == {"x": 1, "y": 1}


FIGURES = {"promptTokens": 100, "completionTokens": 10, "result": {}}
FIRST = initial(request("request_1", **FIGURES))
SECOND = {"kind": 2, "k": ["requests"], "v": [request("request_2", **FIGURES)]}


@pytest.mark.parametrize(
    "removal",
    [
        {"kind": 2, "k": ["requests"], "i": 1},
        {"kind": 2, "k": ["requests"], "i": 0, "v": [request("request_3", **FIGURES)]},
        {"kind": 1, "k": ["requests"], "v": [request("request_3", **FIGURES)]},
        {"kind": 3, "k": ["requests"]},
        {"kind": 1, "k": ["requests", 1], "v": request("request_3", **FIGURES)},
        {"kind": 0, "v": {"sessionId": SESSION, "requests": [request("request_3", **FIGURES)]}},
    ],
)
def test_a_request_that_is_removed_was_made(tmp_path, removal):
    """An edit of a prompt removes the requests after it; they were billed."""
    added = 1 if "request_3" in json.dumps(removal) else 0
    path = chat_log(tmp_path, [FIRST, SECOND, removal, {"kind": 1, "k": ["x"], "v": 1}])
    assert told(path).models["gpt-4.1"].requests == told(path).turns == 2 + added


@pytest.mark.parametrize("again", [[FIRST], [SECOND], [FIRST, SECOND]])
def test_changes_that_come_again(tmp_path, again):
    more = {"kind": 1, "k": ["requests", 2], "v": request("request_3", **FIGURES)}
    record = told(chat_log(tmp_path, [FIRST, SECOND, *again, more]))
    assert record.models["gpt-4.1"].requests == record.turns == 3


def test_a_log_of_changes_without_its_first_line(tmp_path):
    """It counts under its file name. A change may set an item after the last one."""
    figures = {"promptTokens": 100, "completionTokens": 10, "result": {}}
    lines = [
        {"kind": 2, "k": ["requests"], "v": [request("r1", **figures)]},
        {"kind": 1, "k": ["requests", 1], "v": request("r2", **figures)},
        {"kind": 1, "k": ["requests", 3], "v": request("r3", **figures)},
    ]
    record = told(chat_log(tmp_path, lines))
    assert (record.session_id, record.turns) == (SESSION, 2)
    assert record.models["gpt-4.1"].tokens.input == 200


def test_ids_that_are_unique_within_a_chat(tmp_path):
    figures = {"promptTokens": 100, "completionTokens": 10, "result": {}}
    ledger = Ledger()
    for name in ("a", "b"):
        for path in (request("r1", **figures), request("request_1", **figures)):
            document = {"sessionId": name, "requests": [path]}
            read_on(ledger, AGENT, str(chat_file(tmp_path, document, name)))
    assert ledger.totals["requests", "copilot", "gpt-4.1"] == 3


def copied(document, created_at, name):
    """Return the document that VS Code writes when the user forks a chat."""
    requests = [
        each
        | {
            "requestId": f"{name}000000-0000-4000-8000-00000000000{index}",
            "timestamp": created_at + index,
            "modelState": {"value": 1, "completedAt": created_at + index},
        }
        for index, each in enumerate(document["requests"])
    ]
    return {"sessionId": name, "creationDate": created_at, "requests": requests}


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_fork_of_a_chat_counts_its_own_requests(tmp_path, suffix):
    """The copies have new ids and times, and the figures and credits of their originals."""
    done = {"modelState": {"value": 1, "completedAt": STARTED + 9000}, "copilotCredits": 2}
    requests = [request(f"request_{n}", **FIGURES, **done) for n in range(2)]
    chat = {"sessionId": "a", "creationDate": STARTED, "requests": requests}
    fork = copied(chat, STARTED + 60_000, "b")
    fork["requests"].append(request("request_5", **FIGURES, **done, timestamp=STARTED + 70_000))
    again = copied(fork, STARTED + 90_000, "c")
    ledger = Ledger()
    for document in (again, fork, chat):
        path = chat_file(tmp_path, document, document["sessionId"])
        if suffix == "jsonl":
            path = write(path.with_suffix(".jsonl"), [{"kind": 0, "v": document}])
        read_on(ledger, AGENT, str(path))
    assert ledger.totals["requests", "copilot", "gpt-4.1"] == 3
    assert {name: record.turns for (_, name), record in ledger.sessions.items()} == {
        "a": 2,
        "b": 1,
        "c": 0,
    }


def test_the_model_that_the_editor_selected(tmp_path):
    rounds = {"promptTokens": 100, "toolCallRounds": [{"modelId": "gpt-4.1"}]}
    chosen = request(modelId="copilot/auto", result={"metadata": rounds})
    assert list(told(chat_file(tmp_path, {"requests": [chosen]})).models) == ["gpt-4.1"]


@pytest.mark.parametrize(
    ("opened", "cwd"),
    [
        ({"folder": "file:///home/ada/src/a%20b"}, "/home/ada/src/a b"),
        ({"folder": "vscode-remote://ssh-remote%2Bhost/home/ada/src/far"}, "/home/ada/src/far"),
        ({"workspace": "file:///home/ada/both.code-workspace"}, "/home/ada/both.code-workspace"),
        ({"folder": 7}, ""),
        ({"folder": "file://[half"}, ""),
        ({"folder": "file:///home/ada/%00"}, ""),
    ],
)
def test_h07_the_folder_of_a_window(tmp_path, opened, cwd):
    path = chat_file(tmp_path, {"requests": [request()]})
    path.parent.with_name("workspace.json").write_text(json.dumps(opened))
    assert told(path).facts.cwd == cwd


# --- the tool -------------------------------------------------------------------------------


def event(kind, number, agent=None, **data):
    return {
        "type": kind,
        "data": data,
        "id": f"id-{number}",
        "timestamp": f"2026-05-01T10:00:{number:02d}Z",
    } | ({"agentId": agent} if agent else {})


def log(home, *events):
    return write(home / ".copilot" / "session-state" / SESSION / "events.jsonl", events)


def figures(count, tokens):
    usage = {"inputTokens": tokens, "outputTokens": 1, "cacheReadTokens": 0}
    return {"gpt-5.1": {"requests": {"count": count}, "usage": usage}}


def used(path):
    usage = told(path).models["gpt-5.1"]
    return usage.requests, usage.tokens.input


def answers(first, count):
    return [event("assistant.message", first + n, toolRequests=[]) for n in range(count)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (figures(3, 100), figures(3, 120), (6, 220)),
        (figures(3, 900_000_000), figures(6, 1_200_000_000), (6, 1_200_000_000)),
    ],
    ids=["of each run", "more than a billion tokens"],
)
def test_h07_totals_of_two_runs(tmp_path, first, second, expected):
    path = log(
        tmp_path,
        *answers(1, 3),
        event("session.shutdown", 9, modelMetrics=first),
        *answers(11, 3),
        event("session.shutdown", 19, modelMetrics=second),
    )
    assert used(path) == expected


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("ended", "metrics"),
    [
        (True, figures(2, 30)),
        (True, figures(5, 130)),
        (True, None),
        (False, figures(2, 30)),
        (False, None),
    ],
)
def test_a_fork_of_a_log_counts_its_own_answers(tmp_path, metrics, ended, order):
    """The copies have their old ids and times, and follow a `session.start` that is newer.

    `ended`: whether the totals of the original were written before the fork. `metrics`: the totals
    of the fork are its own, those of all answers, or missing, because its process was killed.
    """

    def answer(number):
        return event("assistant.message", number, model="gpt-5.1", outputTokens=1)

    start, told = event("session.start", 1), event("user.message", 2, content="please")
    copied = [told, *map(answer, (3, 4, 5))]
    end = event("session.shutdown", 6, modelMetrics=figures(3, 100))
    forked = event("session.info", 30, infoType="fork")
    fork = [start | {"timestamp": "2026-05-01T10:00:30Z"}, *copied, *([end] if ended else [])]
    fork += [forked, event("session.resume", 31), *map(answer, (32, 33))]
    fork += [event("session.shutdown", 39, modelMetrics=metrics)] if metrics else []
    logs = {"a": [start, *copied, end], "b": fork}
    ledger = Ledger()
    for name in sorted(logs)[::order]:
        path = write(tmp_path / ".copilot/session-state" / name / "events.jsonl", logs[name])
        read_on(ledger, AGENT, str(path))
    found = {name: record.usage for (_, name), record in ledger.sessions.items()}
    assert {name: (usage.requests, usage.tokens.input) for name, usage in found.items()} == {
        "a": (3, 100),
        "b": (2, 30 if metrics else 0),
    }
    assert sum(record.turns for record in ledger.sessions.values()) == 1


@pytest.mark.parametrize("place", ["modelMetrics", "accountingSnapshot"])
def test_totals_over_all_runs_are_not(tmp_path, place):
    def shutdown(number, metrics):
        given = metrics if place == "modelMetrics" else {"modelMetrics": metrics}
        return event("session.shutdown", number, **{place: given})

    path = log(
        tmp_path,
        *answers(1, 3),
        shutdown(9, figures(3, 100)),
        *answers(11, 2),
        shutdown(19, figures(5, 220)),
    )
    assert used(path) == (5, 220)


def test_totals_repeat_the_records(tmp_path):
    """An older version began the log, and a newer version continued it."""
    record = {"model": "gpt-5.1", "inputTokens": 50, "outputTokens": 1, "apiCallId": "x"}
    path = log(
        tmp_path,
        *answers(1, 3),
        event("session.shutdown", 9, modelMetrics=figures(3, 100)),
        event("session.usage_record", 11, usage=record),
        event("session.shutdown", 19, accountingSnapshot={"modelMetrics": figures(4, 150)}),
    )
    assert used(path) == (4, 150)


def test_a_compaction_with_a_record_counts_once(tmp_path):
    record = {"model": "gpt-5.1", "inputTokens": 50, "outputTokens": 1, "apiCallId": "x"}
    spent = {"inputTokens": 50, "outputTokens": 1, "model": "gpt-5.1"}
    told_of = event(
        "session.compaction_complete", 2, success=True, requestId="x", compactionTokensUsed=spent
    )
    assert used(log(tmp_path, event("session.usage_record", 1, usage=record), told_of)) == (1, 50)
    alone = log(tmp_path, told_of)
    assert used(alone) == (1, 50)
    assert told(alone).compactions == 1


def test_older_names_of_what_a_compaction_used(tmp_path):
    spent = {"input": 50, "output": 7, "cachedInput": 20}
    path = log(
        tmp_path,
        event("session.start", 1, selectedModel="gpt-5.1"),
        event("session.compaction_complete", 2, success=True, compactionTokensUsed=spent),
    )
    tokens = told(path).models["gpt-5.1"].tokens
    assert (tokens.input, tokens.cache_read, tokens.output) == (30, 20, 7)


@pytest.mark.parametrize(
    ("last", "kind", "reason"),
    [
        (event("permission.requested", 9), "waiting", "permission"),
        (event("permission.completed", 9), "running", ""),
        (event("tool.execution_start", 9, toolName="ask_user"), "waiting", "input"),
        (event("assistant.turn_end", 9), "running", ""),
        (event("session.shutdown", 9), "ended", ""),
        (event("session.error", 9), "error", "session error"),
        (event("assistant.turn_end", 9, agent="sub"), "running", ""),
        (event("something.new", 9), "running", ""),
    ],
)
def test_state_of_the_tool(tmp_path, last, kind, reason):
    path = log(
        tmp_path,
        event("user.message", 1, content="go"),
        event("assistant.message", 2, toolRequests=[{"toolCallId": "t"}]),
        last,
    )
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    signal = ledger.sessions["copilot", SESSION].facts.signal
    assert (signal.kind, signal.reason) == (kind, reason)


def test_telemetry_of_a_known_session_is_passed_over(tmp_path):
    record = {"model": "gpt-5.1", "inputTokens": 50, "outputTokens": 1, "apiCallId": "x"}
    log(tmp_path, event("session.usage_record", 1, usage=record))
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.1",
        "gen_ai.usage.input_tokens": 50,
    }
    spans = [
        {"spanId": session, "attributes": {**attributes, "gen_ai.conversation.id": session}}
        for session in (SESSION, "other", "../escape", "é" * 200, "\0")
    ]
    write(tmp_path / ".copilot" / "otel" / "a.jsonl", spans)
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT])
    assert ledger.totals["requests", "copilot", "gpt-5.1"] == 5
    assert ledger.sessions["copilot", SESSION].models["gpt-5.1"].requests == 1


def test_telemetry_that_names_no_session(tmp_path):
    """It counts under its trace id if there is no other source. A log record is no span."""
    attributes = {"gen_ai.request.model": "gpt-5.1", "gen_ai.usage.input_tokens": 50}
    span = {"traceId": "trace", "spanId": "a", "name": "chat gpt-5.1", "attributes": attributes}
    details = {"attributes": {**attributes, "gen_ai.operation.name": "chat"}, "spanContext": {}}
    path = write(tmp_path / ".copilot" / "otel" / "a.jsonl", [span, details])
    assert told(path).session_id == "trace"
    log(tmp_path, event("user.message", 1, content="go"))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions == {}


@pytest.mark.parametrize(
    ("read", "write_", "reasoning"),
    [
        ("cache_read.input_tokens", "cache_creation.input_tokens", "reasoning.output_tokens"),
        ("cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens"),
    ],
)
def test_telemetry_of_either_convention(tmp_path, read, write_, reasoning):
    """Version 1.0.62 used other names for cached tokens (tokscale 716)."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": SESSION,
        "gen_ai.response.model": "gpt-5.1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        f"gen_ai.usage.{read}": 60,
        f"gen_ai.usage.{write_}": 30,
        f"gen_ai.usage.{reasoning}": 5,
    }
    path = tmp_path / ".copilot" / "otel" / "a.jsonl"
    counts = told(write(path, [{"spanId": "a", "attributes": attributes}])).models["gpt-5.1"].tokens
    assert (counts.input, counts.cache_read, counts.cache_write_5m) == (10, 60, 30)
    assert (counts.output, counts.reasoning) == (20, 5)


def test_roots(tmp_path):
    roots = AGENT.roots(tmp_path, {"COPILOT_HOME": "/elsewhere", "XDG_CONFIG_HOME": "/settings"})
    assert roots[0].as_posix() == "/elsewhere"
    names = {root.as_posix() for root in roots}
    assert "/settings/Code - Insiders/User" in names
    assert f"{tmp_path}/.vscode-server/data/User" in names
    assert f"{tmp_path}/Library/Application Support/VSCodium/User" in names


# --- whatever a document holds --------------------------------------------------------------

steps = st.sampled_from(
    ["requests", "response", "result", "metadata", "modelState", "inputState", "customTitle"]
)
paths = st.lists(steps | st.integers(-2, 3) | st.text(max_size=3), max_size=5)
entries = st.fixed_dictionaries(
    {"kind": st.integers(-1, 4) | anything},
    optional={"k": paths | anything, "v": anything, "i": st.integers(-3, 3) | anything},
)


@pytest.mark.slow
@given(changes=st.lists(entries, max_size=6))
def test_any_change_may_come(tmp_path, changes):
    ended = request("r1", promptTokens=100, completionTokens=10, result={"metadata": {}})
    path = chat_log(tmp_path, [initial(ended, request("r2"))])
    ledger = Ledger(tmp_path / "state")
    try:
        read_on(ledger, AGENT, str(path))
        before = {series: n for series, n in ledger.totals.items() if series[0] == "tokens"}
        with path.open("a") as file:
            file.writelines(json.dumps(change) + "\n" for change in changes)
        read_on(ledger, AGENT, str(path))
        ledger.commit()
        assert ledger.warning == ""
        assert before
        assert all(totals(ledger)[series] >= value for series, value in before.items())
    finally:
        ledger.close()


@pytest.mark.slow
@given(data=st.data())
def test_any_field_may_hold_anything(tmp_path, data):
    document = {
        "sessionId": SESSION,
        "creationDate": STARTED,
        "requests": [
            request("r1", promptTokens=100, completionTokens=10, result={"metadata": {}}),
            request("r2", response=[QUESTION], modelState={"value": 1}),
        ],
    }
    owner = data.draw(st.sampled_from([document, *document["requests"]]))
    name = data.draw(st.sampled_from(sorted(owner)))
    owner[name] = data.draw(anything)
    path = chat_file(tmp_path, document)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    ledger = Ledger(tmp_path / "state")
    try:
        read_on(ledger, AGENT, str(path))
        ledger.commit()
        assert ledger.warning == ""
        if owner is not document and owner is not document["requests"][0]:
            assert ledger.totals["tokens", "copilot", "gpt-4.1", "input"] == 100
    finally:
        ledger.close()
