"""The state of a session follows the decision table. T-01 to W-13 are acceptance ids."""

import itertools
from contextlib import closing

import pytest
from driving import price, project

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import STATE_KINDS, Batch, Cursor, SessionUpdate, Signal, State
from agtop_exporter.state import (
    RUNNING_GRACE_SECONDS,
    STALL_SECONDS,
    count_states,
    resolve,
)

NOW = 1_800_000_000.0
MINUTE = 60.0


def state(kind, liveness, age, *, reason="", scanned=False, **said):
    return resolve(
        Signal(kind, reason),
        liveness=liveness,
        scanned=scanned,
        last_active=None if age is None else NOW - age,
        now=NOW,
        **said,
    )


CASES = {
    "T-01": (("idle", "live", 10), State("idle")),
    "T-02": (("idle", None, 3 * MINUTE), State("idle")),
    "T-03": (("idle", None, 10 * MINUTE), State("closed")),
    "T-04": (("running", "live", 10), State("running")),
    "T-05": (("running", "live", 5 * MINUTE + 1), State("warning", "stalled")),
    "T-06": (("running", None, 10), State("running")),
    "T-07": (("running", None, 31), State("closed")),
    "T-09": (("error", "live", None), State("error")),
    "T-10": (("unknown", "live", 10), State("running")),
    "T-11": (("unknown", "stopped", None), State("closed")),
    "T-12": (("idle", "stopped", 10), State("closed")),
    "T-15": (("unknown", "live", None), State("running")),
    "T-16": (("unknown", None, 120 * MINUTE), State("closed")),
    "T-17": (("unknown", None, 5), State("running")),
    "T-19": (("unknown", None, 120), State("closed")),
    "T-20": (("idle", "live", 0), State("idle")),
    "T-21": (("running", "stopped", 0), State("closed")),
    "T-23 stall": (("running", "live", 5 * MINUTE), State("warning", "stalled")),
    "T-23 running": (("running", None, 30), State("closed")),
    "T-23 idle": (("idle", None, 5 * MINUTE), State("closed")),
    "T-23 future": (("running", None, -60), State("running")),
    "T-23 error": (("error", None, 120 * MINUTE), State("closed")),
    "T-23 unknown time": (("idle", None, None), State("closed")),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case):
    arguments, expected = CASES[case]
    assert state(*arguments) == expected


def test_t08_t18_waiting_has_a_reason():
    for reason, liveness in itertools.product(("input", "permission"), ("live", None)):
        assert state("waiting", liveness, 10, reason=reason) == State("waiting", reason)
    assert state("waiting", "live", 9999, reason="input") == State("waiting", "input")
    assert state("waiting", None, 5 * MINUTE, reason="input") == State("closed")


def test_t13_t14_the_thresholds():
    assert (STALL_SECONDS, RUNNING_GRACE_SECONDS) == (300, 30)
    assert state("running", "live", STALL_SECONDS - 1) == State("running")
    assert state("running", "live", STALL_SECONDS) == State("warning", "stalled")


def test_t15_t17_t20_t21_t22_the_counts():
    yesterday, today, midnight = NOW - 86_400, NOW - 60, NOW - 3600
    states = [
        (state("unknown", "live", None), today),
        (state("unknown", None, 5), yesterday),
        (state("idle", "live", 0), None),
        (state("running", "stopped", 0), midnight),
        (state("waiting", "live", 0), midnight - 1),
    ]
    counts = count_states(states, midnight=midnight)
    assert (counts.active, counts.idle, counts.waiting, counts.today) == (3, 1, 1, 2)


@pytest.mark.parametrize("kind", ["idle", "running", "waiting", "error", "unknown", "odd"])
@pytest.mark.parametrize("liveness", ["live", "stopped", None])
def test_w09_every_session_has_a_state(kind, liveness):
    for age, scanned in itertools.product((None, -5.0, 0.0, 1e3, 1e9), (True, False)):
        found = state(kind, liveness, age, scanned=scanned)
        assert found.kind in STATE_KINDS


