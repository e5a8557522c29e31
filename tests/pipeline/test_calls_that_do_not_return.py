"""A call that does not return is abandoned after a time limit, and is not repeated meanwhile."""

import threading

import pytest

from agtop_exporter.pipeline.guard import Guard, NoResponseError

SOON_SECONDS = 0.5  # a loaded machine starts a thread within this time


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def guard():
    return Guard(limit_seconds=SOON_SECONDS)


@pytest.fixture
def patient():
    """Return a guard for calls that all return, however loaded the machine is."""
    return Guard()


@pytest.fixture
def others():
    """Return a function that returns the threads that a test has started."""
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


def waiting(gate):
    return lambda _beat: gate.wait()


def join(threads):
    for thread in threads:
        thread.join(20)


def test_a_result_is_returned(patient):
    assert patient.call("a", lambda _beat: 7) == 7
    assert patient.call("a", lambda _beat: threading.current_thread().daemon)


def test_a_slow_call_that_reports_progress_is_shown(patient):
    """Otherwise systemd ends the daemon while it lists many files on a slow disk."""
    shown = threading.Event()

    def slow(beat):
        while not shown.wait(0.01):
            beat()
        return 7

    assert patient.call("a", slow, waiting=shown.set) == 7


def test_an_exception_is_raised_again(patient):
    def fail(_beat):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError, match="denied"):
        patient.call("a", fail)
    assert patient.call("a", lambda _beat: 7) == 7


@pytest.mark.slow
def test_one_that_does_not_return_stops_no_other(guard, gate):
    with pytest.raises(NoResponseError) as caught:
        guard.call("a", waiting(gate))
    assert caught.value.strerror == "does not respond"
    assert guard.call("b", lambda _beat: 7) == 7
    calls = []
    for _ in range(3):
        with pytest.raises(NoResponseError):
            guard.call("a", calls.append)
    assert not calls
    assert guard.is_stuck("a")
    assert not guard.is_stuck("b")


@pytest.mark.slow
def test_one_that_returns_late_can_be_called_again(guard, gate, others):
    with pytest.raises(NoResponseError):
        guard.call("a", waiting(gate))
    gate.set()
    join(others())
    assert not guard.is_stuck("a")
    assert guard.call("a", lambda _beat: 7) == 7
    guard.rest()
    assert not others()


@pytest.mark.long
def test_one_that_gets_on_is_waited_for():
    def long(beat):
        for _ in range(8):
            threading.Event().wait(0.3)
            beat()
        return 7

    assert Guard(limit_seconds=2).call("a", long) == 7


@pytest.mark.slow
def test_an_abandoned_call_ends_at_its_next_step(guard, gate, others):
    steps = []

    def reading(beat):
        for number in range(3):
            steps.append(number)
            gate.wait()
            beat()

    with pytest.raises(NoResponseError):
        guard.call("a", reading)
    gate.set()
    join(others())
    assert steps == [0]


@pytest.mark.long
def test_a_program_that_is_to_stop_does_not_wait_for_long(gate):
    guard = Guard(limit_seconds=3600)
    with pytest.raises(NoResponseError):
        guard.call("a", waiting(gate), stopping=lambda: True)


def test_a_program_that_rests_has_one_thread(patient, others):
    patient.call("a", lambda _beat: None)
    assert len(others()) == 1
    patient.rest()
    patient.rest()
    assert not others()
