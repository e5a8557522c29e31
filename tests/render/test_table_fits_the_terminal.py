"""The table does not wrap, marks unknown costs, and sends no escape codes to a pipe."""

from datetime import UTC, timedelta, timezone
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from snapshots import NOW, PROCESS, USAGE, USD, make_session, make_snapshot

from agtop_exporter.model import NO_TOKENS, STATE_KINDS, Cost, State
from agtop_exporter.render import table
from agtop_exporter.render.table import columns
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal

COLUMNS = [
    "AGENT", "SUBSCRIPTION", "SESSION", "STATE", "STARTED", "LAST", "MODEL", "PROJECT", "CWD",
    "IN", "OUT", "CACHE", "COST$", "PID", "CPU", "MEM", "R/s", "W/s", "TITLE",
]  # fmt: skip
ANY_TEXT = st.text(max_size=60)


def render(*sessions, home="/home/ada", zone=UTC, **terminal):
    snapshot = make_snapshot(*sessions, budgets=(), rate_limits=())
    return table.render(snapshot, view=View(home, NOW, zone), terminal=Terminal(**terminal))


def row(*, home="/home/ada", zone=UTC, **over):
    """Return the cells of one session, by column."""
    titles, _, line, *_ = render(make_session(**over), home=home, zone=zone).splitlines()
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    return dict(zip(titles.split(), cells, strict=True))


def test_pipe_has_all_columns_in_full():
    page = render(make_session(model="a-model-with-a-name-of-more-than-twenty-letters"))
    assert page.splitlines()[0].split() == COLUMNS
    assert "a-model-with-a-name-of-more-than-twenty-letters" in page


def test_row_shows_the_session():
    assert row(subagents=2) == {
        "AGENT": "claude-code",
        "SUBSCRIPTION": "max",
        "SESSION": "8f6a9b10+2",
        "STATE": "running",
        "STARTED": "2025-11-22 20:54",
        "LAST": "1m",
        "MODEL": "claude-sonnet-4-5",
        "PROJECT": "shop",
        "CWD": "~/src/shop",
        "IN": "1.0k",
        "OUT": "5.0k",
        "CACHE": "23.4k",
        "COST$": "0.0977",
        "PID": "4242",
        "CPU": "7.2%",
        "MEM": "300.0M",
        "R/s": "0/s",
        "W/s": "1.3k/s",
        "TITLE": "Fix the checkout",
    }


def test_a_column_of_unknown_values_is_left_out():
    names = ["subscription", "started_at", "last_active", "model", "project", "cwd", "title"]
    unknown = dict.fromkeys([*names, "process"])
    assert set(row(**unknown)) == {"AGENT", "SESSION", "STATE", "IN", "OUT", "CACHE", "COST$"}
    titles, _, _, line, *_ = render(make_session(), make_session(**unknown)).splitlines()
    assert titles.split() == COLUMNS
    assert line.split().count("-") == len(unknown) + 4  # a process has five columns


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


def test_billed_is_shown_only_if_it_differs():
    assert "BILLED$" not in row()
    assert row(included=True)["BILLED$"] == "0.0000"
    reported = msgspec.structs.replace(make_session().tree, billed=USD)
    assert row(tree=reported)["BILLED$"] == "1.0000"


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
    assert row(zone=timezone(timedelta(hours=9)))["STARTED"] == "2025-11-23 05:54"
    assert "STARTED" not in row(started_at=1e20)


@pytest.mark.parametrize("session_id", ["ses_23c93ae9fffeyoWWO2jksO2OxI", "0d5d-O2jksO2OxI", "7"])
def test_the_end_of_a_session_id_is_shown(session_id):
    assert row(session_id=session_id)["SESSION"] == session_id[-8:]


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
        (None, None),
        (0, "0/s"),
        (-1, "0/s"),
        (512, "512/s"),
        (1_280, "1.3k/s"),
        (1_250_000, "1.2M/s"),
    ],
)
def test_r04_rates_are_short(rate, cell):
    usage = msgspec.structs.replace(USAGE, disk_written_bytes_per_second=rate)
    assert row(process=msgspec.structs.replace(PROCESS, usage=usage)).get("W/s") == cell


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "now"), (59, "now"), (60, "1m"), (7_199, "1h"), (86_400, "1d"), (604_800, "1w"),
     (2_592_000, "1mo"), (31_536_000, "1y")],
)  # fmt: skip
def test_last_activity_is_in_its_largest_unit(seconds, text):
    assert columns.age(seconds) == text


