"""The lines below the table say only what is known, and explain only marks that occur."""

from datetime import UTC

import pytest
from snapshots import NOW, USD, make_agent, make_session, make_snapshot

from agtop_exporter.model import Cost, RateLimit
from agtop_exporter.render import table
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal


def notes(*sessions, **over):
    """Return the lines below the totals."""
    snapshot = make_snapshot(*sessions, **{"budgets": (), "rate_limits": (), **over})
    page = table.render(snapshot, view=View("/home/ada", NOW, UTC), terminal=Terminal())
    return page.splitlines()[2 + len(sessions or [1]) + 1 :]


@pytest.mark.parametrize(
    ("over", "legend"),
    [
        ({}, []),
        ({"model": "?", "project": "incl", "title": "*"}, []),
        ({"cost": Cost(unpriced_tokens=29_400)}, ["? = no known price"]),
        (
            {"cost": Cost(output=USD, unpriced_tokens=5)},
            ["* = without tokens that have no known price"],
        ),
        ({"included": True}, ["incl = covered by the plan"]),
        ({"subagents": 2}, ["+N = with N subagents"]),
        (
            {"included": True, "subagents": 2},
            ["incl = covered by the plan, +N = with N subagents"],
        ),
    ],
)
def test_the_legend_has_only_the_marks_that_occur(over, legend):
    assert notes(make_session(**over)) == [f"marks: {text}" for text in legend]


def limit(**over):
    fields = {"agent": "codex", "window": "5h", "used_ratio": 0.254, "observed_at": NOW - 60}
    return RateLimit(**{**fields, **over})


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (limit(), "5h 25%"),
        (limit(resets_at=NOW + 3600), "5h 25% (resets 22:54)"),
        (limit(resets_at=NOW + 86_400), "5h 25% (resets 2025-11-23 21:54)"),
        (limit(resets_at=1e20), "5h 25% (resets ?)"),
        (limit(observed_at=NOW - 7300), "5h 25% (recorded 2h ago)"),
        (limit(used_ratio=None, hint="nearly used up"), "5h nearly used up"),
        (limit(used_ratio=None, hint="\x1b[31mred"), "5h [31mred"),
    ],
)
def test_a_limit_has_its_reset_and_the_age_of_its_record(one, text):
    assert notes(rate_limits=(one,)) == [f"limits codex: {text}"]


@pytest.mark.parametrize("one", [limit(resets_at=NOW), limit(used_ratio=None)])
def test_a_limit_without_a_figure_is_absent(one):
    assert notes(rate_limits=(one,)) == []


def test_the_limits_of_an_account_are_one_line():
    work = limit(account="codex-work", used_ratio=0.5)
    others = (work, limit(window="weekly", used_ratio=1.0), limit(agent="claude"))
    assert notes(rate_limits=(limit(), *others)) == [
        "limits codex: 5h 25%, weekly 100%",
        "limits codex codex-work: 5h 50%",
        "limits claude: 5h 25%",
    ]


def test_budgets_have_a_line_each():
    assert notes(budgets=make_snapshot().budgets) == [
        "budget claude-code day: $2.50 of $10.00 (25%), projected 50%"
    ]


def test_processes_without_a_session_are_named_by_their_pids():
    agents = (
        make_agent(orphan_pids=(7, 8)),
        make_agent(agent="codex", orphan_pids=()),
        make_agent(agent="pi", orphan_pids=None),
        make_agent(agent="gemini", orphan_pids=tuple(range(1, 13))),
    )
    many = "gemini (pid 1 2 3 4 5 6 7 8 9 10 and 2 more)"
    assert notes(agents=agents) == [f"processes without a session: claude-code (pid 7 8), {many}"]
