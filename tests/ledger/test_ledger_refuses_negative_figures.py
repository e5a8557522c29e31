"""No event, sum or counter is negative. A negative figure of a reader is reported."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from driving import price, project
from events import batch, response
from hypothesis import given
from hypothesis import strategies as st
from looking import Look
from msgspec.structs import astuple

from agtop_exporter.agents import Agent
from agtop_exporter.agents.claude import AGENT as CLAUDE
from agtop_exporter.doctor.text import WHAT_IS_WRONG
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    NO_USAGE,
    Cost,
    ModelUsage,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.file_group import FileGroup

GOOD = response("good", input=100, output=50)
BAD = {
    **{
        name: msgspec.structs.replace(GOOD, key="bad", tokens=TokenCounts(**{name: -1}))
        for name in TokenCounts.__struct_fields__
    },
    "requests": msgspec.structs.replace(GOOD, key="bad", requests=-1),
    "turns": msgspec.structs.replace(GOOD, key="bad", turns=-1),
    "compactions": msgspec.structs.replace(GOOD, key="bad", compactions=-1),
    "reported cost": msgspec.structs.replace(GOOD, key="bad", reported_cost=-1),
    "a prompt's turns": UsageEvent("bad", "s1", 0.0, turns=-1),
    "a prompt's tokens": UsageEvent("bad", "s1", 0.0, turns=1, tokens=TokenCounts(output=-1)),
    "a call's tokens": UsageEvent("bad", "s1", 0.0, tools=(("a", "b"),), tokens=TokenCounts(-1)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_an_event_that_takes_away_counts_nothing(bad):
    """It is counted as an error, and the other events of the batch count."""
    ledger = Ledger()
    errors = ledger.record(batch(GOOD, bad, path="/bad.jsonl"), price=price, project=project)
    assert [astuple(error) for error in errors] == [("negative", 1, "/bad.jsonl")]
    assert ledger.totals["parse_errors", "claude", "negative"] == 1
    [record] = ledger.sessions.values()
    assert record.usage.tokens == GOOD.tokens
    assert (record.usage.requests, record.turns, record.compactions, record.tools) == (1, 0, 0, {})
    assert ledger.totals["requests", "claude", "model-1"] == 1


def test_valid_events_are_not_rejected():
    whole = batch(GOOD, UsageEvent("p", "s1", 0.0, turns=1, tokens=TokenCounts()))
    ledger = Ledger()
    assert ledger.record(whole, price=price, project=project) == ()
    assert ("parse_errors", "claude", "negative") not in ledger.totals


def test_the_reader_is_named_once(tmp_path):
    """The log and the metrics name the reader, and `doctor` has a text for it."""
    path = tmp_path / "log"
    path.write_text("x")

    def read(name, cursor):
        grown = BAD["output"] if cursor.offset else GOOD
        return batch(grown, path=name, agent="wrong", offset=cursor.offset + 1)

    wrong = Agent(
        name="wrong",
        title="Wrong",
        roots=lambda home, _: (Path(home),),
        files=lambda _: [FileGroup(str(path))],
        read=read,
    )
    look = Look(tmp_path, agents=[wrong])
    for _ in range(3):
        path.write_text(path.read_text() + "x")
        samples = look.samples()
    told = {"agent": "wrong", "file": "a folder", "reason": "negative"}
    assert look.told == [("warning", "skipped records", told)]
    assert samples["agtop_parse_errors_total", "wrong", "negative"] == 2
    assert "negative" in WHAT_IS_WRONG


# --- merging --------------------------------------------------------------------------------

figures = st.integers(-5, 5)
tokens = st.builds(TokenCounts, *[figures] * 6)
costs = st.builds(Cost, *[figures] * 7)


@given(one=tokens, other=tokens)
def test_tokens_merge_field_by_field(one, other):
    assert astuple(one.max(other)) == tuple(map(max, astuple(one), astuple(other)))
    assert min(astuple(one.max(NO_TOKENS))) >= 0
    assert one.max(NO_TOKENS) == NO_TOKENS.max(one)


@given(one=costs, other=costs)
def test_costs_merge_field_by_field(one, other):
    assert astuple(one.max(other)) == tuple(map(max, astuple(one), astuple(other)))
    assert min(astuple(one.max(NO_COST))) >= 0


@given(requests=figures, counts=tokens, cost=costs)
def test_usage_is_at_least_nothing(requests, counts, cost):
    usage = ModelUsage(requests, counts, cost).max(NO_USAGE)
    assert min(usage.requests, *astuple(usage.tokens), *astuple(usage.cost)) >= 0
    assert usage.max(NO_USAGE) == usage


# --- what earlier versions stored -----------------------------------------------------------


@pytest.mark.slow
def test_a_stored_sum_below_zero_is_shown_as_zero(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(batch(GOOD), price=price, project=project)
    ledger.commit()
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("UPDATE session_models SET input = -200000, cost_input = -200000")
    prices = {"model-1": {"input": 1.0, "output": 5.0}}
    look = Look(tmp_path, agents=[CLAUDE], state=tmp_path, prices=prices)
    [session] = look.sessions().values()
    for used in (session["models"]["model-1"], session, session["tree"]):
        assert used["tokens"]["input"] == 0
        assert used["tokens"]["output"] == 50
    assert session["cost"]["total_usd"] == session["tree"]["cost"]["total_usd"] == 0.00025
    look.close()
