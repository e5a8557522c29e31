"""An exception in one part of a refresh costs only that part, until it works again."""

import contextlib
import json

import msgspec
import pytest
from faults import QUOTED, Fault
from looking import Look
from processes.builders import Machine, process
from small_homes import BEGIN, claude_answer, claude_file, claude_turns, session_id
from transcripts import Codex, usage

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import collect
from agtop_exporter.model import REFRESH_STAGES
from agtop_exporter.pipeline.failing import remembered_errors
from agtop_exporter.reading.lines import LineReader
from agtop_exporter.render import json as json_page

CLAUDE, CODEX = 6000, 110  # tokens at the end

IN_THE_AGENT = ("roots", "files", "read")
OF_ONE_AGENT = {  # function: the stage, and whether a call is about Claude Code
    "agtop_exporter.ledger:Ledger.record": ("ledger", lambda _, batch: batch.agent == "claude"),
    "agtop_exporter.ledger.sessions:Sessions.find": (
        "ledger",
        lambda _, agent, _id: agent == "claude",
    ),
    "agtop_exporter.ledger.counting:entry_of": (
        "ledger",
        lambda event, *_: is_in_the_middle(event),
    ),
    "agtop_exporter.pipeline.pairing:Pairing.add": (
        "match",
        lambda _, key, _record: key[0] == "claude",
    ),
    "agtop_exporter.pipeline.sessions:SessionViews._place": (
        "sessions",
        lambda _, key: key == ("claude", session_id(1)),
    ),
    "agtop_exporter.pipeline.sessions:SessionViews._view": (
        "sessions",
        lambda _, key, _now: key[1] == session_id(1),
    ),
}
OF_ALL_AGENTS = {
    "agtop_exporter.pipeline.scanner:read_all": "scan",
    "agtop_exporter.ledger:Ledger.checkpoint": "ledger",
    "agtop_exporter.ledger.store:Store.flush": "ledger",
    "agtop_exporter.ledger:Ledger.take_changed": "ledger",
    "agtop_exporter.pipeline.pairing:Pairing.pair": "match",
    "agtop_exporter.pipeline.pairing:gather": "match",
    "agtop_exporter.pipeline.pairing:match": "match",
    "agtop_exporter.pipeline.pairing:advance": "match",
    "agtop_exporter.pipeline.pairing:Pairing.to_save": "match",
    "agtop_exporter.pipeline.waits:Waits.take": "sessions",
}


def is_in_the_middle(event):
    """Return whether an event is inside the second part that Claude Code writes."""
    return "-1-12" in event.key


def codex_answers(home, number):
    rollout = Codex(home / ".codex/sessions/2026/03/02").turn()
    for answer in range(1, number + 1):
        rollout.count(usage(50, 0, 5), usage(50 * answer, 0, 5 * answer))
    rollout.write()


def write_first(home):
    claude_file(home, 1).write_text(claude_turns(1, range(5)))
    codex_answers(home, 1)


def write_second(home):
    claude_file(home, 1).write_text(claude_turns(1, range(20)))
    claude_file(home, 2).write_text(claude_turns(2, range(10)))
    codex_answers(home, 2)


class Home:
    """A home that is refreshed every five seconds."""

    def __init__(self, folder, *, agents=(claude.AGENT, codex.AGENT), ledger=None):
        self.folder = folder
        processes = Machine().run(process(10, "codex")).tracker
        self.look = Look(folder, agents=agents, processes=processes, ledger=ledger)
        self.now = BEGIN + 200

    def refresh(self):
        """Refresh, and return the snapshot."""
        self.now += 5
        return self.look.at(self.now)


def listed(snapshot):
    """Return the tokens in JSON by agent."""
    tokens = {"claude": 0, "codex": 0}
    for session in json.loads(json_page.render(snapshot))["sessions"]:
        tokens[session["agent"]] += session["tokens"]["total"]
    return tokens


