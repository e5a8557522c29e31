"""While refreshes fail, pages, probes and commands report it. After that, they recover."""

import gc
import json
import re
import time
from contextlib import contextmanager
from functools import partial

import pytest
from faults import QUOTED, Fault
from looking import EVENING
from places import SUPPORT
from running import PATIENCE_SECONDS, daemon, run, samples_of, total
from small_homes import claude_file, claude_turns
from snapshots import NOW, make_agent, make_snapshot
from ticking import Ticking

from agtop_exporter.health import Health
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import RefreshError
from agtop_exporter.pipeline.failing import repeated
from agtop_exporter.textfile import TextfileWriter

pytestmark = pytest.mark.integration

NO_PROCESSES = ("--procfs", "/nowhere")  # those of this machine are not the matter here
RAISING = SUPPORT / "raising"
AGE = ("agtop_snapshot_timestamp_seconds", ())
UP = ("agtop_agent_up", (("agent", "claude"),))

PARTS = {  # function: its stage, whether agents are down, whether new tokens are served meanwhile
    "agtop_exporter.agents.claude.reader:TranscriptParser.feed": ("scan", True, False),
    "agtop_exporter.pipeline.files:AgentFiles.look": ("scan", True, False),
    "agtop_exporter.ledger:Ledger.record": ("ledger", True, False),
    "agtop_exporter.ledger:Ledger.checkpoint": ("ledger", True, True),
    "agtop_exporter.pipeline.pairing:Pairing.pair": ("match", True, True),
    "agtop_exporter.pipeline.sessions:SessionViews._view": ("sessions", True, True),
    "agtop_exporter.pipeline.sessions:SessionViews.published": ("refresh", True, False),
    "agtop_exporter.pipeline.repricing:Repricing.apply": ("prices", True, True),
    "agtop_exporter.textfile:TextfileWriter.save_state": ("outputs", False, True),
    "agtop_exporter.textfile:TextfileWriter.publish": ("outputs", False, True),
    "agtop_exporter.publisher:render_pages": ("publish", None, None),  # no page is made at all
}


@contextmanager
def breaking(home, target, armed, *arguments):
    """Run a daemon in which a function raises an exception while the file `armed` exists."""
    fault = {"PYTHONPATH": str(RAISING), "FAULT": target, "FAULT_ARMED": str(armed)}
    with daemon(home, *arguments, *NO_PROCESSES, **fault) as running:
        yield running


