"""Copilot records a request in its log and in its session store. It counts once, in any order."""

import json
import sqlite3
from contextlib import closing

import pytest
from driving import read_on
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from agtop_exporter.agents.copilot import AGENT
from agtop_exporter.ledger import Ledger

SESSION = "99999999-9999-4999-8999-999999999999"
MODEL = "claude-sonnet-4.6"
OUTPUT = ("tokens", "output")
COLUMNS = (
    "session_id TEXT, agent_id TEXT, model TEXT NOT NULL, copilot_usage_model TEXT, "
    "input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER, "
    "cache_write_tokens INTEGER, created_at TEXT"
)


def moment(second):
    return f"2026-06-04T{9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"


def record(kind, second, **data):
    return {"type": kind, "data": data, "id": f"{kind} {second}", "timestamp": moment(second)}


def start(second=0, version="1.0.78", kind="session.start"):
    return record(kind, second, copilotVersion=version, selectedModel=MODEL)


def answer(second, output=10, **data):
    return record("assistant.message", second, outputTokens=output, **data)


def shutdown(second, count, output=10):
    usage = {"inputTokens": 1000 * count, "cacheReadTokens": 600 * count}
    usage["outputTokens"] = output * count
    metrics = {MODEL: {"requests": {"count": count}, "usage": usage}}
    return record("session.shutdown", second, modelMetrics=metrics)


def usage_record(second, output=10):
    usage = {"model": MODEL, "inputTokens": 1000, "cacheReadTokens": 600, "outputTokens": output}
    usage["apiCallId"] = f"call-{second}"
    usage["accounting"] = {"sourceSessionId": SESSION, "sequence": second}
    return record("session.usage_record", second, usage=usage)


def row(second, output=10, **fields):
    """Return the values of COLUMNS. `fields` overrides single values."""
    known = {"session": SESSION, "agent": None, "model": MODEL, "chosen": None, **fields}
    names = [known[name] for name in ("session", "agent", "model", "chosen")]
    return (*names, 1000, output, 600, 0, fields.get("time", moment(second)))


class Home:
    """A home of Copilot, and a ledger that reads it."""

    def __init__(self, folder):
        self.tool = folder / ".copilot"
        self.log = self.tool / "session-state" / SESSION / "events.jsonl"
        self.store = self.tool / "session-store.db"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        self.store.unlink(missing_ok=True)
        self.ledger = Ledger()

    def write_log(self, *records):
        """Append records to the log."""
        with self.log.open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in records)

    def add_rows(self, *rows, columns=COLUMNS):
        """Append rows to the store, which is created if it does not exist."""
        with closing(sqlite3.connect(self.store)) as database, database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS assistant_usage_events"
                f" (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS sessions (id TEXT, cwd TEXT, created_at TEXT)"
            )
            names = ", ".join(part.split()[0] for part in columns.split(", "))
            for each in rows:
                marks = ",".join("?" * len(each))
                table = f"assistant_usage_events ({names})"
                database.execute(f"INSERT INTO {table} VALUES ({marks})", each)  # noqa: S608 - no input

    def read(self, *paths):
        """Read all files, and check that no total has decreased."""
        before = dict(self.ledger.totals)
        for path in paths or (self.log, self.store):
            if path.exists():
                read_on(self.ledger, AGENT, str(path))
        self.ledger.commit()
        assert all(self.ledger.totals[series] >= value for series, value in before.items())
        every = [usage for each in self.ledger.sessions.values() for usage in each.models.values()]
        # Over all models: what was published without a model stays there.
        total = sum(n for series, n in self.ledger.totals.items() if series[::3] == OUTPUT)
        assert total == sum(usage.tokens.output for usage in every)

    def used(self, session=SESSION, model=MODEL):
        """Return requests, uncached input, cache reads and output of a session."""
        usage = self.ledger.sessions["copilot", session].models[model]
        tokens = usage.tokens
        return usage.requests, tokens.input, tokens.cache_read, tokens.output


ORDERS = ("log first", "store first", "log, much later the store", "store, much later the log")