def counted(snapshot):
    """Return the tokens in the totals by agent."""
    tokens = {"claude": 0, "codex": 0}
    for series, value in snapshot.totals.items():
        if series[0] == "tokens":
            tokens[series[1]] += value
    return tokens


def samples(snapshot, name):
    return {
        labels: value
        for family in collect(snapshot)
        if family.metric.name == name
        for labels, value in family.samples
    }


def up(snapshot):
    return {agent: value for (agent,), value in samples(snapshot, "agtop_agent_up").items()}


def errors(snapshot, stage):
    return samples(snapshot, "agtop_refresh_errors_total")[stage,]


def check(home, fault, stage, *, down):
    """Raise an exception for a while, and check the results during and after it."""
    write_first(home.folder)
    before = home.refresh()
    assert listed(before) == counted(before) == {"claude": 1000, "codex": 55}
    assert up(before) == {"claude": 1, "codex": 1}
    assert samples(before, "agtop_refresh_errors_total") == {(each,): 0 for each in REFRESH_STAGES}
    write_second(home.folder)
    fault.armed = True
    meanwhile = [home.refresh() for _ in range(3)]
    for snapshot in meanwhile:
        assert up(snapshot) == {"claude": 0, "codex": int("codex" not in down)}
        assert stage in {error.stage for error in snapshot.errors}
        assert {error.agent or "codex" for error in snapshot.errors} <= down
    assert 0 < errors(meanwhile[0], stage) < errors(meanwhile[1], stage)
    if "codex" not in down:
        assert listed(meanwhile[0])["codex"] == counted(meanwhile[0])["codex"] == CODEX
    fault.armed = False
    after = home.refresh()
    assert listed(after) == counted(after) == {"claude": CLAUDE, "codex": CODEX}
    assert up(after) == {"claude": 1, "codex": 1}
    assert after.errors == ()
    assert errors(after, stage) == errors(meanwhile[-1], stage)
    check_totals(after, home)
    check_log(home.look.told, stage)


def check_totals(after, home):
    """Compare the totals with those of a pipeline without an exception."""
    whole = Home(home.folder)
    moving = {"scan_bytes", "scan_records", "scan_errors", "refresh_errors", "source_resets"}

    def still(snapshot):
        return {series: n for series, n in snapshot.totals.items() if series[0] not in moving}

    assert still(after) == still(whole.refresh())
    assert not [n for series, n in after.totals.items() if series[0] == "source_resets" and n]


def check_log(told, stage):
    """Each distinct error is logged once, with its location and without its message."""
    failed = [
        fields for level, event, fields in told if (level, event) == ("error", "refresh failed")
    ]
    assert failed
    assert (stage, "KeyError") in {(fields["stage"], fields["error"]) for fields in failed}
    places = [fields["location"] for fields in failed]
    assert len(places) == len(set(places))
    assert all(where.startswith("agtop_exporter.") for where in places)
    assert [fields for _, event, fields in told if event == "refresh works again"] == []
    assert QUOTED not in repr(told)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_THE_AGENT)
def test_a_bug_in_one_agent_stops_no_other(name, tmp_path):
    fault = Fault()
    broken = msgspec.structs.replace(
        claude.AGENT, **{name: fault.around(getattr(claude.AGENT, name))}
    )
    check(Home(tmp_path, agents=(broken, codex.AGENT)), fault, "scan", down={"claude"})


@pytest.mark.slow
def test_an_incomplete_listing_removes_no_file(tmp_path):
    """An unlisted file that counted as deleted would be read from its start again."""
    fault = Fault()
    broken = msgspec.structs.replace(claude.AGENT, files=fault.after(claude.AGENT.files))
    check(Home(tmp_path, agents=(broken, codex.AGENT)), fault, "scan", down={"claude"})


