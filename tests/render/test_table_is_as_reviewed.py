"""The table of one snapshot, with every kind of row and note, in four terminals."""

from datetime import UTC
from pathlib import Path

import pytest
from snapshots import COST, NOW, PROCESS, TOKENS, USD, make_agent, make_session, make_snapshot

from agtop_exporter.model import Cost, RateLimit, State, Tree
from agtop_exporter.render import table
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal

GOLDEN = Path(__file__).parent / "tables"
VIEW = View("/home/ada", NOW, UTC)
HOUR, DAY = 3600, 86_400


def session(number, **over):
    """Return a closed session without a process, with a long id of its own."""
    fields = {
        "session_id": f"0d5dfd4a-11f1-4e36-9f8a-3c0f{number:08x}",
        "last_active": NOW - number * HOUR,
        "started_at": NOW - number * HOUR - 600,
        "state": State("closed"),
        "process": None,
        "subscription": None,
    }
    return make_session(**{**fields, **over})


def snapshot():
    rows = [
        session(1, process=PROCESS, state=State("waiting", "permission"), title="Fix 🛒 checkout"),
        session(2, project="日本語のプロジェクト", title="課金の画面を直す"),
        session(3, cost=Cost(unpriced_tokens=29_400), model="mystery-1", project=None),
        session(4, cost=Cost(output=USD, unpriced_tokens=5), agent="codex", model="gpt-6"),
        session(5, included=True, subagents=2, tree=Tree({}, TOKENS + TOKENS, COST + COST)),
        session(6, agent="codex", title=None, cwd=None),
    ]
    fill = [session(number, title=f"Task {number}") for number in range(7, 50)]
    child = session(50, parent_session_id=rows[4].session_id, included=True)
    return make_snapshot(
        *rows,
        *fill,
        child,
        agents=(make_agent(orphan_pids=(4343,)), make_agent(agent="codex", orphan_pids=())),
        rate_limits=(
            RateLimit("codex", "5h", 0.25, NOW - 60, NOW + HOUR, 18_000, "rollout"),
            RateLimit("codex", "weekly", 0.12, NOW - 2 * HOUR, NOW + 3 * DAY),
            RateLimit("claude", "5h", 0.99, NOW - DAY, NOW - HOUR),
        ),
    )


@pytest.mark.parametrize(
    ("name", "terminal", "footer"),
    [
        pytest.param("80x24", Terminal(80, 24), "q quits", id="80x24"),
        pytest.param("200x50", Terminal(200, 50), "q quits", id="200x50"),
        pytest.param("ascii", Terminal(120, 20, ascii_only=True), "q quits", id="ascii"),
        pytest.param("pipe", Terminal(), "", id="pipe"),
    ],
)
def test_table_is_as_reviewed(name, terminal, footer, golden):
    page = table.render(snapshot(), view=VIEW, terminal=terminal, footer=footer)
    assert len(page.splitlines()) <= (terminal.height or 60)
    assert page.isascii() or not terminal.ascii_only
    golden(GOLDEN / f"{name}.txt", page)


def test_an_empty_table_is_as_reviewed(golden):
    nothing = make_snapshot(
        sessions=(),
        published=(),
        budgets=(),
        rate_limits=(),
        agents=(
            make_agent(agent="claude", roots=("/home/ada/.claude/projects",)),
            make_agent(agent="codex", enabled=False, roots=("/a", "/b", "/c", "/d")),
        ),
    )
    page = table.render(
        nothing,
        view=VIEW,
        terminal=Terminal(width=80),
        remarks=["the home directory /x does not exist"],
    )
    golden(GOLDEN / "nothing.txt", page)
