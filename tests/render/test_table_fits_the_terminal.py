"""The table does not wrap, marks unknown costs, and sends no escape codes to a pipe."""

from datetime import UTC, timedelta, timezone
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from snapshots import COST, NOW, PROCESS, TOKENS, USAGE, USD, make_session, make_snapshot

from agtop_exporter.model import NO_TOKENS, STATE_KINDS, Cost, State, Tree
from agtop_exporter.render import table
from agtop_exporter.render.table import columns

COLUMNS = [
    "AGENT", "SUBSCRIPTION", "SESSION", "STATE", "STARTED", "AGE", "MODEL", "CWD", "IN", "OUT",
    "CACHE", "COST$", "BILLED$", "PID", "CPU", "MEM", "R/s", "W/s",
]  # fmt: skip
ANY_TEXT = st.text(max_size=60)


def render(*sessions, **over):
    options = {"width": None, "color": False, "home": "/home/ada", "now": NOW, "timezone": UTC}
    return table.render(make_snapshot(*sessions, budgets=()), **{**options, **over})


def row(**over):
    """Return the cells of one session, by column."""
    options = {name: over.pop(name) for name in ("home", "timezone") if name in over}
    _, _, line, _ = render(make_session(**over), **options).splitlines()
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    return dict(zip(COLUMNS, cells, strict=True))


def test_pipe_has_all_columns_in_full():
    page = render(make_session(model="a-model-with-a-name-of-more-than-twenty-letters"))
    assert page.splitlines()[0].split() == COLUMNS
    assert "a-model-with-a-name-of-more-than-twenty-letters" in page


def test_row_shows_the_session():
    assert row(subagent_file_count=2) == {
        "AGENT": "claude-code",
        "SUBSCRIPTION": "max",
        "SESSION": "0d5dfd4a+2",
        "STATE": "running",
        "STARTED": "2025-11-22 20:54",
        "AGE": "1m",
        "MODEL": "claude-sonnet-4-5",
        "CWD": "~/src/shop",
        "IN": "1.0k",
        "OUT": "5.0k",
        "CACHE": "23.4k",
        "COST$": "0.0977",
        "BILLED$": "0.0977",
        "PID": "4242",
        "CPU": "7.2%",
        "MEM": "300.0M",
        "R/s": "0/s",
        "W/s": "1.3k/s",
    }


def test_unknown_is_a_dash():
    unknown = dict.fromkeys(
        ["subscription", "started_at", "last_active", "model", "cwd", "process"]
    )
    cells = row(**unknown)
    assert [title for title, cell in cells.items() if cell == "-"] == [
        "SUBSCRIPTION", "STARTED", "AGE", "CWD", "PID", "CPU", "MEM", "R/s", "W/s",
    ]  # fmt: skip
    assert cells["MODEL"] == "?"


@pytest.mark.parametrize(
    ("over", "cell"),
    [
        ({"cost": Cost(output=USD // 8)}, "0.1250"),
        ({"included": True}, "incl"),
        ({"cost": Cost(unpriced_tokens=29_400)}, "?"),
        ({"cost": Cost(output=USD, unpriced_tokens=5)}, "1.0000*"),
        ({"cost": Cost(), "tokens": NO_TOKENS}, "0.0000"),
    ],
)
def test_cost_has_a_mark_if_it_is_incomplete(over, cell):
    assert row(**over)["COST$"] == cell


@pytest.mark.parametrize(
    ("cwd", "cell"),
    [
        ("/home/ada", "~"),
        ("/home/ada/x", "~/x"),
        ("/home/adam/x", "/home/adam/x"),
        ("/srv", "/srv"),
    ],
)
def test_home_is_short_only_where_it_is_home(cwd, cell):
    assert row(cwd=cwd)["CWD"] == cell
    assert row(cwd=cwd, home="/")["CWD"] == cwd


def test_started_is_in_the_given_time_zone():
    assert row(timezone=timezone(timedelta(hours=9)))["STARTED"] == "2025-11-23 05:54"
    assert row(started_at=1e20)["STARTED"] == "-"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (25_000_000, "25.0M"),
        (3_200_000_000, "3.2G"),
        (5e15, "5.0P"),
    ],
)
def test_counts_are_short(number, text):
    assert columns.compact(number) == text


@pytest.mark.parametrize(
    ("rate", "cell"),
    [
        (None, "-"),
        (0, "0/s"),
        (-1, "0/s"),
        (512, "512/s"),
        (1_280, "1.3k/s"),
        (1_250_000, "1.2M/s"),
    ],
)
def test_r04_rates_are_short(rate, cell):
    usage = msgspec.structs.replace(USAGE, disk_written_bytes_per_second=rate)
    assert row(process=msgspec.structs.replace(PROCESS, usage=usage))["W/s"] == cell


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "now"), (59, "now"), (60, "1m"), (7_199, "1h"), (86_400, "1d"), (604_800, "1w"),
     (2_592_000, "1mo"), (31_536_000, "1y")],
)  # fmt: skip
def test_age_is_in_its_largest_unit(seconds, text):
    assert columns.age(seconds) == text