def count(folder, records, rows, order):
    home = Home(folder)
    if order.startswith("log, "):
        home.write_log(*records)
        home.read()
        home.add_rows(*rows)
    elif order.startswith("store, "):
        home.add_rows(*rows)
        home.read()
        home.write_log(*records)
    else:
        home.write_log(*records)
        home.add_rows(*rows)
    home.read(*((home.log, home.store) if order.startswith("log") else (home.store, home.log)))
    return home


CASES = {
    "killed": ([start(), answer(1), answer(2)], [row(1), row(2)], (2, 800, 1200, 20)),
    "killed, and not all rows were written": (
        [start(), answer(1), answer(2, 30)],
        [row(1)],
        (2, 400, 600, 40),
    ),
    "shut down": (
        [start(), answer(1), answer(3), shutdown(9, 2)],
        [row(1), row(3)],
        (2, 800, 1200, 20),
    ),
    "a compaction begins the totals again": (
        [
            *(
                start(),
                answer(1),
                answer(2),
                record("session.compaction_complete", 3, success=True),
            ),
            *(answer(4), shutdown(9, 1)),
        ],
        [row(1), row(2), row(4)],
        (3, 1200, 1800, 30),
    ),
    "usage records": (
        [start(version="1.0.102"), usage_record(1), answer(1, apiCallId="call-1")],
        [row(1)],
        (1, 400, 600, 10),
    ),
    "an answer before its usage record": (
        [start(version="1.0.102"), answer(1), usage_record(2)],
        [row(2)],
        (1, 400, 600, 10),
    ),
    "only rows": ([], [row(1), row(2)], (2, 800, 1200, 20)),
    "killed, resumed and shut down": (
        [
            *(start(), answer(1), start(10, kind="session.resume"), answer(11)),
            shutdown(19, 1),
        ],
        [row(1), row(11)],
        (2, 800, 1200, 20),
    ),
    "rows without a time or a model": (
        [start(), answer(1), answer(2), answer(3)],
        [row(1), row(2, time=None), row(3, model="")],
        (3, 1200, 1800, 30),
    ),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("records", "rows", "counted"), CASES.values(), ids=CASES)
def test_every_request_counts_once(tmp_path, records, rows, counted, order):
    home = count(tmp_path, records, rows, order)
    assert home.used() == counted


@pytest.mark.parametrize("order", ORDERS[:3])
def test_an_older_version_wrote_no_rows(tmp_path, order):
    """Only the log has the first process, and only the store has the second one."""
    records = [
        *(start(version="1.0.40"), answer(1), answer(2), shutdown(3, 2)),
        *(start(10, kind="session.resume"), answer(11, 30)),
    ]
    home = count(tmp_path, records, [row(11, 30), row(12, 5)], order)
    assert home.used() == (4, 1600, 2400, 55)


def test_a_log_that_is_written_twice_counts_once(tmp_path):
    """The copy starts at the time of the first row, after the totals of all requests."""
    records = [start(), answer(1), answer(2), shutdown(3, 2)]
    home = count(tmp_path, [*records, *records], [row(1), row(2)], "log first")
    assert home.used() == (2, 800, 1200, 20)


def test_requests_count_as_they_happen(tmp_path):
    home = Home(tmp_path)
    home.write_log(start())
    home.read()
    for second, figures in ((1, (1, 400, 600, 10)), (2, (2, 800, 1200, 20))):
        home.write_log(answer(second))
        home.read()
        assert home.used()[0] == figures[0]
        home.add_rows(row(second))
        home.read()
        assert home.used() == figures
    home.write_log(shutdown(9, 2))
    home.read()
    assert home.used() == (2, 800, 1200, 20)


def test_a_log_that_is_deleted_takes_nothing_along(tmp_path):
    home = Home(tmp_path)
    home.write_log(start(), answer(1), shutdown(3, 1))
    home.add_rows(row(1))
    home.read()
    home.log.unlink()
    home.ledger.forget_cursor("copilot", str(home.store))
    home.add_rows(row(5))
    home.read()
    assert home.used() == (2, 800, 1200, 20)