@pytest.mark.slow
@given(
    width=st.integers(1, 250),
    height=st.none() | st.integers(1, 60),
    count=st.integers(0, 30),
    texts=st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT),
    ascii_only=st.booleans(),
)
def test_no_page_is_larger_than_the_terminal(width, height, count, texts, ascii_only):
    session_id, model, cwd, title = texts
    sessions = [
        make_session(
            session_id=f"{session_id}{number}", model=model, cwd=cwd, title=title, project=title
        )
        for number in range(count)
    ]
    page = table.render(
        make_snapshot(sessions=tuple(sessions)),
        view=View("/home/ada", NOW, UTC),
        terminal=Terminal(width, height, ascii_only),
        footer="q quits",
    )
    lines = page.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert height is None or len(lines) <= height
    assert page.replace("\n", "").isprintable()
    assert page.isascii() or not ascii_only


@pytest.mark.parametrize("height", range(8, 40))
def test_a_page_keeps_header_totals_and_footer_and_counts_the_rest(height):
    sessions = [make_session(session_id=f"{n:08}", last_active=NOW - n) for n in range(20)]
    page = table.render(
        make_snapshot(*sessions),
        view=View("", NOW, UTC),
        terminal=Terminal(width=200, height=height),
        footer="q quits",
    )
    lines = page.splitlines()
    shown = sum("claude-sonnet" in line for line in lines)
    hidden = [int(line.split()[0]) for line in lines if line.endswith("do not fit")]
    assert lines[0].startswith("AGENT")
    assert lines[-1] == "q quits"
    assert any(line.startswith("20 sessions, 20 active") for line in lines)
    assert shown + sum(hidden) == 20
    assert shown > 0
    assert len(lines) == height or not hidden


@pytest.mark.parametrize("sessions", [(), (make_session(),)])
def test_the_footer_is_the_last_to_go(sessions):
    for height in range(1, 12):
        page = table.render(
            make_snapshot(sessions=sessions),
            view=View("", NOW, UTC),
            terminal=Terminal(width=80, height=height),
            remarks=["a", "b"],
            footer="q quits",
        )
        assert page.endswith("q quits\n")


@pytest.mark.slow
def test_a_high_terminal_shows_more_rows_than_a_pipe():
    sessions = [make_session(session_id=f"{n:08}") for n in range(250)]
    for height, count in ((400, 250), (None, 200)):
        page = table.render(
            make_snapshot(*sessions), view=View("", NOW, UTC), terminal=Terminal(height=height)
        )
        assert page.count("claude-sonnet") == count


def test_narrow_terminal_loses_the_least_telling_columns_first():
    titles = [set(render(width=width).splitlines()[0].split()) for width in (250, 120, 80, 60, 24)]
    assert titles[0] == {*COLUMNS, "USER"}
    assert all(narrow < wide for wide, narrow in pairwise(titles))
    assert titles[2] >= {"SESSION", "STATE", "LAST", "MODEL", "PROJECT", "IN", "OUT", "COST$"}
    assert titles[-1] == {"STATE", "PROJECT", "COST$"}


def test_narrow_columns_are_cut_before_others_are_lost():
    session = make_session(model="m" * 26, project="p" * 20)
    wide, narrow = (render(session, width=width).splitlines()[2] for width in (230, 80))
    assert f"{'m' * 26}  {'p' * 20}" in wide
    assert "…" in narrow
    assert render(session, width=80, ascii_only=True).splitlines()[2].count("...") == 2


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
