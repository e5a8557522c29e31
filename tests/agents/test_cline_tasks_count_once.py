"""The tasks of version 3 of Cline's extension are rewritten, cut, copied and continued."""

import json
import shutil

import pytest
from agent_files import counted, write_document
from driving import refresh

from agtop_exporter.agents.cline import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor, TokenCounts
from agtop_exporter.reading.shortening import LONG_LINE_BYTES

STORAGE = ".config/Code/User/globalStorage/saoudrizwan.claude-dev"
TASK = "1790007200000"
MESSAGES = f"{STORAGE}/tasks/{TASK}/ui_messages.json"
BEGIN = int(TASK)
DATA = ".cline/data"
CLAUDE = {"providerId": "anthropic", "modelId": "claude-sonnet-4-5", "mode": "act"}


def say(second, kind, text="", info=CLAUDE):
    entry = {"ts": BEGIN + second * 1000, "type": "say", "say": kind, "text": text}
    return {**entry, "modelInfo": info} if info else entry


def request(second, figures, info=CLAUDE, *, say_=None, **more):
    names = ("tokensIn", "tokensOut", "cacheWrites", "cacheReads", "cost")
    usage = {"request": "<task/>", **dict(zip(names, figures, strict=False))} | more
    return say(second, say_ or "api_req_started", json.dumps(usage), info)


def write(home, *entries):
    return write_document(home / MESSAGES, list(entries))


def model(provider, name="m", mode="act"):
    info = {"providerId": provider, "modelId": name}
    return {**info, "mode": mode} if mode else info


@pytest.fixture
def grow(tmp_path):
    """Return a function that rewrites the task, and returns (session, errors of the new read)."""
    ledger, cursor = Ledger(), Cursor()

    def rewrite(*entries):
        nonlocal cursor
        path = write(tmp_path, *entries)
        refresh(ledger, tmp_path, [AGENT])
        batch = AGENT.read(str(path), cursor)
        cursor = batch.cursor
        (session,) = ledger.sessions.values()
        return session, {error.reason: error.count for error in batch.errors}

    return rewrite


def tokens_of(session):
    return {name: usage.tokens for name, usage in session.models.items()}


def single(home, figures, info):
    """Return the tokens of a task with one request; None if they are not counted."""
    write(home, request(1, figures, info))
    (session,) = counted(home, AGENT).values()
    return next(iter(session.models.values())).tokens if session.models else None


@pytest.mark.parametrize(
    ("info", "figures", "expected"),
    [
        (model("anthropic"), (3, 20, 500, 9000), (3, 9000, 500, 20)),
        (model("openrouter"), (300, 20, 0, 9000), (300, 9000, 0, 20)),
        (model("vertex", "claude-opus-4-5"), (3, 20, 500, 9000), (3, 9000, 500, 20)),
        (model("bedrock", "us.anthropic.claude-x"), (3, 20, 500, 900), (3, 900, 500, 20)),
        (model("openai"), (1000, 20, 0, 800), (200, 800, 0, 20)),
        (model("openai"), (1000, 20, 200, 800), (200, 800, 0, 20)),
        (model("openai-codex"), (1000, 20, 0, 800), (200, 800, 0, 20)),
        (model("requesty"), (1000, 20, 100, 800), (100, 800, 100, 20)),
        (model("deepseek"), (0, 20, 200, 800), (200, 800, 0, 20)),
        (model("deepseek"), (1000, 20, 200, 800), (200, 800, 0, 20)),
        (model("ollama"), (1000, 20), (1000, 0, 0, 20)),
        (model("vercel-ai-gateway"), (200, 20, 0, 800), (200, 800, 0, 20)),
        (model("openai-native", mode=""), (200, 20, 0, 800), (200, 800, 0, 20)),
    ],
)
def test_each_provider_has_its_meaning(tmp_path, info, figures, expected):
    fresh, read, written, output = expected
    assert single(tmp_path, figures, info) == TokenCounts(
        input=fresh, cache_read=read, cache_write_5m=written, output=output
    )


@pytest.mark.parametrize(
    ("info", "figures"),
    [
        (None, (3, 20, 500, 9000)),  # before version 3.37
        (model("a-new-provider"), (3, 20, 500, 9000)),
        (model("gemini", "gemini-2.5-pro"), (300, 20, 0, 0)),  # without the reasoning
        (model("vertex", "gemini-2.5-pro"), (300, 20, 0, 0)),
        (model("bedrock", "deepseek.r1-v1:0"), (300, 20, 0, 0)),  # an estimate of Cline
        (model("vscode-lm"), (300, 20, 0, 0)),  # an estimate of Cline
        (model("vercel-ai-gateway", mode=""), (1000, 20, 0, 800)),  # reasoning counted twice
        (model("openai"), (100, 20, 0, 800)),  # a server that does not follow OpenAI's API
        (model("deepseek"), (50, 20, 200, 800)),
        (model("ollama"), (50, 20, 0, 800)),
    ],
)
def test_usage_without_known_meaning_is_reported_once(grow, info, figures):
    prompt = say(0, "task", "Oil the engine")
    session, errors = grow(prompt, request(1, figures, info))
    assert tokens_of(session) == {}
    assert errors == {"unknown_usage": 1}
    _, errors = grow(prompt, request(1, figures, info), say(2, "text", "Oiled."))
    assert errors == {}


