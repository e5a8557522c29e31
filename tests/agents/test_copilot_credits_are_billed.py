"""Copilot records AI credits in four places. A credit costs 0.01 USD and is billed once.

Sources: the credits at a shutdown are those of the session so far (github/copilot-sdk,
`ShutdownModelMetric`); `copilotCredits` of a chat includes subagents (microsoft/vscode, chatModel).
"""

import json
import sqlite3
from contextlib import closing

import pytest
from driving import read_on

from agtop_exporter.agents.copilot import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cost

SESSION = "99999999-9999-4999-8999-999999999999"
SONNET, HAIKU = "claude-sonnet-4.6", "claude-haiku-4.5"
NANO = 10**9
USD = 10**12


def price(event):
    """Return a list price of 1,000 picodollars per token."""
    return Cost(input=event.tokens.total * 1000)


def record(kind, second, **data):
    time = f"2026-07-04T09:00:{second:02}.000Z"
    return {"type": kind, "data": data, "id": f"{kind} {second}", "timestamp": time}


def metrics(count, amount=None):
    usage = {"inputTokens": 1000 * count, "outputTokens": 10 * count}
    known = {} if amount is None else {"totalNanoAiu": amount * NANO}
    return {"requests": {"count": count}, "usage": usage, **known}


def shutdown(second, models, **data):
    return record("session.shutdown", second, modelMetrics=models, **data)


def answers(first, count):
    return [record("assistant.message", first + n, outputTokens=10) for n in range(count)]


def usage_record(second, amount):
    usage = {"model": SONNET, "inputTokens": 1000, "outputTokens": 10, "apiCallId": f"c{second}"}
    made = {"sourceSessionId": SESSION, "sequence": second}
    bill = {"copilotUsage": {"totalNanoAiu": amount * NANO}}
    return record("session.usage_record", second, usage={**usage, "accounting": made, **bill})


def start(second=0, kind="session.start"):
    return record(kind, second, copilotVersion="1.0.66", selectedModel=SONNET)


def add_row(tool, session, amount):
    columns = (
        "session_id TEXT, model TEXT, input_tokens INTEGER, output_tokens INTEGER, "
        "total_nano_aiu REAL, created_at TEXT"
    )
    values = (session, SONNET, 1000, 10, amount * NANO, "2026-07-04T09:00:01.000Z")
    with closing(sqlite3.connect(tool / "session-store.db")) as store, store:
        store.execute(
            "CREATE TABLE IF NOT EXISTS assistant_usage_events"
            f" (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
        )
        store.execute("CREATE TABLE IF NOT EXISTS sessions (id TEXT, cwd TEXT, created_at TEXT)")
        names = "session_id, model, input_tokens, output_tokens, total_nano_aiu, created_at"
        store.execute(
            f"INSERT INTO assistant_usage_events ({names}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - no input
            values,
        )


def billed(folder, *records, rows=(), rows_first=False):
    """Return the USD that are billed for SESSION, by model."""
    tool = folder / ".copilot"
    log = tool / "session-state" / SESSION / "events.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(each) + "\n" for each in records))
    for session, amount in rows:
        add_row(tool, session, amount)
    ledger = Ledger()
    paths = [log, *([tool / "session-store.db"] if rows else [])]
    for path in reversed(paths) if rows_first else paths:
        read_on(ledger, AGENT, str(path), price=price)
    state = ledger.sessions["copilot", SESSION]
    return {
        model: (usage.cost.total + state.billed.get(model, 0)) / USD
        for model, usage in state.models.items()
    }


def test_more_than_one_credit_is_no_error(tmp_path):
    assert billed(tmp_path, start(), usage_record(1, 6.0564)) == {SONNET: 0.060564}


def test_credits_at_a_shutdown_are_billed_by_model(tmp_path):
    totals = {SONNET: metrics(2, 7.5), HAIKU: metrics(1, 0.25)}
    found = billed(tmp_path, start(), *answers(1, 2), shutdown(9, totals, totalNanoAiu=7.75e9))
    assert found == {SONNET: 0.075, HAIKU: 0.0025}


