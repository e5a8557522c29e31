"""Rows whose writing is postponed are all written later, and are read correctly before."""

import contextlib
import sqlite3

import pytest
from driving import price, project
from events import batch, record, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger import ledger as ledger_module
from agtop_exporter.model import AgtopError

REQUESTS = ("requests", "claude", "model-1")


def stored_events(directory):
    with contextlib.closing(sqlite3.connect(directory / "ledger.db")) as database:
        return database.execute("SELECT count(*) FROM events").fetchone()[0]


def test_nothing_is_written_before_the_end(tmp_path):
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        with ledger.written_later():
            record(ledger, response("k1"), response("k2"))
            assert not ledger.needs_checkpoint
            assert ledger.totals[REQUESTS] == 2
            assert stored_events(tmp_path) == 0
        assert stored_events(tmp_path) == 2
        record(ledger, response("k3"))
        assert stored_events(tmp_path) == 3


def test_memory_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_module, "POSTPONED_EVENTS", 2)
    with contextlib.closing(Ledger(tmp_path)) as ledger, ledger.written_later():
        record(ledger, response("k1"))
        ledger.record(batch(response("k2")), price=price, project=project)
        assert ledger.needs_checkpoint
        ledger.checkpoint()
        assert stored_events(tmp_path) == 2
        record(ledger, response("k3"))
        assert stored_events(tmp_path) == 2


def raise_after(_result):
    raise AgtopError


def test_an_error_in_the_meantime_postpones_nothing_longer(tmp_path):
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        with pytest.raises(AgtopError), ledger.written_later():
            raise_after(record(ledger, response("k1")))
        ledger.checkpoint()
        assert stored_events(tmp_path) == 1


@pytest.mark.slow
@given(
    history=st.lists(st.lists(sightings, max_size=5), max_size=8),
    postponed=st.sets(st.integers(0, 7)),
)
def test_the_result_is_the_same(tmp_path_factory, history, postponed):
    directory = tmp_path_factory.mktemp("state")
    once, ledger = Ledger(), Ledger(directory)
    for number, events in enumerate(history):
        record(once, *events)
        with ledger.written_later() if number in postponed else contextlib.nullcontext():
            record(ledger, *events)
    ledger.close()
    ledger = Ledger(directory)
    assert ledger.totals == once.totals
    assert ledger.sessions == once.sessions
    assert ledger.cursors == once.cursors
    ledger.close()
