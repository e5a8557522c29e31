"""The overview has the sums of all usage, including late usage, and the latest sessions."""

import json
from datetime import UTC
from operator import attrgetter

import pytest
from events import NOON, batch, record, response
from hypothesis import given
from hypothesis import strategies as st
from looking import Look
from small_homes import BEGIN, claude_file, claude_turns, session_id
from snapshots import make_session

from agtop_exporter.agents import claude
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import NO_SUM, Cost, State
from agtop_exporter.pipeline.latest import LATEST_MAX, LatestClosed
from agtop_exporter.pipeline.overview import Usages, sorted_sessions
from agtop_exporter.render import json as json_page

DAY = 86_400
MIDNIGHT = NOON - 10 * 3_600
PERIODS = ("today", "week", "total")
LATER = BEGIN + 30 * DAY

moments = st.sampled_from(
    [0, NOON, MIDNIGHT, MIDNIGHT - 1, NOON - 6 * DAY, NOON - 7 * DAY, NOON - 90 * DAY]
)
additions = st.lists(st.tuples(moments, st.sampled_from("abc"), st.integers(1, 99)), max_size=12)


def tokens(usages, now=NOON):
    """Return {period: tokens} of all agents."""
    groups = usages.at(now)["agent"]
    return {
        period: sum((getattr(one, period) for one in groups), NO_SUM).tokens.total
        for period in PERIODS
    }


@pytest.mark.slow
@given(additions)
def test_each_addition_counts_in_its_periods(found):
    ledger = Ledger()
    usages = Usages(ledger, unwanted=set(), timezone=UTC)
    expected = dict.fromkeys(PERIODS, 0)
    for number, (time, model, size) in enumerate(found):
        event = response(f"k{number}", session=model, time=time, input=size, output=0, model=model)
        record(ledger, event)
        expected["total"] += size
        expected["week"] += size if time >= MIDNIGHT - 6 * DAY else 0
        expected["today"] += size if time >= MIDNIGHT else 0
        assert tokens(usages) == expected
    assert tokens(usages, NOON + DAY)["today"] == 0


def test_earlier_hours_are_read_once_until_they_change(monkeypatch):
    ledger, spans = Ledger(), []
    record(ledger, response("a"), response("b", time=NOON - 30 * DAY))
    usages = Usages(ledger, unwanted=set(), timezone=UTC)
    read = ledger.usage_between
    monkeypatch.setattr(ledger, "usage_between", lambda *span: spans.append(span[0]) or read(*span))
    for event, earlier in (
        (response("c"), True),
        (response("d"), False),
        (response("e", time=NOON - 30 * DAY), True),
        (response("f", time=0), True),
        (response("g"), False),
    ):
        record(ledger, event)
        spans.clear()
        usages.at(NOON)
        assert (0 in spans) == earlier


def test_new_prices_of_earlier_usage_are_shown():
    ledger = Ledger()
    record(ledger, response("a", time=NOON - 30 * DAY), price=lambda _: None)
    usages = Usages(ledger, unwanted=set(), timezone=UTC)
    assert not usages.at(NOON)["project"][0].total.cost_known
    ledger.reprice(lambda _: Cost(input=7))
    assert usages.at(NOON)["project"][0].total.cost == 7
    while ledger.reprice_step(lambda _: Cost(input=5), "new prices"):
        pass
    assert usages.at(NOON)["project"][0].total.cost == 5


def test_usage_of_unwanted_agents_is_left_out():
    ledger = Ledger()
    record(ledger, response("a"))
    other = batch(response("b", session="s2", input=100), agent="codex", path="/c.jsonl")
    record(ledger, *other.events, agent="codex", path="/c.jsonl")
    usages = Usages(ledger, unwanted={"codex"}, timezone=UTC)
    assert [one.name for one in usages.at(NOON)["agent"]] == ["claude"]
    assert tokens(usages) == dict.fromkeys(PERIODS, 15)


def test_waiting_sessions_come_first_and_closed_ones_last():
    sessions = [
        make_session(session_id=id_, state=State(kind), last_active=last)
        for id_, kind, last in (
            ("closed", "closed", 9.0),
            ("idle", "idle", 2.0),
            ("never", "running", None),
            ("asks", "waiting", 1.0),
            ("runs", "running", 3.0),
            ("asks too", "waiting", 2.0),
        )
    ]
    ordered = list(map(attrgetter("session_id"), sorted_sessions(sessions)))
    assert ordered == ["asks too", "asks", "runs", "idle", "never", "closed"]


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.none() | st.floats(1, 1e9), st.booleans()), max_size=400
    )
)
def test_latest_closed_sessions_are_those_of_the_whole_history(steps):
    latest, times = LatestClosed(), {}
    for number, last_active, closes in steps:
        key = ("a", f"s{number:03}")
        if closes and (last_active or 0) >= times.get(key, 0):  # a session is never active earlier
            latest.add(key, last_active)
            times[key] = last_active or 0
    expected = sorted(times, key=lambda key: (times[key], key), reverse=True)
    assert list(latest) == expected[:LATEST_MAX]


def test_latest_closed_session_that_opens_is_not_listed():
    latest = LatestClosed()
    latest.add(("a", "s"), 1.0)
    latest.discard(("a", "s"))
    latest.discard(("a", "unknown"))
    assert list(latest) == []


@pytest.fixture
def lean(tmp_path):
    """Return a home of 59 closed sessions, and its pipeline, which is that of the daemon."""
    for number in range(1, 60):
        path = claude_file(tmp_path, number)
        path.write_text(claude_turns(number, [number]))
    agents = (claude.AGENT,)
    return tmp_path, Look(tmp_path, agents=agents, keep_closed=False)


@pytest.mark.slow
def test_sessions_that_closed_long_ago_are_in_the_overview(lean):
    home, look = lean
    snapshot = look.at(LATER)
    assert snapshot.sessions == ()
    overview = look.pipeline.overview(snapshot)
    latest = [session_id(number) for number in range(59, 9, -1)]
    assert [session.session_id for session in overview.sessions] == latest
    assert overview.usage["agent"][0].total.tokens.total == 59 * 200
    assert {session.state.kind for session in overview.sessions} == {"closed"}
    with claude_file(home, 3).open("a") as file:
        file.write(claude_turns(3, [(LATER - BEGIN) // 10]))
    overview = look.pipeline.overview(look.at(LATER + 10))
    assert [session.session_id for session in overview.sessions][:2] == [session_id(3), latest[0]]
    assert overview.sessions[0].state.kind == "idle"


@pytest.mark.slow
def test_document_of_the_daemon_is_that_of_the_command(lean):
    home, look = lean
    whole = Look(home, agents=(claude.AGENT,))
    snapshot = look.pipeline.with_closed(look.at(LATER))
    documents = [json.loads(json_page.render(each)) for each in (snapshot, whole.at(LATER))]
    for document in documents:
        del document["agents"]  # it has durations
    assert documents[0] == documents[1]
    assert documents[0]["totals"]["sessions"] == 59