@pytest.mark.slow
def test_a_store_that_is_made_again_counts_its_new_rows(tmp_path):
    """Its row ids start again, for the same session."""
    home = Home(tmp_path)
    home.add_rows(row(1), row(2))
    home.read()
    home.store.unlink()
    home.add_rows(row(3, 30))
    home.read()
    assert home.used() == (3, 1200, 1800, 50)


def test_a_store_that_is_read_again_counts_nothing_twice(tmp_path):
    home = Home(tmp_path)
    home.write_log(start(), answer(1), shutdown(3, 1))
    home.add_rows(row(1))
    home.read()
    for _ in range(2):
        home.ledger.forget_cursor("copilot", str(home.store))
        home.ledger.forget_cursor("copilot", str(home.log))
        home.read()
    assert home.used() == (1, 400, 600, 10)


@pytest.mark.slow
def test_more_sessions_than_are_remembered(tmp_path):
    """The store sums the sessions that are no longer in memory."""
    home = Home(tmp_path)
    sessions = [f"session {number}" for number in range(200)]
    home.write_log(start(), answer(1), shutdown(2, 1))
    home.add_rows(row(1), *(row(1, session=session) for session in sessions))
    home.read()
    home.add_rows(row(5), *(row(5, session=session) for session in sessions))
    home.read()
    assert home.used() == (2, 800, 1200, 20)
    assert all(home.used(session) == (2, 800, 1200, 20) for session in sessions)


def test_subagents_of_the_application_are_sessions_of_their_own(tmp_path):
    home = Home(tmp_path)
    home.add_rows(row(1), row(2, 30, agent="agent 1"))
    home.read()
    assert home.used() == (1, 400, 600, 10)
    assert home.used("agent 1") == (1, 400, 600, 30)
    assert home.ledger.sessions["copilot", "agent 1"].facts.parent_session_id == SESSION


def test_totals_of_an_older_version_contain_its_subagents(tmp_path):
    home = Home(tmp_path)
    home.write_log(start(), answer(1), answer(2), shutdown(3, 2))
    home.add_rows(row(1), row(2, agent="agent 1"))
    home.read()
    assert home.used() == (2, 800, 1200, 20)
    assert [key for key in home.ledger.sessions if key[1] != SESSION] == []


def test_a_store_of_an_older_schema(tmp_path):
    columns = "session_id TEXT, model TEXT, input_tokens INTEGER, output_tokens INTEGER"
    home = Home(tmp_path)
    home.add_rows((SESSION, MODEL, 400, 10), columns=columns)
    home.read()
    assert home.used() == (1, 400, 0, 10)


def test_answers_of_an_unknown_model_get_it_later(tmp_path):
    home = Home(tmp_path)
    opening = record("session.start", 0, copilotVersion="1.0.40")
    home.write_log(opening, answer(1), answer(2))
    home.read()
    assert home.used(model="") == (2, 0, 0, 20)
    home.write_log(answer(3, 5, model=MODEL))
    home.read()
    assert home.used() == (3, 0, 0, 25)
    assert "" not in home.ledger.sessions["copilot", SESSION].models


def test_a_tool_call_tells_the_model_of_answers(tmp_path):
    """The start has a model only if it was chosen, and a tool may select one (multica 6373)."""
    home = Home(tmp_path)
    opening = record("session.start", 0, copilotVersion="1.0.78", selectedModel="auto")
    home.write_log(
        *(
            opening,
            answer(1),
            record("tool.execution_complete", 2, model="other", parentToolCallId="a"),
        ),
        *(record("tool.execution_complete", 3, model=MODEL), answer(4)),
    )
    home.read()
    assert home.used() == (2, 0, 0, 20)
    assert list(home.ledger.sessions["copilot", SESSION].models) == [MODEL]


def test_a_shutdown_without_totals(tmp_path):
    """The tokens of the answers stay, beside those of the next process (agentsview 1625)."""
    home = Home(tmp_path)
    resumed = start(10, kind="session.resume")
    home.write_log(start(), answer(1), shutdown(2, 0), resumed, answer(11), shutdown(12, 0))
    home.read()
    assert home.used() == (2, 0, 0, 20)