def test_subagents_are_in_the_row_of_their_parent_and_once_in_the_totals():
    parent = make_session(session_id="parent", tree=Tree({}, TOKENS + TOKENS, COST + COST))
    child = make_session(session_id="child", parent_session_id="parent")
    orphan = make_session(session_id="orphan", parent_session_id="gone", included=True)
    lines = render(parent, child, orphan).splitlines()
    assert [line.split()[2] for line in lines[2:-1]] == ["orphan", "parent"]
    assert lines[3].split()[9:13] == ["2.0k", "10.0k", "46.8k", "0.1953"]
    counts, totals = lines[-1].split("), ")
    assert counts == "3 sessions (2 active, 2 today"
    assert totals == "in 3.0k, out 15.0k, cache 70.2k, billed 0.1953 USD, 1 included"


def test_latest_active_comes_first_and_200_are_shown():
    sessions = [make_session(session_id=f"{n:08}", last_active=NOW - n) for n in range(203)]
    lines = render(*reversed(sessions)).splitlines()
    assert lines[2].split()[2] == "00000000"
    assert len(lines) == 2 + 200 + 2
    assert lines[-2] == "3 more"
    assert lines[-1].startswith("203 sessions (203 active, 203 today), in ")


def test_the_last_line_counts_sessions_by_state():
    waiting = make_session(session_id="w", state=State("waiting", "permission"))
    old = make_session(session_id="o", state=State("closed"), started_at=NOW - 10 * 86_400)
    idle = make_session(session_id="i", state=State("idle"), started_at=NOW - 10 * 86_400)
    assert "3 sessions (1 active, 1 idle, 1 waiting, 1 today), " in render(waiting, old, idle)
    assert "1 session, " in render(old)


@given(width=st.integers(1, 250), texts=st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT))
def test_no_line_is_wider_than_the_terminal(width, texts):
    session_id, model, cwd = texts
    page = render(make_session(session_id=session_id, model=model, cwd=cwd), width=width)
    assert max(map(cell_len, page.splitlines())) <= width
    assert len(page.splitlines()) == 4
    assert page.replace("\n", "").isprintable()


def test_narrow_terminal_loses_the_least_telling_columns_first():
    titles = [set(render(width=width).splitlines()[0].split()) for width in (200, 120, 80, 60, 40)]
    assert titles[0] == set(COLUMNS)
    assert all(narrow < wide for wide, narrow in pairwise(titles))
    assert titles[-1] == {"SESSION", "STATE", "AGE", "COST$"}


def test_color_changes_no_letter():
    sessions = [make_session(session_id=kind, state=State(kind)) for kind in STATE_KINDS]
    plain, colored = (render(*sessions, width=120, color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert plain.isascii()
    assert colored.count("\x1b[0m") == len(STATE_KINDS) + 1
    stripped = colored
    for code in ("0", "1", "2", "32", "33", "1;33", "1;31"):
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == plain


def test_snapshot_of_nothing_is_a_table_too():
    snapshot = make_snapshot(sessions=(), published=(), budgets=())
    page = table.render(snapshot, width=80, color=False, home="/", now=NOW)
    assert page.splitlines()[-1] == "0 sessions, in 0, out 0, cache 0, billed 0.0000 USD"


def test_budgets_follow_the_totals():
    snapshot = make_snapshot()
    page = table.render(snapshot, width=None, color=False, home="/home/ada", now=NOW, timezone=UTC)
    line = "budget claude-code day: 2.50 of 10.00 USD (25%), projected 50%"
    assert page.splitlines()[-1] == line
