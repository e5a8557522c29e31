"""`--sort`, `--live`, `--project` and `--since` select and sort rows; subagents have no row."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import COST, NOW, PROCESS, TOKENS, USD, make_session, make_snapshot

from agtop_exporter.model import STATE_KINDS, Cost, State, TokenCounts, Tree
from agtop_exporter.render import table
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal
from agtop_exporter.render.table.rows import SORT_NAMES, Selection, select, top_level

NAMES = st.sampled_from("abcdef")


def ids(sessions):
    return [session.session_id for session in sessions]


def lines(*sessions, **over):
    options = {"view": View("", NOW, UTC), "terminal": Terminal(), **over}
    return table.render(
        make_snapshot(*sessions, budgets=(), rate_limits=()), **options
    ).splitlines()


def tree(tokens=TOKENS, cost=COST):
    return Tree({}, tokens, cost, cost.total)


LOW = make_session(
    session_id="low",
    agent="b",
    project="Alpha",
    state=State("closed"),
    last_active=NOW - 10,
    tree=tree(TokenCounts(1, output=50), Cost(1)),
    process=None,
)
HIGH = make_session(
    session_id="high",
    agent="a",
    project="beta",
    state=State("waiting", "input"),
    last_active=NOW - 20,
    tree=tree(TokenCounts(9), Cost(USD)),
    process=PROCESS,
)
UNKNOWN = make_session(
    session_id="unknown",
    agent="c",
    project=None,
    state=State("idle"),
    last_active=None,
    tree=tree(TokenCounts(5), Cost(unpriced_tokens=5)),
    process=None,
)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("last", ["low", "high", "unknown"]),
        ("cost", ["high", "low", "unknown"]),
        ("in", ["high", "unknown", "low"]),
        ("out", ["low", "high", "unknown"]),
        ("state", ["high", "unknown", "low"]),
        ("agent", ["high", "low", "unknown"]),
        ("project", ["low", "high", "unknown"]),
        ("pid", ["high", "low", "unknown"]),
        ("cpu", ["high", "low", "unknown"]),
    ],
)
def test_rows_are_sorted_and_unknown_values_come_last(sort, order):
    assert ids(select([UNKNOWN, HIGH, LOW], Selection(sort=sort))) == order


@pytest.mark.parametrize("sort", SORT_NAMES)
def test_every_column_sorts_every_session_once(sort):
    states = [make_session(session_id=kind, state=State(kind)) for kind in STATE_KINDS]
    rows = select([*states, LOW, HIGH, UNKNOWN], Selection(sort=sort))
    assert sorted(ids(rows)) == sorted([*STATE_KINDS, "low", "high", "unknown"])


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        (Selection(), ["low", "high", "unknown"]),
        (Selection(live=True), ["high", "unknown"]),
        (Selection(project="beta"), ["high"]),
        (Selection(since=NOW - 10), ["low"]),
        (Selection(since=NOW - 20, live=True), ["high"]),
        (Selection(project="gamma"), []),
    ],
)
def test_rows_are_selected(selection, selected):
    assert ids(select([LOW, HIGH, UNKNOWN], selection)) == selected


def test_totals_are_those_of_the_selected_rows():
    *_, totals = lines(LOW, HIGH, selection=Selection(project="beta"))
    assert totals == (
        "1 of 2 sessions, 1 waiting, 1 started today, in 9, out 0, cache 0, list price 1.0000 USD"
    )
    assert lines(LOW, HIGH, selection=Selection(project="x")) == [
        "No session matches the options (2 sessions without them)"
    ]


def test_subagents_are_in_the_row_of_their_parent_and_once_in_the_totals():
    both = tree(TOKENS + TOKENS, COST + COST)
    parent = make_session(session_id="parent", subagents=1, tree=both)
    child = make_session(session_id="child", parent_session_id="parent")
    orphan = make_session(session_id="orphan", parent_session_id="gone", included=True)
    header, _, first, second, totals, _ = lines(parent, child, orphan)
    session = header.split().index("SESSION")
    assert [first.split()[session], second.split()[session]] == ["orphan", "parent+1"]
    assert totals == (
        "2 sessions + 1 subagent, 2 active, 2 started today, in 3.0k, out 15.0k, cache 70.2k, "
        "list price 0.2929 USD, billed 0.1953 USD, 1 session covered by the plan"
    )


@pytest.mark.slow
def test_200_rows_are_shown_and_all_on_request():
    sessions = [make_session(session_id=f"{n:08}", last_active=NOW - n) for n in range(203)]
    page = lines(*reversed(sessions))
    assert "00000000" in page[2]
    assert len(page) == 2 + 200 + 2
    assert page[-2] == "3 more (--all shows them)"
    assert page[-1].startswith("203 sessions, 203 active, 203 started today, in ")
    everything = lines(*sessions, rows_max=None)
    assert len(everything) == 2 + 203 + 1


@pytest.mark.slow
@given(st.lists(st.tuples(NAMES, st.none() | NAMES), unique_by=lambda pair: pair[0]))
def test_every_session_is_below_one_top_level_session(pairs):
    """Damaged records may name a session as its own parent, or two as parents of each other."""
    parents = dict(pairs)
    sessions = [make_session(session_id=one, parent_session_id=two) for one, two in pairs]
    tops = set(ids(top_level(sessions)))
    for one, two in pairs:
        assert one in tops or two in parents
        line = [one]
        while line[-1] not in tops and len(line) <= len(pairs):
            line.append(parents[line[-1]])
        assert line[-1] in tops
