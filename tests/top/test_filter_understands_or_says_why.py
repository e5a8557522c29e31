"""A filter selects the rows that fit all its terms, or is refused with a reason."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from top_views import NOW, frame, sessions

from agtop_exporter.top.filters import (
    AGES,
    NUMBERS,
    TEXTS,
    UNITS,
    FilterError,
    Texts,
    parse,
    text_of,
)
from agtop_exporter.top.rows import Rows

ROWS = Rows(frame()).top


def titles(text):
    """Return the projects of the rows that fit."""
    found = parse(text)(ROWS, NOW)
    return [row.session.project if row.session else "no session" for row in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docs", ["docs"]),
        ("DOCS", ["docs"]),
        ("翻訳", ["docs"]),
        ("checkout cart", ["webshop"]),
        ("checkout nothing", []),
        ("codex", ["infra", "plan", "no session"]),
        ("agent:codex !infra", ["plan", "no session"]),
        ("state:wait", ["docs"]),
        ("state:waiting", ["docs"]),
        ("state:stalled", ["engine"]),
        ("state:permission", ["docs"]),
        ("4242", ["webshop"]),
        ("pid:5000", ["no session"]),
        ("no session", ["no session"]),
        ("model:mystery", ["lab"]),
        ("path:/src/infra", ["infra"]),
        ("branch:main docs", ["docs"]),
        ("plan:max docs", ["docs"]),
        ("id:00000000000a", ["plan"]),
        ("cost>12", ["webshop"]),
        ("cost<0.5", ["docs"]),
        ("ctx>85", ["infra", "lab", "plan"]),
        ("ctx>85% !lab", ["infra", "plan"]),
        ("cpu>20", ["webshop"]),
        ("mem>200m", ["webshop"]),
        ("tokens>400k", ["webshop"]),
        ("age<2m", ["docs"]),
        ("age>30d", ["search"]),
        ("!age<30d !codex", ["search"]),
        ("", [row.session.project if row.session else "no session" for row in ROWS]),
    ],
)
def test_terms(text, expected):
    assert titles(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cost>", "needs a number"),
        ("cost>x", "needs a number"),
        ("cost>1h", "needs a number"),
        ("age<1k", "needs a number"),
        ("price>1", "no such figure: price"),
        ("who:me", "no such field: who"),
        ("!", "a word is missing"),
        ("docs !!", "a word is missing"),
    ],
)
def test_mistakes(text, reason):
    with pytest.raises(FilterError, match=reason):
        parse(text)


def test_an_unpriced_session_has_no_cost():
    assert "lab" in titles("mystery")
    assert titles("mystery cost<1") == titles("mystery cost>1") == []


NAMES = st.sampled_from(["", "!", "!!", *TEXTS, *NUMBERS])
UNIT = st.sampled_from([*UNITS, *AGES])
LIKELY = st.lists(
    st.tuples(NAMES, st.sampled_from(":<>"), st.text(max_size=4), UNIT).map("".join), max_size=4
)


@given(st.one_of(st.text(), LIKELY.map(" ".join)))
def test_any_text_is_understood_or_refused(text):
    try:
        found = parse(text)(ROWS, NOW)
    except FilterError:
        return
    assert [row for row in ROWS if row in found] == found


@given(LIKELY)
def test_a_negated_term_selects_the_other_rows(terms):
    for term in terms:
        if len(term.split()) != 1 or term.startswith("!"):
            continue
        try:
            fits, others = parse(term), parse(f"!{term}")
        except FilterError:
            continue
        found = [row.key for row in [*fits(ROWS, NOW), *others(ROWS, NOW)]]
        assert sorted(found) == sorted(row.key for row in ROWS)


def test_the_text_of_a_session_follows_its_changes():
    texts = Texts()
    row = next(row for row in ROWS if row.session)
    session = msgspec.structs.replace(row.session, project="another")
    changed = msgspec.structs.replace(row, session=session)
    for one in (row, changed, row):
        assert texts.of(one) == text_of(one)


def test_the_sessions_of_the_tests_have_every_state():
    assert len({one.state.kind for one in sessions()}) == 6