def test_w10_a_subagent_is_resolved_with_its_parents_liveness():
    assert state("running", "live", 60) == State("running")
    assert state("running", "stopped", 1) == State("closed")


def test_w11_an_error_ends_after_a_while():
    assert state("error", None, MINUTE, reason="api") == State("error", "api")
    assert state("error", None, 120 * MINUTE, reason="api") == State("closed", "api")
    assert state("error", "live", 120 * MINUTE, reason="api") == State("error", "api")


@pytest.mark.parametrize("kind", ["idle", "running", "waiting", "error", "unknown"])
def test_w12_no_process_after_a_scan_is_closed(kind):
    assert state(kind, None, 1, scanned=True).kind == "closed"
    assert state(kind, None, 1, scanned=False).kind != "closed"
    assert state(kind, "live", 1, scanned=True).kind != "closed"


@pytest.mark.parametrize("kind", ["running", "unknown"])
def test_w13_a_busy_tree_is_not_stalled(kind):
    assert state(kind, "live", 3600, busy=True) == State("running")


@pytest.mark.parametrize(
    ("kind", "active"),
    [
        ("running", True),
        ("idle", True),
        ("warning", True),
        ("waiting", False),
        ("error", False),
        ("closed", False),
    ],
)
def test_s10_s11_active_sessions_are_counted(kind, active):
    assert count_states([(State(kind), None)], midnight=0.0).active == active


SIGNALS = [
    Signal("idle", "", "assistant.stop_reason=end_turn"),
    Signal("running", "", "user.prompt"),
    Signal("waiting", "input", "assistant.question"),
    Signal("waiting", "permission", "function_call"),
    Signal("error", "usage_limit_exceeded", "task_complete"),
    Signal(),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_s04_s05_the_state_of_a_transcript_survives_a_restart(tmp_path, signal):
    """A session without records has the state unknown."""
    update = SessionUpdate("s-1", last_active=NOW)
    if signal.kind != "unknown":
        update.signal = signal
    with closing(Ledger(tmp_path)) as ledger:
        batch = Batch("claude", "/s-1.jsonl", Cursor(), sessions=(update,))
        ledger.record(batch, price=price, project=project)
        ledger.commit()
    with closing(Ledger(tmp_path)) as ledger:
        assert ledger.sessions["claude", "s-1"].facts.signal == signal


def test_the_registry_outranks_the_transcript():
    said = {"registry_status": "waiting", "waiting_for": "permission prompt"}
    assert state("running", "live", 900, **said) == State("waiting", "permission")
    assert state("idle", "live", 900, registry_status="busy") == State("running")
    assert state("running", "live", 900, registry_status="idle") == State("idle")
    assert state("running", "live", 900, registry_status="shell") == State("idle")
    assert state("running", "live", 1, registry_status="waiting") == State("waiting", "input")
    said = {"registry_status": "waiting", "waiting_for": "worker request"}
    assert state("running", "live", 1, **said) == State("waiting", "other")
    assert state("waiting", "live", 1, reason="input", registry_status="new") == State(
        "waiting", "input"
    )


def test_a_tool_that_runs_has_its_permission():
    assert state("waiting", "live", 5, reason="permission", acting=True) == State("running")
    assert state("waiting", "live", 5, reason="input", acting=True) == State("waiting", "input")
    said = {"registry_status": "waiting", "waiting_for": "permission prompt"}
    assert state("running", "live", 5, acting=True, **said) == State("waiting", "permission")


def test_the_registry_entry_of_an_ended_process_is_ignored():
    assert state("running", "stopped", 1, registry_status="busy") == State("closed")
    assert state("idle", None, 1, registry_status="busy") == State("idle")


def test_an_idle_session_in_error_stays_in_error():
    assert state("error", "live", 1, reason="api", registry_status="idle") == State("error", "api")
    assert state("error", "live", 1, reason="api", registry_status="busy") == State("running")
