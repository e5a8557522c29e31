"""The number of series of an agent is bounded, and what is used now has a series of its own."""

import pytest
from driving import price
from hypothesis import given
from hypothesis import strategies as st
from snapshots import make_snapshot

from agtop_exporter.ledger import LABELS_MAX, Ledger
from agtop_exporter.ledger.label_values import KEPT_MAX
from agtop_exporter.metrics import publish, resume
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent

HOUR = 3_600.0
FAMILIES = ("requests", "project_tokens", "tool_calls", "account_tokens")
LIMITED = ("models", "tools", "projects", "accounts")


def batch(name, *, time=HOUR, key=""):
    """Return a batch with one response and one tool call, whose labels have the value `name`."""
    event = UsageEvent(
        key=f"event-{name}-{key}",
        session_id=f"session-{name}",
        time=time,
        model=f"model-{name}",
        tokens=TokenCounts(input=1),
        requests=1,
        tools=((f"call-{name}-{key}", f"tool-{name}"),),
    )
    session = SessionUpdate(session_id=event.session_id, cwd=f"/home/project-{name}")
    session.account = f"account-{name}"
    session.observe_time(time)
    return Batch("claude", f"/{name}", Cursor(), events=(event,), sessions=(session,))


def record(ledger, *batches):
    for each in batches:
        ledger.record(each, price=price, project=lambda cwd: cwd.rpartition("/")[2])


def labels(ledger, family):
    return {series[2]: value for series, value in ledger.totals.items() if series[0] == family}


@pytest.mark.slow
def test_before_the_first_publication_the_rest_shares_other(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, *(batch(n, time=HOUR * (1 + n)) for n in range(3 * LABELS_MAX)))
    ledger.fold_labels()
    for family in FAMILIES:
        values = labels(ledger, family)
        assert len(values) == LABELS_MAX + 1
        assert values["other"] == 2 * LABELS_MAX
        assert any(label.endswith(f"-{3 * LABELS_MAX - 1}") for label in values)
    assert ledger.dropped_labels() == dict.fromkeys(LIMITED, 2 * LABELS_MAX)
    ledger.commit()
    before = ledger.totals
    ledger.close()

    again = Ledger(tmp_path)
    assert again.totals == before
    assert again.dropped_labels() == dict.fromkeys(LIMITED, 2 * LABELS_MAX)
    again.close()


def test_what_is_used_now_has_its_own_series():
    ledger = Ledger()
    record(ledger, *(batch(n, time=HOUR * (1 + n)) for n in range(LABELS_MAX)))
    ledger.fold_labels()
    record(ledger, batch("new", time=HOUR * 1_000))
    for family in FAMILIES:
        values = labels(ledger, family)
        assert len(values) == LABELS_MAX
        assert any(label.endswith("-new") for label in values)
        assert "other" not in values  # the usage of the oldest value is no new usage
    assert ledger.dropped_labels() == dict.fromkeys(LIMITED, 1)
    record(ledger, batch(0, time=HOUR * 1_001, key="again"))
    assert labels(ledger, "requests")["model-0"] == 2  # it continues where it was


def test_a_value_that_was_folded_starts_again_at_its_new_usage():
    ledger = Ledger()
    record(ledger, *(batch(n, time=HOUR * (1 + n)) for n in range(LABELS_MAX + 1)))
    ledger.fold_labels()
    assert labels(ledger, "requests")["other"] == 1
    record(ledger, batch(0, time=HOUR * 1_000, key="again"))
    values = labels(ledger, "requests")
    assert (values["model-0"], values["other"]) == (1, 1)


@pytest.mark.slow
def test_a_series_that_returns_after_a_restart_shows_no_old_usage(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, *(batch(n, time=HOUR * (1 + n)) for n in range(LABELS_MAX)))
    ledger.fold_labels()
    record(ledger, batch("new", time=HOUR * 1_000))
    ledger.commit()
    ledger.close()
    again = Ledger(tmp_path)
    first = publish(
        make_snapshot(totals=again.totals),
        resume(make_snapshot(), totals=again.stored_totals, sessions=set()),
    )
    record(again, batch(0, time=HOUR * 1_001, key="again"))
    second = publish(make_snapshot(totals=again.totals), first)
    shown = {
        labels[1]: value
        for family in second.after(first.generation)
        if family.metric.name == "agtop_requests_total"
        for labels, value in family.samples
    }
    assert shown["model-0"] == 1
    again.close()


def test_a_value_called_other_is_part_of_other():
    ledger = Ledger()
    ledger.record(batch("x"), price=price, project=lambda _: "other")
    assert labels(ledger, "project_tokens") == {"other": 1}
    assert ledger.dropped_labels()["projects"] == 0


@pytest.mark.slow
def test_the_ledger_keeps_a_bounded_number_of_values():
    ledger = Ledger()
    record(ledger, *(batch(n, time=HOUR * (1 + n)) for n in range(KEPT_MAX + 5)))
    values = {s[2]: v for s, v in ledger.stored_totals.items() if s[0] == "requests"}
    assert len(values) == KEPT_MAX + 1
    assert sum(values.values()) == KEPT_MAX + 5
    assert values["other"] == 5


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, LABELS_MAX + 3), st.integers(0, 2_000)), max_size=40),
    st.integers(0, 40),
)
def test_counters_never_decrease_and_nothing_is_lost(uses, published_after):
    ledger, before = Ledger(), {}
    record(ledger, *(batch(n, time=HOUR) for n in range(LABELS_MAX)))
    for number, (name, hour) in enumerate(uses):
        if number == published_after:
            ledger.fold_labels()
            before = dict(ledger.totals)
        record(ledger, batch(name, time=HOUR * hour, key=str(number)))
        totals = ledger.totals
        assert all(totals[series] >= value for series, value in before.items() if series in totals)
        before = dict(totals) if number >= published_after else {}
        stored = (v for s, v in ledger.stored_totals.items() if s[0] == "project_tokens")
        assert sum(stored) == LABELS_MAX + number + 1
