"""Whatever a receiver does, its counters become correct, and nothing is queued."""

import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import logged_to
from snapshots import NOW, make_session, make_snapshot

from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import HistogramValue
from agtop_exporter.model import TokenCounts, Tree
from agtop_exporter.push.delivery import LONGEST_PAUSE_SECONDS, Delivery, Outcome
from agtop_exporter.push.delta import difference
from agtop_exporter.push.options import PushOptions
from agtop_exporter.telemetry import Telemetry

DELTA = PushOptions(delta=True)


class Backend:
    """A receiver that sums the received values. With `down`, it rejects pushes."""

    def __init__(self):
        self.down = False
        self.values = {}  # of counters
        self.rises = {}  # what `increase()` or a sum of deltas finds
        self.starts = {}
        self.tries = 0

    def send(self, exposition, *, time, start_of, delta):
        """Accept or reject a push."""
        self.tries += 1
        if self.down:
            return Outcome(failure="HTTP 503")
        for family in exposition:
            if family.metric.kind not in {"counter", "histogram"}:
                continue
            for labels, value in family.samples:
                key = (family.metric.name, labels)
                figure = value.count if isinstance(value, HistogramValue) else value
                before = 0 if delta else self.values.get(key, figure)
                assert figure >= before
                self.rises[key] = self.rises.get(key, 0) + figure - before
                self.values[key] = figure
                self.starts.setdefault(key, []).append((start_of(family.metric, labels), time))
        return Outcome()

    def close(self):
        """Reject all later pushes."""
        self.down = True


def deliver(backend, options=None, *, metadata=None, telemetry=None, jitter=lambda: 1.0):
    return Delivery(
        backend,
        options or PushOptions(),
        metadata=metadata or {},
        telemetry=telemetry or Telemetry(),
        jitter=jitter,
    )


def snapshot(step, *, tokens=(), sessions=(), waits=0):
    totals = {("tokens", "claude", model, "input"): count for model, count in dict(tokens).items()}
    totals |= {
        ("waiting_seconds", "claude", "5.0"): waits,
        ("waiting_seconds_sum", "claude"): waits,
    }
    first = min((each.started_at for each in sessions), default=None)
    return make_snapshot(*sessions, totals=totals, generated_at=NOW + step, first_started_at=first)


def session(name, count, *, began=NOW - 3_600):
    tokens = TokenCounts(count)
    return make_session(
        session_id=name, tokens=tokens, tree=Tree({}, tokens, make_session().cost), started_at=began
    )


def tokens_key(model):
    return ("agtop_tokens_total", ("claude", model, "input"))


def restart(delivery):
    """Return the ledger metadata for the next process."""
    ledger = Ledger()
    delivery.save_state(ledger)
    metadata = dict(ledger.metadata)
    ledger.close()
    return metadata


STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 100)),  # what models use
        st.booleans(),  # the receiver is down
        st.booleans(),  # the exporter is restarted
    ),
    min_size=1,
    max_size=15,
)


@pytest.mark.slow
@settings(deadline=None)
@given(steps=STEPS)
def test_the_deltas_add_up_over_failures_and_restarts(steps):
    backend = Backend()
    delivery = deliver(backend, DELTA)
    delivery.push(snapshot(0, tokens={"a": 1_000, "b": 0, "c": 0}, waits=9))  # the history
    real, metadata, waits = {"a": 1_000, "b": 0, "c": 0}, restart(delivery), 9
    for number, (growth, down, again) in enumerate([*steps, ({}, False, False)], start=1):
        for model, count in growth.items():
            real[model] += count
            waits += 1
        backend.down = down
        if again:
            delivery = deliver(backend, DELTA, metadata=metadata)
        delivery.push(snapshot(number, tokens=real, waits=waits))
        metadata |= restart(delivery)
    for model, count in real.items():
        assert backend.rises.get(tokens_key(model), 0) == count - (1_000 if model == "a" else 0)
    assert backend.rises["agtop_waiting_seconds", ("claude",)] == waits - 9


@pytest.mark.slow
@settings(deadline=None)
@given(steps=STEPS)
def test_increase_over_what_was_delivered_is_the_growth(steps):
    backend = Backend()
    delivery = deliver(backend)
    delivery.push(snapshot(0, tokens={"a": 1_000}))
    real = {"a": 1_000}
    for number, (growth, down, _) in enumerate([*steps, ({}, False, False), ({}, False, False)]):
        for model, count in growth.items():
            real[model] = real.get(model, 0) + count
        backend.down = down
        delivery.push(snapshot(number + 1, tokens=real))
    for model, count in real.items():
        assert backend.values[tokens_key(model)] == count
        assert backend.rises[tokens_key(model)] == count - (1_000 if model == "a" else 0)


def test_a_new_series_is_delivered_at_zero_however_often_the_first_push_of_it_fails():
    backend = Backend()
    delivery = deliver(backend)
    delivery.push(snapshot(0, tokens={"a": 1}))
    backend.down = True
    for step in (1, 2, 3):
        delivery.push(snapshot(step, tokens={"a": 1, "b": 500}))
    backend.down = False
    delivery.push(snapshot(4, tokens={"a": 1, "b": 500}))
    assert backend.values[tokens_key("b")] == 0
    delivery.push(snapshot(5, tokens={"a": 1, "b": 700}))
    assert backend.values[tokens_key("b")] == backend.rises[tokens_key("b")] == 700


