"""A value of any type in any field does not stop a scan, and the result can be stored."""

import contextlib
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from driving import DATABASES, read_on, refresh, transcripts
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.slow

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
    """List the paths of all fields in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def put(value, place, new):
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = new


def records_of(path):
    """Map positions in a file to records. A record is a text or a cell of a database."""
    if path.suffix in DATABASES:
        return cells_of(path)
    whole = dict(enumerate(pieces(path)))
    return {place: record for place, text in whole.items() if (record := parsed(text)) is not None}


def pieces(path):
    """Split a file into its records: a document, objects over several lines, or lines."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return [data]
    return (
        re.split(rb"(?<=\n}\n)", data) if path.suffix == ".log" else data.splitlines(keepends=True)
    )


def parsed(text):
    """Return a JSON object or array; None if the text is neither."""
    try:
        record = json.loads(text)
    except (ValueError, TypeError):
        return None
    return record if isinstance(record, dict | list) else None


def cells_of(path):
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        found = {}
        for table in tables:
            with contextlib.suppress(sqlite3.Error):  # an index
                rows = database.execute(f"SELECT rowid, * FROM {table}")  # noqa: S608 - its own
                names = [column[0] for column in rows.description]
                for rowid, *row in rows:
                    for name, cell in zip(names[1:], row, strict=True):
                        record = parsed(cell) if isinstance(cell, str) else None
                        found[table, name, rowid] = cell if record is None else record
        return found


def replace(path, place, record):
    """Write a record at the position of another one."""
    if path.suffix in DATABASES:
        table, name, rowid = place
        cell = json.dumps(record) if isinstance(record, dict | list) else record
        update = f"UPDATE {table} SET {name} = ? WHERE rowid = ?"  # noqa: S608 - its own
        impossible = (sqlite3.Error, OverflowError, UnicodeEncodeError)
        with closing(sqlite3.connect(path)) as database, contextlib.suppress(*impossible):
            database.execute(update, (cell, rowid))
            database.commit()
    else:
        texts = pieces(path)
        texts[place] = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        path.write_bytes(b"".join(texts))


def companions(path):
    """List the files that are read with a transcript, such as OpenCode's message and part files."""
    storage = path.parents[2] if path.parents[1].name == "session" else None
    folders = (storage / "message", storage / "part") if storage else ()
    return [path, *(file for folder in folders for file in sorted(folder.rglob("*.json")))]


@pytest.mark.long
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
@given(data=st.data())
def test_any_field_may_hold_anything(agent, home, tmp_path, data):
    found = [Path(path) for _, path in transcripts(home, [agent])]
    transcript = data.draw(st.sampled_from([path for path in found if path.stat().st_size]))
    path = data.draw(st.sampled_from(companions(transcript)))
    records = records_of(path)
    if not records:
        return  # nothing in it is a record
    place = data.draw(st.sampled_from(list(records)))
    record, new = records[place], data.draw(anything)
    fields = list(places(record)) if isinstance(record, dict | list) else []
    if fields and (field := data.draw(st.sampled_from([*fields, ()]))):
        put(record, field, new)
    else:
        record = new
    original = path.read_bytes()
    ledger = Ledger(tmp_path / "state")
    try:
        replace(path, place, record)
        read_on(ledger, agent, str(transcript))
        ledger.commit()
        assert ledger.warning == ""
        assert all(value >= 0 for value in ledger.totals.values())
        assert ("parse_errors", agent.name, "negative") not in ledger.totals
    finally:
        ledger.close()
        path.write_bytes(original)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_numbers_without_end(agent, home, tmp_path):
    """Every number of every record is impossible, and the ledger can still be stored."""
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
    assert ("parse_errors", agent.name, "negative") not in ledger.totals
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
