"""OpenCode: each step of a message is a request with its own tokens and cost."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from driving import read_on, refresh
from opencode_homes import BEGIN, OpenCode, data_directory, write_database, write_files

from agtop_exporter.agents.opencode import AGENT
from agtop_exporter.agents.opencode.events import Context
from agtop_exporter.agents.opencode.records import Cache, Message, Part, Tokens
from agtop_exporter.agents.opencode.usage import requests_of
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import PICODOLLARS_PER_USD, Cost

SESSION = "ses_one00000000000000000000000"
STEPS = [(100, 40, 0, 5000, 900), (400, 60, 0, 5600, 300), (250, 210, 0, 6100, 0)]
COSTS = [0.0051, 0.0042, 0.0061]


def as_recorded(event):
    """Price an event at the cost that OpenCode recorded."""
    return Cost(reported=event.reported_cost or 0)


def tokens(figures):
    names = dict(zip(("input", "output", "reasoning"), figures, strict=False))
    return names | {"cache": dict(zip(("read", "write"), figures[3:], strict=True))}


def step(figures, cost=0.0):
    return {"type": "step-finish", "reason": "tool-calls", "tokens": tokens(figures), "cost": cost}


def requests(ledger):
    """Return (requests, input, output, cost in US dollars) of the session."""
    usage = ledger.sessions["opencode", SESSION].usage
    cost = round(usage.cost.reported / PICODOLLARS_PER_USD, 6)
    return usage.requests, usage.tokens.input, usage.tokens.output, cost


def session_of(count, **more):
    """Return a session with one message of some steps, in the form that OpenCode writes."""
    session = OpenCode().user()
    session.assistant(STEPS[count - 1], finish=more.pop("finish", "stop"), **more)
    session.messages[-1][1]["cost"] = sum(COSTS[:count])
    for number in range(count):
        session.part(step(STEPS[number], COSTS[number]))
    return session


def unfinished():
    """Return a session whose process still works or was killed."""
    session = OpenCode().user().assistant((0, 0, 0, 0, 0), finish=None)
    del session.messages[-1][1]["time"]["completed"]
    return session


@pytest.mark.slow
def test_the_daemon_sees_two_steps_then_three(tmp_path):
    """Some versions set a finish reason at each step, so the message looks complete early."""
    path = write_database(tmp_path, session_of(2))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path), price=as_recorded)
    assert requests(ledger) == (2, 500, 100, 0.0093)
    with closing(sqlite3.connect(path)) as database:
        key = f"{SESSION}_msg_2"
        part = ("prt_z", key, SESSION, BEGIN, BEGIN, json.dumps(step(STEPS[2], COSTS[2])))
        database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", part)
        database.commit()
        read_on(
            ledger, AGENT, str(path), price=as_recorded
        )  # the part is written before the message
        assert requests(ledger) == (3, 750, 310, 0.0154)
        data = json.loads(
            database.execute("SELECT data FROM message WHERE id = ?", (key,)).fetchone()[0]
        )
        data |= {"tokens": tokens(STEPS[2]), "cost": sum(COSTS)}
        database.execute("UPDATE message SET data = ? WHERE id = ?", (json.dumps(data), key))
        database.commit()
    read_on(ledger, AGENT, str(path), price=as_recorded)
    assert requests(ledger) == (3, 750, 310, 0.0154)
    assert ledger.sessions["opencode", SESSION].facts.context_used_tokens == 6560


def test_steps_in_files_that_come_later(tmp_path):
    """After a kill, the message file never changes, and only the folder of its parts does."""
    session = unfinished()
    write_files(tmp_path, session)
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT], price=as_recorded)
    assert ledger.sessions["opencode", SESSION].usage.requests == 0
    part = data_directory(tmp_path) / "storage/part/msg_2/prt_9.json"
    part.parent.mkdir(parents=True)
    part.write_text(json.dumps({"id": "prt_9", "messageID": "msg_2", **step(STEPS[0], COSTS[0])}))
    refresh(ledger, tmp_path, [AGENT], price=as_recorded)
    assert requests(ledger) == (1, 100, 40, 0.0051)


@pytest.mark.slow
def test_the_database_and_the_files_of_one_session_count_once(tmp_path):
    session = session_of(3)
    write_files(tmp_path, session)
    write_database(tmp_path, session)
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT], price=as_recorded)
    assert requests(ledger) == (3, 750, 310, 0.0154)


def test_a_message_without_its_parts_counts_itself(tmp_path):
    path = write_database(tmp_path, session_of(3), parts=False)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path), price=as_recorded)
    assert requests(ledger) == (1, 250, 210, 0.0154)


def parts_of(vectors, cost=0.25):
    return [
        Part(type="step-finish", tokens=Tokens(*vector[:3], cache=Cache(*vector[3:])), cost=cost)
        for vector in vectors
    ]


def message_of(vector, **more):
    own = Tokens(*vector[:3], cache=Cache(*vector[3:]))
    return Message(role="assistant", tokens=own, **more)


@pytest.mark.parametrize(
    "own",
    [
        STEPS[2],  # the last step, as released versions write it
        (750, 310, 0, 16_700, 1200),  # the sum
        (250, 310, 0, 6100, 1200),  # the sum of what each step adds, and the last prompt
        STEPS[1],  # the message is written after the part of its step
        (0, 0, 0, 0, 0),  # killed
    ],
)
def test_a_message_that_its_steps_explain_adds_nothing(own):
    """The message contains sums (anomalyco/opencode pull requests 22077 and 42326)."""
    found = requests_of(message_of(own, cost=0.75), parts_of(STEPS))
    assert [request.tokens.vector for request in found] == STEPS


def test_deleted_steps_are_in_the_figures_of_the_message():
    """`revert` deletes later parts, and keeps the message with its cost."""
    found = requests_of(message_of(STEPS[2], cost=0.75), parts_of(STEPS[:1]))
    assert [(each.tokens.vector, each.cost_usd) for each in found] == [
        (STEPS[0], 0.25),
        (STEPS[2], 0.5),
    ]


def test_a_step_without_a_cost_has_that_of_its_message():
    found = requests_of(message_of(STEPS[0], cost=0.75), parts_of(STEPS[:1], cost=None))
    assert [each.cost_usd for each in found] == [0.75]


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        ("1.1.34", True),
        ("0.14.6", True),
        ("1.2.0", False),
        ("0.0.0-next-15493", False),
        ("", False),
    ],
)
def test_a_preview_build_is_not_an_old_version(version, inside):
    """The version of every preview build is 0.0.0."""
    assert Context("ses", version=version).reasoning_inside is inside


def test_a_question_after_many_parts_waits(tmp_path):
    """A long message has hundreds of parts, and the newest ones contain the question."""
    session = unfinished()
    for _ in range(100):
        session.call()
    asked = {"status": "running", "time": {"start": BEGIN}}
    session.part({"type": "tool", "tool": "question", "callID": "q", "state": asked})
    path = write_database(tmp_path, session)
    with closing(sqlite3.connect(path)) as database:  # ids of parts ascend
        database.execute("UPDATE part SET id = printf('prt_%04d', rowid)")
        database.commit()
    ledger = Ledger()
    read_on(ledger, AGENT, str(path), price=as_recorded)
    assert ledger.sessions["opencode", SESSION].facts.signal.kind == "waiting"


@pytest.mark.slow
def test_databases_of_two_channels_count_once(tmp_path):
    """Each channel has its own database, and imports the earlier sessions into it."""
    session = session_of(3)
    path = write_database(tmp_path, session)
    shutil.copy(path, path.with_name("opencode-local.db"))
    write_files(tmp_path, session)
    ledger = Ledger()
    refresh(ledger, tmp_path, [AGENT], price=as_recorded)
    assert requests(ledger) == (3, 750, 310, 0.0154)


def test_a_negative_input_takes_nothing_away(tmp_path):
    """Some providers report input without cached tokens, and OpenCode still subtracts these."""
    session = OpenCode().user().assistant((-423, 60, 0, 84_160, 0))
    session.part(step((-423, 60, 0, 84_160, 0), -0.01))
    path = write_database(tmp_path, session)
    ledger = Ledger()
    read_on(ledger, AGENT, str(path), price=as_recorded)
    usage = ledger.sessions["opencode", SESSION].usage
    assert (usage.requests, usage.tokens.input, usage.tokens.cache_read) == (1, 0, 84_160)
    assert ledger.totals["parse_errors", "opencode", "schema"] > 0
