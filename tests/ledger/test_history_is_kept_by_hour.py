"""The usage of each session by hour is kept after its transcript is deleted."""

from collections import Counter

import pytest
from driving import price, project
from events import NOON, batch, record, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger

HOUR_SECONDS = 3600
histories = st.lists(st.lists(sightings, max_size=5), max_size=8)


def hours(directory):
    """Return the stored hours: (session id, model, hour) -> sums."""
    ledger = Ledger(directory, read_only=True)
    names = {record.id: record.session_id for record in ledger.sessions.values()}
    rows = {(names[id_], *place): sums for id_, *place, sums in _rows(ledger)}
    ledger.close()
    return rows


def _rows(ledger):
    return [(*row[:3], row[3:]) for row in ledger._state.store.all("hourly")]  # noqa: SLF001 - no reader yet


@pytest.mark.slow
@given(history=histories, breaks=st.sets(st.integers(0, 7)))
def test_the_hours_of_a_session_are_what_it_used(tmp_path_factory, history, breaks):
    directory = tmp_path_factory.mktemp("state")
    ledger = Ledger(directory)
    for number, events in enumerate(history):
        for part in (events[:2], events[2:]):  # both of one refresh
            ledger.record(batch(*part), price=price, project=project)
        ledger.commit()
        if number in breaks:
            ledger.close()
            ledger = Ledger(directory)
    used = {
        (session.session_id, model): (usage.requests, usage.tokens.input, usage.tokens.output)
        for session in ledger.sessions.values()
        for model, usage in session.models.items()
    }
    ledger.close()
    kept = Counter()
    for (session, model, _), sums in hours(directory).items():
        requests, tokens, _, _, _, output, *_ = sums
        for index, figure in enumerate((requests, tokens, output)):
            kept[session, model, index] += figure
    assert {place: figure for place, figure in kept.items() if figure} == {
        (*place, index): figure
        for place, figures in used.items()
        for index, figure in enumerate(figures)
        if figure
    }


@pytest.mark.slow
def test_usage_is_in_the_hour_of_its_response(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(
        batch(response("k1"), response("k2", time=NOON + HOUR_SECONDS)),
        price=price,
        project=project,
    )
    ledger.record(
        batch(response("k3", output=7)), price=price, project=project
    )  # of the same refresh
    ledger.commit()
    record(ledger, response("k1", output=9))  # it has grown since
    ledger.close()
    hour = int(NOON) // HOUR_SECONDS
    assert {place: sums[5] for place, sums in hours(tmp_path).items()} == {
        ("s1", "model-1", hour): 9 + 7,
        ("s1", "model-1", hour + 1): 5,
    }