def test_credits_of_all_processes_so_far_are_billed_once(tmp_path):
    records = [start(), *answers(1, 1), shutdown(2, {SONNET: metrics(1, 5)})]
    records += [start(3, "session.resume"), *answers(4, 2), shutdown(8, {SONNET: metrics(3, 8)})]
    assert billed(tmp_path, *records) == {SONNET: 0.08}


def test_credits_of_each_process_are_added(tmp_path):
    records = [start(), *answers(1, 3), shutdown(5, {SONNET: metrics(3, 8)})]
    records += [start(6, "session.resume"), *answers(7, 1), shutdown(9, {SONNET: metrics(1, 5)})]
    assert billed(tmp_path, *records) == {SONNET: 0.13}


def test_credits_without_a_model_belong_to_the_only_model(tmp_path):
    one = shutdown(3, {SONNET: metrics(1)}, totalNanoAiu=6 * NANO)
    assert billed(tmp_path / "one", start(), *answers(1, 1), one) == {SONNET: 0.06}
    two = shutdown(3, {SONNET: metrics(1), HAIKU: metrics(1)}, totalNanoAiu=6 * NANO)
    listed = 1010 * 1000 / USD
    found = billed(tmp_path / "two", start(), *answers(1, 1), two)
    assert found == {SONNET: pytest.approx(listed), HAIKU: pytest.approx(listed)}


@pytest.mark.parametrize("rows_first", [True, False])
def test_credits_in_log_and_store_are_billed_once(tmp_path, rows_first):
    records = [start(), *answers(1, 1), shutdown(3, {SONNET: metrics(1, 6)})]
    assert billed(tmp_path, *records, rows=[(SESSION, 6)], rows_first=rows_first) == {SONNET: 0.06}


@pytest.mark.parametrize("rows_first", [True, False])
def test_a_session_without_rows_is_billed_from_its_log(tmp_path, rows_first):
    records = [start(), *answers(1, 1), shutdown(3, {SONNET: metrics(1, 6)})]
    assert billed(tmp_path, *records, rows=[("other", 9)], rows_first=rows_first) == {SONNET: 0.06}


def test_shutdown_credits_are_not_added_to_those_of_records(tmp_path):
    records = [start(), usage_record(1, 6), shutdown(3, {SONNET: metrics(1, 6)})]
    assert billed(tmp_path, *records) == {SONNET: 0.06}


def test_credits_of_an_editors_chat_are_billed(tmp_path):
    path = tmp_path / "User" / "globalStorage" / "emptyWindowChatSessions" / "s1.jsonl"
    path.parent.mkdir(parents=True)
    request = {"requestId": "request_1", "timestamp": 1.78e12, "modelId": f"copilot/{SONNET}"}
    chat = {"sessionId": "s1", "requests": [request]}
    changes = [
        {"kind": 0, "v": chat},
        {"kind": 1, "k": ["requests", 0, "promptTokens"], "v": 35348},
        {"kind": 1, "k": ["requests", 0, "copilotCredits"], "v": 30.5},
        {"kind": 1, "k": ["requests", 0, "copilotCredits"], "v": 52.3143},
        {"kind": 1, "k": ["requests", 0, "result"], "v": {}},
        {"kind": 2, "k": ["requests"], "v": [{**request, "requestId": "request_2"}]},
        {"kind": 1, "k": ["requests", 1, "copilotCredits"], "v": 1.5},  # without token counts
        {"kind": 1, "k": ["requests", 1, "result"], "v": {}},
    ]
    path.write_text("".join(json.dumps(change) + "\n" for change in changes))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path), price=price)
    state = ledger.sessions["copilot", "s1"]
    assert state.billed_total == 523_143_000_000 + 15_000_000_000
    assert state.usage.cost.total == 35_348_000