@pytest.mark.slow
def test_a_listing_that_the_system_breaks_off_forgets_no_file(tmp_path):
    fault = Fault(error=OSError)
    broken = msgspec.structs.replace(claude.AGENT, files=fault.after(claude.AGENT.files))
    home = Home(tmp_path, agents=(broken, codex.AGENT))
    write_first(tmp_path)
    home.refresh()
    fault.armed = True
    for _ in range(3):
        assert up(home.refresh()) == {"claude": 0, "codex": 1}
    fault.armed = False
    after = home.refresh()
    assert up(after) == {"claude": 1, "codex": 1}
    assert not [s for s, n in after.totals.items() if s[0] == "source_resets" and n]


@pytest.mark.slow
@pytest.mark.parametrize("target", OF_ONE_AGENT)
def test_an_error_in_the_part_of_one_agent(target, tmp_path, monkeypatch):
    stage, when = OF_ONE_AGENT[target]
    fault = Fault(when)
    fault.put(target, monkeypatch)
    check(Home(tmp_path), fault, stage, down={"claude"})


@pytest.mark.slow
@pytest.mark.parametrize("target", OF_ALL_AGENTS)
def test_an_error_in_a_part_that_all_agents_share(target, tmp_path, monkeypatch):
    fault = Fault()
    fault.put(target, monkeypatch)
    check(Home(tmp_path), fault, OF_ALL_AGENTS[target], down={"claude", "codex"})


@pytest.mark.slow
@pytest.mark.parametrize("target", [*OF_ONE_AGENT, *OF_ALL_AGENTS])
def test_an_error_of_the_first_refresh_loses_no_session_of_before(target, tmp_path, monkeypatch):
    """Sessions of the ledger are new in the first refresh only."""
    state, folder = tmp_path / "state", tmp_path / "home"
    write_first(folder)
    write_second(folder)
    with contextlib.closing(Ledger(state)) as ledger:
        Home(folder, ledger=ledger).refresh()
    with contextlib.closing(Ledger(state)) as ledger:
        home = Home(folder, ledger=ledger)
        fault = Fault(OF_ONE_AGENT[target][1]) if target in OF_ONE_AGENT else Fault()
        fault.put(target, monkeypatch)
        fault.armed = True
        home.refresh()
        fault.armed = False
        after = home.refresh()
        assert listed(after) == counted(after) == {"claude": CLAUDE, "codex": CODEX}


@pytest.mark.slow
def test_an_unreadable_account_is_read_again(tmp_path):
    fault = Fault()
    plan = fault.around(lambda _home, _environment: "pro")
    home = Home(tmp_path, agents=(msgspec.structs.replace(claude.AGENT, plan=plan), codex.AGENT))
    write_first(tmp_path)
    fault.armed = True
    before = home.refresh()
    assert up(before) == {"claude": 0, "codex": 1}
    assert listed(before) == {"claude": 1000, "codex": 55}
    fault.armed = False
    write_second(tmp_path)
    after = home.refresh()
    assert up(after) == {"claude": 1, "codex": 1}
    assert {s.subscription for s in after.sessions if s.agent == "claude"} == {"pro"}


@pytest.mark.slow
def test_a_price_that_cannot_be_looked_up_is_looked_up_later(tmp_path, monkeypatch):
    claude_file(tmp_path).write_text(claude_answer(1, 0, model="ours"))
    home = Home(tmp_path)
    home.refresh()
    fault = Fault()
    fault.put("agtop_exporter.ledger:Ledger.reprice", monkeypatch)
    home.look.pipeline.prices.override({"ours": {"input": 1, "output": 1}})
    fault.armed = True
    (session,) = home.refresh().sessions
    assert session.cost.unpriced_tokens == 200
    fault.armed = False
    after = home.refresh()
    assert after.sessions[0].cost.unpriced_tokens == 0
    assert errors(after, "prices") == 1


