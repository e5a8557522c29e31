"""A field of any record may hold anything: reading goes on, and what is counted can be kept."""

import json
from pathlib import Path

import pytest
from driving import read_on, refresh, transcripts
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

AGENTS = load_agents()
HUGE = 10**30

anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-HUGE, HUGE),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(
            ["", "-1", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]
        ),
        st.sampled_from([-1, 10**9, 10**15, 2**63, 2**64, 1e308]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value, path=()):
    """List the places of all fields below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def put(value, place, new):
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = new


def lines_with_fields(path):
    for number, line in enumerate(path.read_bytes().splitlines()):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            for place in places(record):
                yield number, place


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
@given(data=st.data())
def test_any_field_may_hold_anything(agent, home, tmp_path, data):
    paths = [Path(path) for _, path in transcripts(home, [agent]) if path.endswith(".jsonl")]
    filled = [path for path in paths if path.stat().st_size]
    if not filled:
        pytest.skip(f"{agent.name} writes no lines")
    path = data.draw(st.sampled_from(filled))
    original = path.read_bytes()
    number, place = data.draw(st.sampled_from(list(lines_with_fields(path))))
    lines = original.splitlines(keepends=True)
    record = json.loads(lines[number])
    put(record, place, data.draw(anything))
    lines[number] = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    ledger = Ledger(tmp_path / "state")
    try:
        path.write_bytes(b"".join(lines))
        read_on(ledger, agent, str(path))
        ledger.commit()
        assert ledger.warning == ""
        assert all(value >= 0 for value in ledger.totals.values())
    finally:
        ledger.close()
        path.write_bytes(original)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_numbers_without_end(agent, home, tmp_path):
    """Every number of every record is absurd, and the ledger is still kept on disk."""
    for _, name in transcripts(home, [agent]):
        path = Path(name)
        if path.suffix != ".jsonl":
            continue
        for absurd in (-5, 10**9, 10**15, 2**63 - 1, 2**64, HUGE):
            lines = [absurdly(line, absurd) for line in path.read_bytes().splitlines()]
            path.with_name(f"absurd-{absurd}-{path.name}").write_bytes(b"\n".join(lines) + b"\n")
    ledger = Ledger(tmp_path / "state")
    for _ in range(2):
        refresh(ledger, home, [agent])
        assert ledger.warning == ""
    ledger.close()


def absurdly(line, number):
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if isinstance(record, dict):
        for place in list(places(record)):
            inner = record
            for key in place:
                inner = inner[key]
            if isinstance(inner, int | float) and not isinstance(inner, bool):
                put(record, place, number)
    return json.dumps(record, separators=(",", ":")).encode()