def until_ready(running, status):
    """Wait for a status of /-/ready, and return the body."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found, body = running.get("/-/ready")
        if found == status:
            return body
        assert time.monotonic() < deadline, "".join(running.log)


def until_later(running, samples):
    """Wait for two more refreshes, because a refresh stores the errors of the one before it."""
    second = running.until(lambda later: later[AGE] > samples[AGE])
    running.until(lambda later: later[AGE] > second[AGE])


def tokens(samples):
    return total(samples, "agtop_tokens_total")


def failed_often(least, samples):
    return errors(samples, "refresh") >= least


def errors(samples, stage):
    return total(samples, "agtop_refresh_errors_total", stage=stage)


@pytest.mark.long
@pytest.mark.parametrize("target", PARTS)
def test_a_part_that_fails_is_seen_everywhere(target, tmp_path):
    stage, down, served = PARTS[target]
    home, armed, textfile = tmp_path / "home", tmp_path / "armed", tmp_path / "agtop.prom"
    claude_file(home).write_text(claude_turns(1, range(5)))
    flags = ("--no-state", "--textfile", textfile, "--textfile-interval", "1")
    with breaking(home, target, armed, *flags) as running:
        running.until(lambda samples: tokens(samples) == 1000)
        assert until_ready(running, 200) == "agtop-exporter is ready.\n"
        armed.touch()
        claude_file(home).write_text(claude_turns(1, range(20)))
        claude_file(home, 2).write_text(claude_turns(2, range(10)))
        assert stage in until_ready(running, 503)
        assert running.get("/-/healthy")[0] == 200
        assert stage in running.get("/")[1]
        if served is not None:
            samples = running.until(lambda samples: errors(samples, stage) > 1)
            assert samples[UP] == int(not down)
            if served:
                running.until(lambda samples: tokens(samples) == 6000)
            else:
                assert tokens(running.samples()) == 1000
        armed.unlink()
        until_ready(running, 200)
        samples = running.until(lambda samples: tokens(samples) == 6000)
        assert samples[UP] == 1
        assert errors(samples, stage) > 0
        until_later(running, samples)
        assert running.end()[0] == 0
    log = "".join(running.log)
    assert QUOTED not in log
    assert "Traceback" not in log
    assert 1 <= log.count('msg="refresh failed"') <= 3  # not one for each refresh
    assert log.count('msg="refresh works again"') >= 1


@pytest.mark.long
def test_a_start_that_fails_goes_on_from_what_was_counted(tmp_path):
    """No error counter decreases between the page before the first result and that result."""
    home, armed, state = tmp_path / "home", tmp_path / "armed", tmp_path / "state"
    claude_file(home).write_text(claude_turns(1, range(5)))
    target = "agtop_exporter.pipeline.sessions:SessionViews.published"
    armed.touch()
    failed = 0
    for least in (2, 6):
        with breaking(home, target, armed, "--state-dir", state) as running:
            assert errors(running.samples(), "refresh") >= failed
            running.until(partial(failed_often, least))
            assert "refresh" in until_ready(running, 503)
            failed = errors(running.samples(), "refresh")
            running.end()
    armed.unlink()
    with breaking(home, target, armed, "--state-dir", state) as running:
        first = errors(running.samples(), "refresh")
        assert first >= failed
        until_ready(running, 200)
        assert errors(running.samples(), "refresh") == first
        assert tokens(running.until(lambda samples: tokens(samples) > 0)) == 1000


@pytest.mark.long
@pytest.mark.parametrize("target", ["agtop_exporter.pipeline.pairing:Pairing.pair"])
def test_doctor_reports_the_errors_of_the_daemon(target, tmp_path):
    home, armed, state = tmp_path / "home", tmp_path / "armed", tmp_path / "state"
    claude_file(home).write_text(claude_turns(1, range(5)))
    armed.touch()
    flags = ("--state-dir", state, "--no-pricing-refresh", *NO_PROCESSES)
    with breaking(home, target, armed, "--state-dir", state) as running:
        running.until(lambda samples: errors(samples, "match") > 2)
        done = run("agtop-exporter", "doctor", *flags, home=home, check=False)
        assert done.returncode == 1
        assert (
            "  ! unexpected error in the last refresh of the daemon: match: KeyError at "
            "agtop_exporter.pipeline" in done.stdout
        )
        armed.unlink()
        later = running.until(lambda samples: samples[UP] == 1)
        until_later(running, later)
        assert run("agtop-exporter", "doctor", *flags, home=home).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "stage"),
    [
        ("agtop_exporter.pipeline.pairing:Pairing.pair", "match"),
        ("agtop_exporter.pipeline.sessions:SessionViews._view", "sessions (claude)"),
        ("agtop_exporter.agents.claude.reader:TranscriptParser.feed", "scan (claude)"),
        ("agtop_exporter.agents.claude:_configured", "scan (claude)"),
    ],
)
def test_commands_name_the_part_that_failed(target, stage, tmp_path):
    armed = tmp_path / "armed"
    armed.touch()
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    fault = {"PYTHONPATH": str(RAISING), "FAULT": target, "FAULT_ARMED": str(armed)}
    flags = ("--no-state", "--no-pricing-refresh", *NO_PROCESSES)
    done = run("agtop-exporter", "doctor", *flags, home=tmp_path, check=False, **fault)
    assert done.returncode == 1
    assert f"  ! unexpected error: {stage}: KeyError at agtop_exporter." in done.stdout
    assert re.search(r'\n(1 problem|2 problems) found: see the lines? marked "!"\.\n$', done.stdout)
    assert done.stderr == ""
    done = run("agtop-exporter", "--once", "--json", *flags, home=tmp_path, check=False, **fault)
    assert done.returncode == 0
    assert json.loads(done.stdout)["totals"] is not None
    assert f"error: refresh failed: stage={stage.split()[0]} error=KeyError" in done.stderr
    assert QUOTED not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("words", [("doctor",), ("--once",)])
def test_a_command_without_output_reports_the_reason(words, tmp_path):
    armed = tmp_path / "armed"
    armed.touch()
    fault = {"PYTHONPATH": str(RAISING), "FAULT_ARMED": str(armed)}
    fault["FAULT"] = "agtop_exporter.pipeline.sessions:SessionViews.published"
    flags = ("--no-state", "--no-pricing-refresh", *NO_PROCESSES)
    done = run("agtop-exporter", *words, *flags, home=tmp_path, check=False, **fault)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "agtop-exporter: an unexpected error ended the refresh: refresh: KeyError at agtop_exporter"
    )
    assert "Traceback" not in done.stderr


@pytest.fixture
def ticking(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    running = Ticking(tmp_path)
    yield running
    running.close()


@pytest.mark.slow
def test_garbage_collections_do_not_visit_modules(ticking):
    """A visit takes 10 ms, and a scrape would wait for its end."""
    gc.disable()  # as `run` does before the first scan
    ticking.tick()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000


@pytest.mark.slow
def test_a_result_that_cannot_be_shown_is_replaced_by_the_last_one(ticking, tmp_path, monkeypatch):
    """If only rendering fails, the last result is shown with all agents as down."""
    first, trouble = ticking.tick()
    assert (tokens(first), first[UP], trouble) == (1000, 1, "")
    claude_file(tmp_path).write_text(claude_turns(1, range(10)))
    with monkeypatch.context() as patch:
        fault = Fault(lambda snapshot, *_: snapshot.result_of is None)
        fault.put("agtop_exporter.publisher:publish", patch)
        fault.armed = True
        for number in (1, 2):
            page, trouble = ticking.tick()
            assert (tokens(page), page[UP], errors(page, "publish")) == (1000, 0, number)
            assert "publish" in trouble
            assert page[AGE] == EVENING + 5
            (tokens_of_offer,) = {
                sum(v for s, v in outlet.offered[-1].totals.items() if s[0] == "tokens")
                for outlet in ticking.outlets
            }
            assert tokens_of_offer == 2000  # what they make of it is their own
    page, trouble = ticking.tick()
    assert (tokens(page), page[UP], page[AGE], trouble) == (2000, 1, ticking.now, "")
    assert errors(page, "publish") == 2


@pytest.mark.slow
def test_an_outlet_that_fails_stops_neither_the_pages_nor_the_other(ticking):
    ticking.outlets[0].broken = True
    page, trouble = ticking.tick()
    assert (tokens(page), page[UP]) == (1000, 1)
    assert "outputs" in trouble
    assert len(ticking.outlets[1].offered) == 1
    ticking.outlets[0].broken = False
    page, trouble = ticking.tick()
    assert errors(page, "outputs") == 1
    assert trouble == ""


# --- how long a result is relied on -----------------------------------------------------------


ERROR = RefreshError("match", "", "KeyError", "agtop_exporter.state:1")


@pytest.mark.parametrize(
    ("interval", "age", "well"),
    [(5, 59, True), (5, 61, False), (60, 179, True), (60, 181, False)],
)
def test_a_result_is_relied_on_for_three_intervals_and_a_minute(interval, age, well):
    now = [1000.0]
    health = Health(lambda: now[0])
    assert health.trouble(interval) == ""  # the first scan may take long
    health.ended([])
    now[0] += age
    assert health.trouble(interval) == ("" if well else f"No refresh has ended for {age} seconds.")


def test_a_refresh_that_failed_is_not_relied_on_until_one_succeeds():
    health = Health(lambda: 0.0)
    health.ended([ERROR, ERROR])
    assert health.trouble(5) == "The last refresh failed (match). The log names the location."
    health.ended([])
    assert health.trouble(5) == ""


def test_an_old_result_is_marked_as_old():
    ledger = Ledger()
    ledger.add(("refresh_errors", "refresh"), 2)
    good = make_snapshot(agents=(make_agent(), make_agent(agent="pi", enabled=False, up=None)))
    first = repeated(good, NOW + 60, errors=(ERROR,), ledger=ledger)
    again = repeated(first, NOW + 120, errors=(ERROR,), ledger=ledger)
    assert (first.result_of, again.result_of, again.generated_at) == (NOW, NOW, NOW + 120)
    assert [status.up for status in again.agents] == [False, None]
    assert again.totals["refresh_errors", "refresh"] == 2
    assert again.sessions == good.sessions


def test_a_textfile_of_a_failing_daemon_reports_it(tmp_path):
    path = tmp_path / "agtop.prom"
    writer = TextfileWriter(path, interval_seconds=60)
    good = make_snapshot()
    writer.publish(good)
    writer.publish(repeated(good, NOW + 60, errors=(ERROR,), ledger=Ledger()))
    samples = samples_of(path.read_text())
    assert samples["agtop_agent_up", (("agent", "claude-code"),)] == 0
    assert samples["agtop_snapshot_timestamp_seconds", ()] == NOW