@pytest.mark.slow
def test_no_part_of_a_file_is_passed_over(tmp_path, monkeypatch):
    """Later batches of a file wait for a batch that could not be counted."""
    monkeypatch.setitem(LineReader.__init__.__kwdefaults__, "batch_bytes", 2000)
    monkeypatch.setattr("agtop_exporter.reading.lines.BLOCK_BYTES", 2000)
    home = Home(tmp_path)
    claude_file(tmp_path).write_text(claude_turns(1, range(20)))
    fault = Fault(lambda _, batch: batch.agent == "claude" and batch.cursor.offset < 4000)
    fault.put("agtop_exporter.ledger:Ledger.record", monkeypatch)
    fault.armed = True
    assert listed(home.refresh())["claude"] == 0
    fault.armed = False
    after = home.refresh()
    assert listed(after)["claude"] == counted(after)["claude"] == 4000
    assert after.totals["sessions_started", "claude"] == 1
    assert after.totals["scan_records", "claude"] == 40


@pytest.mark.slow
def test_a_message_that_grows_is_not_taken_away_without_being_added(tmp_path, monkeypatch):
    """The larger figures of a response replace the smaller ones."""
    home = Home(tmp_path)
    transcript = claude_file(tmp_path)
    transcript.write_text(claude_answer(1, 0, output=100))
    home.refresh()
    fault = Fault()
    fault.put("agtop_exporter.ledger.changes:Changes.add", monkeypatch)
    transcript.write_text(claude_answer(1, 0, output=100) + claude_answer(1, 0, output=300))
    fault.armed = True
    for _ in range(3):
        meanwhile = home.refresh()
        assert listed(meanwhile)["claude"] == counted(meanwhile)["claude"] == 200
    fault.armed = False
    after = home.refresh()
    assert listed(after)["claude"] == counted(after)["claude"] == 400


@pytest.mark.slow
def test_a_session_of_one_agent_is_not_counted_as_started_for_another(tmp_path, monkeypatch):
    """A session of a failed batch is counted with the next batch of any agent."""
    home = Home(tmp_path)
    write_first(tmp_path)
    fault = Fault(lambda agent, _events: agent == "claude")
    fault.put("agtop_exporter.ledger.counting:event_names", monkeypatch)
    fault.armed = True
    home.refresh()
    fault.armed = False
    after = home.refresh()
    assert {s: n for s, n in after.totals.items() if s[0] == "sessions_started"} == {
        ("sessions_started", "claude"): 1,
        ("sessions_started", "codex"): 1,
    }


@pytest.mark.slow
def test_an_error_that_lasts_is_logged_once_and_again_when_it_comes_back(tmp_path, monkeypatch):
    home = Home(tmp_path)
    write_first(tmp_path)
    fault = Fault()
    fault.put("agtop_exporter.pipeline.sessions:SessionViews._view", monkeypatch)
    for armed in (True, True, True, False, False, True, True):
        fault.armed = armed
        home.refresh()
    told = [(level, event) for level, event, _ in home.look.told]
    failed = [("error", "refresh failed"), ("debug", "traceback")]
    assert told == [*failed, ("info", "refresh works again"), *failed]
    (trace, _) = [fields for level, _, fields in home.look.told if level == "debug"]
    assert "agtop_exporter.pipeline.sessions:" in trace["frames"]


@pytest.mark.slow
def test_errors_are_stored_in_the_ledger(tmp_path, monkeypatch):
    state, folder = tmp_path / "state", tmp_path / "home"
    write_first(folder)
    fault = Fault()
    fault.put("agtop_exporter.pipeline.pairing:Pairing.pair", monkeypatch)

    def known():
        with contextlib.closing(Ledger(state, read_only=True)) as ledger:
            return remembered_errors(ledger)

    with contextlib.closing(Ledger(state)) as ledger:
        home = Home(folder, ledger=ledger)
        fault.armed = True
        home.refresh()
        home.refresh()
        ((stage, agent, error),) = [(e.stage, e.agent, e.error) for e in known()]
        assert (stage, agent, error) == ("match", "", "KeyError")
        fault.armed = False
        home.refresh()
        home.refresh()
        assert known() == ()


def test_facts_of_another_version_tell_of_no_errors():
    ledger = Ledger()
    ledger.remember("refresh_errors", msgspec.msgpack.encode([["orbit", 1]]))
    assert remembered_errors(ledger) == ()