def test_a_session_that_comes_back_after_a_restart_does_not_count_its_past_again():
    backend = Backend()
    key = ("agtop_session_tokens_total", ("old", "claude-code", "input"))
    delivery = deliver(backend, DELTA)
    delivery.push(snapshot(0, sessions=(session("other", 5),)))
    again = deliver(backend, DELTA, metadata=restart(delivery))
    sessions = (session("old", 1_000), session("new", 300, began=NOW + 5))
    for step in (10, 20):
        again.push(snapshot(step, sessions=sessions))
    again.push(snapshot(30, sessions=(session("old", 1_100), sessions[1])))
    assert backend.rises[key] == 100
    assert backend.rises["agtop_session_tokens_total", ("new", "claude-code", "input")] == 300


def test_starts_stay_over_a_restart_and_a_session_starts_when_it_began():
    backend = Backend()
    old, new = session("old", 5, began=NOW - 9_000), session("new", 5, began=NOW - 60)
    delivery = deliver(backend)
    delivery.push(snapshot(0, tokens={"a": 1}, sessions=(old, new)))
    delivery.push(snapshot(1, tokens={"a": 2, "b": 3}, sessions=(old, new)))
    again = deliver(backend, metadata=restart(delivery))
    again.push(snapshot(2, tokens={"a": 2, "b": 3}, sessions=(new,)))  # the oldest is gone
    starts = {key: {start for start, _ in points} for key, points in backend.starts.items()}
    assert starts[tokens_key("a")] == starts[tokens_key("b")] == {NOW - 9_000}
    assert starts["agtop_session_tokens_total", ("new", "claude-code", "input")] == {NOW - 60}


def test_a_delta_starts_where_the_last_one_ended():
    backend = Backend()
    delivery = deliver(backend, DELTA)
    for step in (0, 10, 20):
        delivery.push(snapshot(step, tokens={"a": step}))
        backend.down = step == 0
        delivery.push(snapshot(step + 1, tokens={"a": step}))
        backend.down = False
    spans = [(start - NOW, end - NOW) for start, end in backend.starts[tokens_key("a")]]
    assert spans == [(0, 10), (10, 11), (11, 20), (20, 21)]


def test_a_delta_is_never_negative():
    """After the ledger is lost, a decrease is not counted as growth."""
    before, now = HistogramValue((1.0,), (2, 5), 30.0), HistogramValue((1.0,), (3, 1), 4.0)
    assert difference(now, before) == HistogramValue((1.0,), (1, 0), 0.0)
    assert difference(3, 5) == 0


def test_invalid_saved_usage_starts_empty():
    backend = Backend()
    metadata = {"otlp_since": b"\xff\x00", "otlp_delivered": b"\x93nothing"}
    delivery = deliver(backend, DELTA, metadata=metadata)
    delivery.push(snapshot(0, tokens={"a": 7}))
    delivery.push(snapshot(1, tokens={"a": 9}))
    assert backend.rises[tokens_key("a")] == 2


def test_nothing_is_sent_twice_and_failures_are_logged_once():
    backend, telemetry, told = Backend(), Telemetry(), []
    delivery = deliver(backend, telemetry=telemetry)
    first = snapshot(0)
    with logged_to(told):
        delivery.push(first)
        delivery.push(first)
        assert backend.tries == 1
        backend.down = True
        for step in range(1, 50):
            delivery.push(snapshot(step))
        backend.down = False
        delivery.push(snapshot(50))
    assert told == [
        ("warning", "otlp push", {"reason": "HTTP 503"}),
        ("info", "otlp push works again", {"failures": 49}),
    ]
    ledger = Ledger()
    telemetry.flush(ledger.add)
    telemetry.flush(ledger.add)
    assert ledger.totals["otlp_exports",] == 51
    assert ledger.totals["otlp_export_errors",] == 49
    ledger.close()


def test_an_error_of_our_own_is_a_failure_and_not_the_end():
    class Broken(Backend):
        def send(self, exposition, **more):
            if not self.down:
                raise RuntimeError("secret")
            self.down = False
            return super().send(exposition, **more)

    backend, told = Broken(), []
    delivery = deliver(backend)
    with logged_to(told):
        delivery.push(snapshot(0))
        backend.down = True
        delivery.push(snapshot(1))
    assert [fields for _, _, fields in told] == [{"reason": "RuntimeError"}, {"failures": 1}]


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "longest"), [(60.0, 300.0), (600.0, 600.0)])
def test_pauses_grow_to_five_minutes_and_back(interval, longest):
    backend, chance = Backend(), random.Random(3)
    options = PushOptions(interval_seconds=interval)
    delivery = deliver(backend, options, jitter=chance.random)
    assert delivery.pause_seconds() == interval
    backend.down = True
    pauses = []
    for step in range(1_100):
        delivery.push(snapshot(step))
        pauses.append(delivery.pause_seconds())
    bounds = accumulate(range(1_099), lambda bound, _: min(longest, 2 * bound), initial=interval)
    assert all(0.8 * bound <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))
    assert max(pauses) <= max(interval, LONGEST_PAUSE_SECONDS)
    assert len(set(pauses[-20:])) == 20  # no two hosts knock together
    backend.down = False
    delivery.push(snapshot(2_000))
    assert delivery.pause_seconds() == interval


def test_retry_after_of_a_receiver_is_obeyed():
    class Busy(Backend):
        def send(self, _exposition, **_):
            return Outcome(failure="HTTP 429", retry_after_seconds=self.asks)

    backend = Busy()
    delivery = deliver(backend)
    for asks, pause in ((120.0, 120.0), (86_400.0, LONGEST_PAUSE_SECONDS)):
        backend.asks = asks
        delivery.push(snapshot(asks))
        assert delivery.pause_seconds() == pause