def test_requests_of_another_agent_are_counted_there(grow):
    session, errors = grow(request(1, (3, 20, 500, 9000), model("claude-code")))
    assert (tokens_of(session), errors) == ({}, {})


def test_a_request_is_counted_while_it_grows(grow):
    session, _ = grow(say(0, "task", "Oil"), request(1, ()))
    assert tokens_of(session) == {}
    session, _ = grow(say(0, "task", "Oil"), request(1, (3, 1, 500, 9000)))
    session, _ = grow(say(0, "task", "Oil"), request(1, (3, 81, 500, 9000, 0.006)))
    usage = session.models["claude-sonnet-4-5"]
    expected = TokenCounts(input=3, cache_read=9000, cache_write_5m=500, output=81)
    assert (usage.requests, usage.tokens) == (1, expected)


def test_a_retry_and_a_restored_checkpoint_remove_nothing(grow):
    """A failed request is set to 0. A restored checkpoint replaces requests by their sum."""
    first, second = request(1, (10, 20, 0, 0, 0.1)), request(5, (30, 40, 0, 0, 0.2))
    before, _ = grow(first, second)
    expected = tokens_of(before)
    failed = request(1, (0, 0, 0, 0), cancelReason="streaming_failed")
    after, _ = grow(failed, say(2, "api_req_retried"), second)
    assert tokens_of(after) == expected
    removed = request(9, (30, 40, 0, 0, 0.2), say_="deleted_api_reqs")
    after, errors = grow(failed, removed)
    assert (tokens_of(after), errors) == (expected, {})
    after, _ = grow(failed, removed, request(12, (5, 6, 0, 0)))
    assert after.models["claude-sonnet-4-5"].tokens.output == 66


def test_the_sum_of_subagents_is_not_counted(grow):
    """The subagents can use other models, which the sum does not name."""
    session, errors = grow(request(1, (90, 10, 0, 0, 0.1), say_="subagent_usage"))
    assert tokens_of(session) == {}
    assert errors == {"unknown_usage": 1}


def test_a_task_in_two_places_counts_once(grow, tmp_path):
    entries = say(0, "task", "Oil"), request(1, (10, 20, 0, 0))
    once, _ = grow(*entries)
    shutil.copytree(tmp_path / STORAGE, tmp_path / DATA)
    twice, _ = grow(*entries)
    assert tokens_of(twice) == tokens_of(once)
    assert twice.turns == once.turns == 1


@pytest.mark.parametrize("first", ["task", "session"])
def test_a_task_that_version_4_continues_counts_once(tmp_path, first):
    """Version 4 puts the sum of the task into a copied message without id and time."""
    usage = {"inputTokens": 9503, "outputTokens": 20, "cacheReadTokens": 9000}
    legacy = {"role": "assistant", "content": "Oiled.", "metrics": {**usage, "cost": 0.1}}
    own = {"inputTokens": 100, "outputTokens": 7, "cacheReadTokens": 40}
    info = {"id": "claude-sonnet-4-5", "provider": "anthropic"}
    messages = [
        {"role": "user", "content": "Oil"},
        {**legacy, "modelInfo": {"id": "claude-sonnet-4-5", "provider": "unknown"}},
        {"role": "user", "content": "Warning: this is a legacy conversation, which means …"},
        {"id": "u1", "role": "user", "content": "And the rail", "ts": BEGIN + 90_000},
        {"id": "a1", "role": "assistant", "content": "", "ts": BEGIN + 95_000, "metrics": own}
        | {"modelInfo": info},
    ]
    ledger = Ledger()
    for kind in (first, "task", "session"):
        if kind == "task":
            write(tmp_path, say(0, "task", "Oil"), request(1, (3, 20, 500, 9000)))
        else:
            path = tmp_path / f"{DATA}/sessions/{TASK}/{TASK}.messages.json"
            write_document(path, {"sessionId": TASK, "messages": messages})
        refresh(ledger, tmp_path, [AGENT])
    (session,) = ledger.sessions.values()
    assert tokens_of(session) == {
        "claude-sonnet-4-5": TokenCounts(input=63, cache_read=9040, cache_write_5m=500, output=27)
    }
    assert session.turns == 2