def test_totals_by_type_of_token_alone(tmp_path):
    """The shutdown has no figures by model (ai-driven-dev/framework 697)."""
    details = {"input": 10, "cache_read": 5, "cache_write": 70, "output": 42}
    details = {name: {"tokenCount": count} for name, count in details.items()}
    home = Home(tmp_path)
    home.write_log(start(), record("session.shutdown", 9, currentModel=MODEL, tokenDetails=details))
    home.read()
    assert home.used() == (1, 10, 5, 42)


def test_a_model_that_the_tool_selected(tmp_path):
    """Totals and rows may have "auto" as the model (tokscale, copilot_desktop.rs)."""
    totals = shutdown(9, 2)
    totals["data"]["modelMetrics"]["auto"] = totals["data"]["modelMetrics"].pop(MODEL)
    totals["data"]["currentModel"] = MODEL
    home = Home(tmp_path)
    home.write_log(record("session.start", 0, selectedModel="auto"), answer(1), answer(2), totals)
    home.add_rows(row(1, model="auto", chosen=MODEL), row(2, model="auto", chosen=MODEL))
    home.read()
    assert home.used() == (2, 800, 1200, 20)
    assert list(home.ledger.sessions["copilot", SESSION].models) == [MODEL]


def test_two_shutdowns_of_one_process(tmp_path):
    """One follows an error and one the end. The second one includes the first."""
    home = Home(tmp_path)
    home.write_log(start(), answer(1), shutdown(2, 1), answer(3), shutdown(4, 2), shutdown(4, 2))
    home.read()
    assert home.used() == (2, 800, 1200, 20)


def test_requests_without_tokens_are_requests(tmp_path):
    """Their shutdown has models without usage (ccusage 1676)."""
    home = Home(tmp_path)
    metrics = {MODEL: {"requests": {"count": 3}}}
    home.write_log(start(), record("session.shutdown", 9, modelMetrics=metrics))
    home.read()
    assert home.used() == (3, 0, 0, 0)


def test_totals_tell_the_model_of_answers(tmp_path):
    home = Home(tmp_path)
    home.write_log(record("session.start", 0), answer(1), answer(2), shutdown(9, 2))
    home.read()
    assert home.used() == (2, 800, 1200, 20)
    assert list(home.ledger.sessions["copilot", SESSION].models) == [MODEL]


def test_a_log_that_was_cut_counts_what_follows(tmp_path):
    """If the user returns to an earlier point, Copilot removes the later records."""
    home = Home(tmp_path)
    opening = start(version="1.0.102")
    home.write_log(opening, usage_record(1), usage_record(2), usage_record(3))
    home.read()
    home.log.unlink()
    home.write_log(opening, usage_record(1), usage_record(8))
    home.read()
    home.write_log(usage_record(9))
    home.read()
    assert home.used() == (5, 2000, 3000, 50)


steps = st.lists(st.sampled_from(["request", "request", "compaction", "shutdown", "kill"]))


@pytest.mark.slow
@given(steps=steps, order=st.sampled_from(ORDERS))
def test_what_is_in_either_source_counts(tmp_path, steps, order):
    """If the store has all requests, the log changes nothing, in any reading order."""
    records, rows, running, total = [start()], [], 0, 0
    for second, step in enumerate(steps, 1):
        if step == "request":
            records.append(answer(second))
            rows.append(row(second))
            running, total = running + 1, total + 1
        elif step == "compaction":
            records.append(record("session.compaction_complete", second, success=True))
            running = 0
        else:
            if step == "shutdown":
                records.append(shutdown(second, running))
            records.append(start(second, kind="session.resume"))
            running = 0
    home = count(tmp_path, records, rows, order)
    if total:
        assert home.used() == (total, total * 400, total * 600, total * 10)
    for usage in (each.models.get(MODEL) for each in home.ledger.sessions.values()):
        assert usage is None or min(usage.requests, *astuple(usage.tokens)) >= 0
