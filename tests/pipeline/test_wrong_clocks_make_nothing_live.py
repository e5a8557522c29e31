"""A record from the future counts as old as its file, and makes no session running."""

import os
from datetime import UTC, datetime

import pytest
from looking import EVENING, Look
from processes.builders import NOW, PROJECT, U1, U2, Machine, process
from staged import StagedAgent

from agtop_exporter.agents import claude

DAY, YEAR = 86_400.0, 365 * 86_400.0


@pytest.fixture
def staged(tmp_path):
    return StagedAgent(claude.AGENT, tmp_path)


def look_at(staged, folder, machine=None, **settings):
    tracker = (machine or Machine()).tracker
    return Look(folder, agents=[staged.agent], processes=tracker, **settings)


def touch(path, time):
    os.utime(path, (time, time))


@pytest.mark.parametrize("ahead", [120.0, DAY, 5 * YEAR, 900 * YEAR])
@pytest.mark.parametrize("kind", ["running", "waiting", "idle", "error", "unknown"])
@pytest.mark.parametrize("with_processes", [True, False])
def test_a_session_from_the_future_without_a_process_is_closed(
    staged, tmp_path, ahead, kind, with_processes
):
    path = staged.write(U1, active=NOW + ahead, kind=kind, started_at=NOW + ahead - 60)
    touch(path, NOW - 1)
    look = look_at(staged, tmp_path) if with_processes else Look(tmp_path, agents=[staged.agent])
    session = look.sessions(NOW)[U1]
    assert session["state"]["kind"] == "closed"
    assert session["started_at"] == session["last_active"] == session_time(NOW - 1)


def session_time(time):
    """Write a time as JSON has it."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_file_from_the_future_gives_no_time(staged, tmp_path):
    touch(staged.write(U1, active=NOW + DAY, kind="running"), NOW + DAY)
    session = look_at(staged, tmp_path).sessions(NOW)[U1]
    assert (session["state"]["kind"], session["last_active"]) == ("closed", None)


def test_the_time_counts_once_the_clock_has_passed_it(staged, tmp_path):
    touch(staged.write(U1, active=NOW + 600, kind="running"), NOW)
    look = Look(tmp_path, agents=[staged.agent])
    assert look.sessions(NOW)[U1]["state"]["kind"] == "closed"
    assert look.sessions(NOW + 605)[U1]["state"]["kind"] == "running"


def test_a_subagent_from_the_future_does_not_revive_its_parent(staged, tmp_path):
    touch(staged.write(U1, active=NOW - DAY, kind="running"), NOW - DAY)
    touch(staged.write(U2, active=NOW + DAY, kind="running", parent_session_id=U1), NOW)
    assert look_at(staged, tmp_path).sessions(NOW)[U1]["state"]["kind"] == "closed"


def test_a_process_that_started_after_the_file_was_written_is_not_its_writer(staged, tmp_path):
    touch(staged.write(U1, active=NOW + YEAR, kind="running", cwd=PROJECT), NOW - 600)
    machine = Machine().run(process(42, "claude", start=-60))
    session = look_at(staged, tmp_path, machine).sessions(NOW)[U1]
    assert (session["pid"], session["state"]["kind"]) == (None, "closed")


def test_a_live_session_whose_clock_was_ahead_keeps_its_state(staged, tmp_path):
    touch(staged.write(U1, active=NOW + 3600, kind="waiting", reason="input"), NOW - 5)
    machine = Machine().run(process(42, "claude", "-r", U1, start=-60))
    session = look_at(staged, tmp_path, machine).sessions(NOW)[U1]
    assert (session["pid"], session["state"]["kind"]) == (42, "waiting")


def test_sessions_from_the_future_do_not_crowd_out_the_live_ones(staged, tmp_path):
    for number in range(20):
        name = f"{number:08d}-1111-4111-8111-111111111111"
        touch(staged.write(name, active=NOW + YEAR, kind="running"), NOW)
    touch(staged.write(U1, active=NOW - 10 * 60, kind="idle"), NOW - 600)
    machine = Machine().run(process(42, "claude", "-r", U1))
    samples = look_at(staged, tmp_path, machine, sessions_max=3).samples(NOW)
    shown = {key[1] for key in samples if key[0] == "agtop_session_state"}
    assert U1 in shown
    assert len(shown) == 3
    assert NOW > EVENING  # 20 of them would be shown before it by their times alone
