"""Every fact that a reader reports reaches the outputs.

A new fact is a field of `SessionUpdate`, a column of `sessions` and a field of `Session`. These
tests fail until all three exist.
"""

import msgspec
import pytest
from looking import EVENING, Look

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.records import MERGE_RULES, merge_facts
from agtop_exporter.ledger.schema import TABLES
from agtop_exporter.model import Batch, Cursor, Session, SessionUpdate, Signal
from agtop_exporter.render import json as json_page

FACTS = SessionUpdate.__struct_fields__  # the first one is the session id
INTERNAL = {"title_rank"}  # selects the title
NEVER_UNKNOWN = {"account"}  # "" is the account in the default directory
ELSEWHERE = {  # fact -> keys in the JSON document, where the fact has no key of its name
    "context_used_tokens": ("context", "used_tokens"),
    "context_peak_tokens": ("context", "peak_tokens"),
    "context_window_tokens": ("context", "window_tokens"),
    "subagent": ("subagent_file_count",),  # of its parent
    "signal": ("state", "detail"),
}
NOT_SHOWN = {  # fields of `Session` without a key of their name
    "billed": "cost.billed_usd",
    "included": "cost.included",
    "floor_tokens": "counters only",
    "floor_cost": "counters only",
    "context_used_tokens": "context.used_tokens",
    "context_peak_tokens": "context.peak_tokens",
    "context_window_tokens": "context.window_tokens",
    "state_detail": "state.detail",
    "spent": "counters only",
}
SHOWN = json_page.SESSION.type.__struct_fields__
COLUMNS = {"signal": ("signal", "signal_reason", "signal_detail", "signal_tool")}
SQL_TYPES = {
    str: "TEXT NOT NULL",
    int: "INTEGER NOT NULL",
    bool: "INTEGER NOT NULL",
    float | None: "REAL",
    int | None: "INTEGER",
}


def value_of(field, number):
    """Return a value for a field of SessionUpdate, different for each number."""
    kinds = {
        str: f"{field.name} {number}",
        int: 1 + number,
        bool: True,
        float | None: EVENING - 7200 + 60 * number,
        int | None: 1000 + number,
        Signal: Signal("waiting", "input", f"record {number}", f"tool {number}"),
    }
    return kinds[field.type]


def update(*known, number=1, **given):
    """Return an update of one session with values for the known fields only."""
    fields = {f.name: value_of(f, number) for f in msgspec.structs.fields(SessionUpdate)}
    values = {name: fields[name] for name in known} | given
    return SessionUpdate(**{"session_id": "s-1", **values})


def recorded(ledger, *updates):
    batch = Batch("claude", "/a.jsonl", Cursor(size=1), sessions=updates)
    ledger.record(batch, price=lambda _event: None, project=lambda _cwd: "")
    ledger.commit()
    return ledger.sessions["claude", "s-1"].facts


@pytest.mark.parametrize("field", msgspec.structs.fields(SessionUpdate), ids=lambda f: f.name)
def test_a_fact_has_columns(field):
    columns = TABLES["sessions"].columns
    if field.name in COLUMNS:
        assert {columns[name] for name in COLUMNS[field.name]} == {"TEXT NOT NULL"}
    else:
        assert columns[field.name] == SQL_TYPES[field.type]


@pytest.mark.slow
@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_survives_a_restart(fact, tmp_path):
    known = update(*FACTS, session_id="s-1")
    ledger = Ledger(tmp_path)
    recorded(ledger, known)
    ledger.close()
    ledger = Ledger(tmp_path)
    stored = ledger.sessions["claude", "s-1"].facts
    ledger.close()
    assert getattr(stored, fact) == getattr(known, fact)
    assert type(getattr(stored, fact)) is type(getattr(known, fact))


@pytest.mark.parametrize("fact", [name for name in FACTS[1:] if name not in NEVER_UNKNOWN])
def test_a_fact_survives_an_update_that_lacks_it(fact):
    """The updates arrive in any order, and with any times."""
    known = update(fact) if fact != "title" else update("title", "title_rank")
    times = (None,) if fact in ("started_at", "last_active") else (None, EVENING - 9000, EVENING)
    for time in times:
        other = update(started_at=time, last_active=time)
        for merged in (merge_facts(known, other), merge_facts(other, known)):
            assert getattr(merged, fact) == getattr(known, fact)


def test_an_unlisted_fact_merges_by_the_latest_value():
    first, second = update(*FACTS, number=1), update(*FACTS, number=2)
    for fact in set(FACTS) - MERGE_RULES.keys():
        assert getattr(merge_facts(first, second), fact) == getattr(second, fact)
        assert getattr(merge_facts(second, first), fact) == getattr(second, fact)


def published(home, known):
    """Return the session of an update and its parent, as `agtop json` shows them."""
    ledger = Ledger()
    recorded(ledger, SessionUpdate("parent"), known)
    found = {s["session_id"]: s for s in Look(home, ledger=ledger).document()["sessions"]}
    return found[known.session_id], found["parent"]


@pytest.mark.slow
@pytest.mark.parametrize("fact", [name for name in FACTS[1:] if name not in INTERNAL])
def test_a_fact_is_published(fact, tmp_path):
    """`agtop json` shows the value, and something else without the fact."""
    path = ELSEWHERE.get(fact, (fact,))
    known = update(*FACTS, session_id="s-1", parent_session_id="parent")
    unknown = msgspec.structs.replace(known, **{fact: getattr(SessionUpdate(""), fact)})
    shown = []
    for session in (known, unknown):
        own, parent = published(tmp_path, session)
        value = parent if fact == "subagent" else own
        for key in path:
            value = value[key]
        shown.append(value)
    assert shown[0] not in (None, "", 0)
    assert shown[0] != shown[1]


@pytest.mark.parametrize("name", Session.__struct_fields__)
def test_a_field_of_a_session_is_published_or_hidden_on_purpose(name):
    """A new field of `Session` becomes a key of the document automatically."""
    assert (name in SHOWN) != (name in NOT_SHOWN)
