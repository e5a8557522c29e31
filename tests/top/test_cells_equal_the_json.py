"""Each cell of the list shows the figure of `agtop json` for the same sessions."""

import json
import shutil

import pytest
from driving import build_databases
from looking import EVENING, Look
from places import AGENT_FOLDERS
from top_views import NOW, frame

from agtop_exporter.render import json as json_page
from agtop_exporter.render.table.columns import COLUMNS as OF_THE_TABLE
from agtop_exporter.render.table.columns import View as TableView
from agtop_exporter.render.table.columns import compact
from agtop_exporter.top.columns import BY_TITLE, COLUMNS
from agtop_exporter.top.look import Look as Looks
from agtop_exporter.top.rows import Frame, Rows
from agtop_exporter.top.spans import STATE_SIGNS, visible

HOMES = sorted(folder.name for folder in AGENT_FOLDERS.iterdir() if (folder / "home").is_dir())


def cost(tree):
    """Return the cell of a cost, from the figures of the document."""
    unpriced, total = tree["cost"]["unpriced_tokens"], tree["tokens"]["total"]
    usd = tree["cost"]["total_usd"]
    if not usd and unpriced and unpriced >= total:
        return "?"
    return f"{usd:.4f}{'*' if unpriced else ''}"


def expected(document):
    """Return the cells of a session of the document, by the title of the column."""
    context, tree, state = document["context"], document["tree"], document["state"]["kind"]
    ratio = context["used_ratio"]
    sign = STATE_SIGNS[state]
    return {
        "STATE": f"{sign.glyph} {sign.word}",
        "AGENT": document["agent"],
        "CTX": "-" if ratio is None else f"{ratio:.0%}",
        "COST$": "incl" if tree["cost"]["included"] else cost(tree),
        "TITLE": document["title"] or "-",
        "TOKENS": compact(tree["tokens"]["total"]),
        "BRANCH": document["git_branch"] or "-",
        "EFFORT": document["model_effort"] or "-",
        "PLAN": document["subscription"] or "-",
        "PID": str(document["pid"] or "-"),
        "CPU": figure(document, "cpu_percent", "{:.1f}%".format),
        "MEM": figure(document, "rss_bytes", compact),
    }


def figure(document, name, form):
    """Return the cell of a figure of the process."""
    value = (document["process"] or {}).get(name)
    return "-" if value is None else form(value)


def compare(found, now):
    snapshot = found.snapshot
    documents = {
        (one["agent"], one["session_id"]): one
        for one in json.loads(json_page.render(snapshot))["sessions"]
    }
    rows = [row for row in Rows(found).top if row.session]
    look = Looks(now)
    assert rows
    for row in rows:
        for title, text in expected(documents[row.key]).items():
            assert BY_TITLE[title].cell(row, look)[0] == text, (row.key, title)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", HOMES)
def test_every_agent(name, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(AGENT_FOLDERS / name / "home", home)
    build_databases(home)
    compare(Frame(Look(home).at()), EVENING)


def test_live_sessions():
    assert len(compare(frame(), NOW)) == 10


SHARED = {column.title for column in COLUMNS} & {column.title for column in OF_THE_TABLE}


@pytest.mark.parametrize("title", sorted(SHARED - {"STATE", "SESSION", "MODEL", "PROJECT"}))
def test_the_table_shows_the_same(title):
    column = next(one for one in OF_THE_TABLE if one.title == title)
    view = TableView("/home/ada", NOW, None)
    for row in Rows(frame()).top:
        if row.session:
            assert BY_TITLE[title].cell(row, Looks(NOW))[0] == column.cell(row.session, view)


def test_subagents_show_their_own_figures():
    rows = Rows(frame())
    parent = next(row for row in rows.top if row.subagents)
    for row in rows.below(parent.session):
        assert BY_TITLE["TOKENS"].cell(row, Looks(NOW))[0] == compact(row.session.tokens.total)
        assert BY_TITLE["CPU"].cell(row, Looks(NOW))[0] == ""


def test_private_texts_are_masked_everywhere():
    look = Looks(NOW, masked=True)
    for row in Rows(frame()).top:
        cells = [column.cell(row, look)[0] for column in COLUMNS]
        private = (
            {row.session.title, row.session.project, row.session.cwd} if row.session else set()
        )
        assert not private & set(cells)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u26a0\ufe0f check", "\u26a0 check"),
        ("1\ufe0f\u20e3 first", "1 first"),
        ("\U0001f44d\U0001f3fd", "\U0001f44d"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\U0001f469"),
        ("\u202eabc\x1b[31m", "abc[31m"),
        ("e\u0301 \u65e5\u672c", "e\u0301 \u65e5\u672c"),
    ],
)
def test_the_width_of_a_text_is_the_same_on_every_terminal(text, shown):
    """Tmux 3.3 gives `\u26a0\ufe0f` one cell, and others give it two."""
    assert visible(text) == shown
