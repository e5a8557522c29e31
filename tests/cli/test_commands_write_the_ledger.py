"""Without a daemon, a command writes the ledger, so that the next one has less to read."""

import json
import os
import shutil
import subprocess
from contextlib import suppress

import pytest
from events import record, response
from running import SCRIPTS, daemon, environment, once, run, run_unprivileged, samples_of, total
from small_homes import claude_file, claude_turns

from agtop_exporter.ledger import History, Ledger

pytestmark = pytest.mark.integration

OFFLINE = "--no-pricing-refresh"
TURNS = 3
OUTPUT = 100  # tokens of a turn
PROMETHEUS = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}
SONNET = "claude-sonnet-4-5-20250929"


def home_with(path, sessions=2, turns=TURNS):
    for number in range(1, sessions + 1):
        claude_file(path, number).write_text(claude_turns(number, range(turns)))
    return path


def totals_of(state):
    ledger = Ledger(state, read_only=True)
    totals = dict(ledger.totals)
    ledger.close()
    return totals


def output_of(report):
    return json.loads(report)["totals"]["tokens"]["output"]


def daily(home, *arguments, **more):
    return run("agtop", "daily", "--json", OFFLINE, *arguments, home=home, **more).stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [["list"], ["json"], ["daily"], ["blocks"], ["today"]])
def test_the_second_command_reads_nothing_again(tmp_path, command):
    home, state = home_with(tmp_path / "home"), tmp_path / "state"
    run("agtop", *command, OFFLINE, "--state-dir", state, home=home)
    first = totals_of(state)
    assert first["scan_records", "claude"] == 2 * TURNS * 2
    run("agtop", *command, OFFLINE, "--state-dir", state, home=home)
    assert totals_of(state) == first


@pytest.mark.slow
def test_a_deleted_transcript_stays_in_the_reports(tmp_path):
    home, state = home_with(tmp_path / "home"), tmp_path / "state"
    run("agtop", "list", OFFLINE, "--state-dir", state, home=home)
    claude_file(home, 1).unlink()
    assert output_of(daily(home, "--state-dir", state)) == 2 * TURNS * OUTPUT


@pytest.mark.slow
def test_no_state_writes_nothing(tmp_path):
    home = home_with(tmp_path / "home")
    before = sorted(home.rglob("*"))
    assert output_of(daily(home, "--no-state", XDG_STATE_HOME=str(tmp_path / "s"))) > 0
    assert sorted(home.rglob("*")) == before
    assert not (tmp_path / "s").exists()


def beside_a_writer(tmp_path):
    """Return a home with two sessions, and the directory and the writer of a ledger with one."""
    home, state = home_with(tmp_path / "home", sessions=1), tmp_path / "state"
    run("agtop", "list", OFFLINE, "--state-dir", state, home=home)
    writer = Ledger(state)
    home_with(home, sessions=2)
    return home, state, writer


@pytest.mark.long
def test_beside_a_writer_a_command_only_reads(tmp_path):
    home, state, writer = beside_a_writer(tmp_path)
    found = json.loads(run("agtop", "json", OFFLINE, "--state-dir", state, home=home).stdout)
    assert len(found["sessions"]) == 2
    assert output_of(daily(home, "--state-dir", state)) == TURNS * OUTPUT
    writer.close()
    history = History(state)
    assert {one.session_id for one in history.usage_between()} == {claude_file(home, 1).stem}
    history.close()


@pytest.mark.long
def test_a_report_beside_a_writer_that_cannot_write_reads_the_files(tmp_path):
    """The disk of a daemon becomes full: its ledger lacks the newest usage."""
    home, state, writer = beside_a_writer(tmp_path)
    shutil.copy(state / "ledger.db", tmp_path / "copy")
    (tmp_path / "copy").replace(state / "ledger.db")  # another ledger cannot be overwritten
    record(writer, response("new"))
    assert writer.durable is False
    assert output_of(daily(home, "--state-dir", state)) == 2 * TURNS * OUTPUT
    writer.close()


@pytest.mark.slow
def test_a_report_reads_all_files_while_the_ledger_is_empty(tmp_path):
    home, state = home_with(tmp_path / "home"), tmp_path / "state"
    writer = Ledger(state)
    assert output_of(daily(home, "--state-dir", state)) == 2 * TURNS * OUTPUT
    writer.close()


@pytest.mark.long
def test_a_directory_that_cannot_be_written_is_only_read(tmp_path):
    home, state = home_with(tmp_path / "home", sessions=1), tmp_path / "state"
    run("agtop", "list", OFFLINE, "--state-dir", state, home=home)
    home_with(home, sessions=2)
    before = {path: path.read_bytes() for path in state.iterdir()}
    state.chmod(0o500)
    for path in state.iterdir():
        path.chmod(0o400)
    command = ("daily", "--json", OFFLINE, "--state-dir", str(state))
    done = run_unprivileged("agtop", *command, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert output_of(done.stdout) == 2 * TURNS * OUTPUT
    assert {path: path.read_bytes() for path in state.iterdir()} == before


@pytest.mark.slow
def test_a_full_disk_does_not_stop_a_command(tmp_path):
    home = home_with(tmp_path / "home")
    state = tmp_path / "state"
    state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(state)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        assert output_of(daily(home, "--state-dir", state)) == 2 * TURNS * OUTPUT
    finally:
        subprocess.run(["umount", str(state)], check=True)


@pytest.mark.long
def test_kill_9_loses_nothing(tmp_path):
    home, state = home_with(tmp_path / "home", sessions=4, turns=1500), tmp_path / "state"
    command = [SCRIPTS / "agtop", "list", OFFLINE, "--state-dir", state]
    journal = state / "ledger.db-wal"
    for size_bytes in (0, 100_000, 400_000):
        with subprocess.Popen(
            command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            while running.poll() is None:
                with suppress(FileNotFoundError):
                    if journal.stat().st_size > size_bytes:
                        running.kill()
    run("agtop", "list", OFFLINE, "--state-dir", state, home=home)
    wanted = {s["session_id"]: (s["tokens"], s["cost"]) for s in once(home)["sessions"]}
    found = json.loads(run("agtop", "json", OFFLINE, "--state-dir", state, home=home).stdout)
    assert {s["session_id"]: (s["tokens"], s["cost"]) for s in found["sessions"]} == wanted
    assert totals_of(state)["requests", "claude", SONNET] == 4 * 1500


@pytest.mark.long
def test_the_next_daemon_publishes_new_series_at_zero_first(tmp_path):
    home, state = home_with(tmp_path / "home", sessions=1), tmp_path / "state"
    model = "claude-opus-4-6"
    with daemon(home, "--state-dir", state) as running:
        running.until_ready()
        running.get("/metrics", **PROMETHEUS)
        running.get("/-/healthy")  # the scrape is noted before the next request is answered
        running.end()
    claude_file(home, 2).write_text(claude_turns(2, range(2)).replace(SONNET, model))
    run("agtop", "list", OFFLINE, "--state-dir", state, home=home)
    with daemon(home, "--state-dir", state) as running:
        running.until_ready()
        first = samples_of(running.get("/metrics", **PROMETHEUS)[1])
        running.until(lambda samples: total(samples, "agtop_requests_total", model=model) == 2)
    assert total(first, "agtop_requests_total", model=model) == 0
    assert total(first, "agtop_requests_total", model=SONNET) == TURNS