def test_a_cost_with_cached_tokens_counted_twice_is_not_billed(tmp_path):
    write(
        tmp_path,
        request(1, (1000, 20, 0, 800, 9.0), model("openai", "claude-sonnet-4-5")),
        request(2, (1000, 20, 0, 0, 8.0), model("openai", "claude-opus-4-5")),
    )
    (session,) = counted(tmp_path, AGENT).values()
    assert list(session.billed) == ["claude-opus-4-5"]


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
def test_the_history_names_title_and_directory(tmp_path, is_late):
    ledger = Ledger()
    write(tmp_path, say(0, "text", "Oil the engine"), request(1, (3, 20, 0, 0)))
    if is_late:
        refresh(ledger, tmp_path, [AGENT])
    item = {"id": TASK, "task": "Oil the engine", "cwdOnTaskInitialization": "/src/engine"}
    write_document(tmp_path / STORAGE / "state/taskHistory.json", [item, {"id": "../x"}])
    refresh(ledger, tmp_path, [AGENT])
    (session,) = ledger.sessions.values()
    assert (session.facts.cwd, session.facts.title) == ("/src/engine", "Oil the engine")
    assert session.facts.data_path == str(tmp_path / MESSAGES)


def test_a_document_that_is_no_array_is_reported(tmp_path):
    path = write_document(tmp_path / MESSAGES, {"type": "say"})
    assert [error.reason for error in AGENT.read(str(path), Cursor()).errors] == ["schema"]


@pytest.mark.slow
def test_figures_of_a_very_long_task_are_read(tmp_path):
    """In a document above 8 MB, long texts are removed. The figures are at the end of a text."""
    prompt = 'a \\ "tokensIn":7 ' * 60_000
    more = {"streamingFailedMessage": "x" * 900}
    write(
        tmp_path,
        *(request(second, (10, 20, 0, 0), request=prompt, **more) for second in range(1, 11)),
        say(11, "api_req_started", json.dumps({"request": prompt})),
    )
    assert (tmp_path / MESSAGES).stat().st_size > LONG_LINE_BYTES
    batch = AGENT.read(str(tmp_path / MESSAGES), Cursor())
    expected = TokenCounts(input=10, output=20)
    assert [event.tokens for event in batch.events if event.requests] == [expected] * 10
    assert batch.errors == ()


def test_a_warning_behind_own_requests_hides_none(tmp_path):
    """Version 4 adds the warning again if a compaction has removed it."""
    used = {"inputTokens": 100, "outputTokens": 7}
    info = {"id": "claude-sonnet-4-5", "provider": "anthropic"}
    own = {"id": "a1", "role": "assistant", "content": "", "ts": BEGIN, "metrics": used}
    warning = {"role": "user", "content": "Warning: this is a legacy conversation, which means …"}
    path = tmp_path / f"{DATA}/sessions/{TASK}/{TASK}.messages.json"
    write_document(path, {"sessionId": TASK, "messages": [{**own, "modelInfo": info}, warning]})
    (session,) = counted(tmp_path, AGENT).values()
    assert tokens_of(session) == {"claude-sonnet-4-5": TokenCounts(input=100, output=7)}


@pytest.mark.parametrize("is_named_later", [True, False])
def test_a_response_without_its_model_has_the_model_of_its_session(tmp_path, is_named_later):
    """missuo/tokens pull request 52: messages of sessions that were continued lack `modelInfo`."""
    ledger, name = Ledger(), f"{BEGIN}_ab1cd"
    folder = tmp_path / DATA / "sessions" / name
    write_document(folder / f"{name}.json", {"session_id": name, "model": "claude-sonnet-4-6"})
    metrics = {"inputTokens": 100, "outputTokens": 10, "cacheReadTokens": 80}
    answer = {"id": "m1", "role": "assistant", "ts": BEGIN + 5000, "metrics": metrics}
    info = {"id": "claude-opus-4-6", "provider": "anthropic"}
    later = answer | ({"modelInfo": info} if is_named_later else {})
    prompt = {"id": "m2", "role": "user", "ts": BEGIN + 9000, "content": "Go on"}
    for messages in ([answer], [later], [later, prompt]):
        document = {"sessionId": name, "messages": messages}
        write_document(folder / f"{name}.messages.json", document)
        refresh(ledger, tmp_path, [AGENT])
    expected = "claude-opus-4-6" if is_named_later else "claude-sonnet-4-6"
    (session,) = ledger.sessions.values()
    assert tokens_of(session) == {expected: TokenCounts(input=20, cache_read=80, output=10)}
