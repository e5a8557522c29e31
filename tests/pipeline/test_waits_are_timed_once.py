"""A wait for a human is counted once, after its end, with its duration."""

import pytest
from snapshots import NOW, make_session

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import WAITING_BOUNDS_SECONDS, State
from agtop_exporter.pipeline.waits import Waits

WAITING, RUNNING = State("waiting", "permission"), State("running")


def watch(*seen, session_id="s1", waits=None):
    """Observe (seconds after NOW, state, last active); return the increases of the totals."""
    waits, before = waits or Waits(), None
    for seconds, state, last_active in seen:
        session = make_session(
            agent="claude",
            session_id=session_id,
            state=state,
            last_active=None if last_active is None else NOW + last_active,
        )
        waits.observe(session, NOW + seconds, seen_before=before)
        before = NOW + seconds
    return dict(waits.take())


def timed(seconds, bucket):
    return {("waiting_seconds", "claude", bucket): 1, ("waiting_seconds_sum", "claude"): seconds}


def test_a_wait_starts_at_the_last_record_and_ends_when_the_session_continues():
    seen = [(0, RUNNING, 0), (5, WAITING, 3), (10, WAITING, 3), (15, RUNNING, 14)]
    assert watch(*seen) == timed(12.0, "15.0")


def test_a_wait_begins_no_earlier_than_the_session_was_seen_at_work():
    assert watch((0, RUNNING, -90), (5, WAITING, -90), (10, RUNNING, 9)) == timed(10.0, "10.0")


def test_after_a_restart_a_wait_starts_at_the_last_record():
    assert watch((0, WAITING, -100), (5, RUNNING, 4)) == timed(105.0, "120.0")


@pytest.mark.parametrize(
    "seen",
    [
        [(0, RUNNING, 0), (5, RUNNING, 5)],
        [(0, WAITING, 0), (5, WAITING, 0)],
        [(0, WAITING, 0), (5, State("closed"), 0)],
        [(0, WAITING, 0), (5, State("closed"), 0), (10, RUNNING, 10)],
    ],
    ids=["never waited", "waits still", "nobody answered", "was resumed later"],
)
def test_nothing_is_timed_that_did_not_end(seen):
    assert watch(*seen) == {}


def test_a_wait_is_taken_once():
    waits = Waits()
    assert watch((0, WAITING, 0), (5, RUNNING, 5), waits=waits)
    assert waits.take() == []


def test_a_clock_that_is_behind_gives_no_negative_wait():
    assert watch((0, WAITING, 50), (5, RUNNING, 60)) == timed(5.0, "5.0")
    assert watch((0, WAITING, None), (5, RUNNING, None)) == timed(5.0, "5.0")


def test_all_waits_are_in_some_bucket():
    ledger, waits = Ledger(), Waits()
    lengths = [0.5, *WAITING_BOUNDS_SECONDS, 86_400.0]
    for number, seconds in enumerate(lengths):
        seen = [(0, WAITING, 0), (seconds, RUNNING, seconds)]
        for series, growth in watch(*seen, session_id=str(number), waits=waits).items():
            ledger.add(series, growth)
    counts = {s[2]: n for s, n in ledger.totals.items() if s[0] == "waiting_seconds"}
    assert counts == {str(b): 1 for b in WAITING_BOUNDS_SECONDS} | {"1.0": 2, "inf": 1}
    assert ledger.totals["waiting_seconds_sum", "claude"] == sum(lengths)
