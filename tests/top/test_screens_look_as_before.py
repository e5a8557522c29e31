"""Every place, tab and special case looks as its golden file shows, at three sizes."""

from pathlib import Path

import pytest
from rich.cells import cell_len
from top_views import NO_AGENTS, NOW, SIZES, frame, make_view, nothing, screen_of, session

from agtop_exporter.top.styles import Palette

SCREENS = Path(__file__).parent / "screens"
TABS = ("overview", "processes", "tokens", "subagents", "tools", "limits")


def sessions(view):
    """Show the list of sessions."""


def totals(view):
    """Show the totals."""
    view.act(NOW, "place", "totals")


def totals_by_project(view):
    totals(view)
    view.act(NOW, "range", 1)
    for _ in range(2):
        view.act(NOW, "group")


def limits(view):
    view.act(NOW, "place", "limits")


def unfolded(view):
    view.act(NOW, "scope")
    view.act(NOW, "sort", 1)
    view.act(NOW, "sort", -1)
    select(view, "webshop")
    view.act(NOW, "fold")


def select(view, project):
    """Move the cursor to the session of a project."""
    for _ in range(20):
        line = screen_of(view).splitlines()
        if any(text.startswith("▌") and project in text for text in line):
            return
        view.act(NOW, "move", 1)
    raise AssertionError(project)


def tab(number):
    def show(view):
        select(view, "webshop")
        view.act(NOW, "open")
        view.act(NOW, "choose_tab", number)

    return show


def filtered(view):
    view.filter(NOW, "state:run !codex")


def badly_filtered(view):
    view.filter(NOW, "docs")
    view.filter(NOW, "docs cost>x")


def without_match(view):
    view.filter(NOW, "nothing has this name")


def masked(view):
    view.act(NOW, "mask")


def stale(view):
    view.failure = "scan (codex): KeyError at agtop_exporter.state:12"


def help_(view):
    view.act(NOW, "overlay", "help")


def columns(view):
    view.act(NOW, "overlay", "columns")


def notices(view):
    view.notices = ("warning: cannot read file: path=/home/ada/x",)
    view.act(NOW, "overlay", "notices")


CASES = {
    "sessions": sessions,
    "totals": totals,
    "totals_by_project": totals_by_project,
    "limits": limits,
    "unfolded": unfolded,
    **{f"tab_{name}": tab(number) for number, name in enumerate(TABS)},
    "filtered": filtered,
    "badly_filtered": badly_filtered,
    "without_match": without_match,
    "masked": masked,
    "stale": stale,
    "help": help_,
    "columns": columns,
    "notices": notices,
}


def checked(text, size):
    """Return a screen that fits its terminal."""
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert max(map(cell_len, lines)) <= size[0]
    return text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("case", CASES)
def test_screen(golden, case, size):
    view = make_view(size=size)
    CASES[case](view)
    golden(SCREENS / f"{case}_{size[0]}x{size[1]}.txt", checked(screen_of(view), size))


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
def test_first_scan(golden, size):
    view = make_view(False, size=size)  # noqa: FBT003 - no frame
    view.progress = (120_000_000, 274_000_000, 1.3)
    golden(SCREENS / f"first_scan_{size[0]}x{size[1]}.txt", checked(screen_of(view), size))


@pytest.mark.parametrize(
    ("name", "found"),
    {
        "no_agent": nothing(NO_AGENTS),
        "no_session": nothing(),
        "nothing_live": frame(session(7, "old", "Old", "closed", last_active=1.0), trees=()),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_empty(golden, name, found):
    view = make_view(found)
    golden(SCREENS / f"{name}_80x24.txt", checked(screen_of(view), (80, 24)))


def test_ascii(golden):
    palette = Palette(colored=False, ascii_only=True)
    view = make_view(ascii_only=True)
    strips = [palette.strip(line, 80) for line in view.lines(NOW)]
    text = "".join(f"{strip.text.rstrip()}\n" for strip in strips)
    assert text.isascii()
    golden(SCREENS / "ascii_80x24.txt", text)


def test_small_terminal():
    view = make_view(size=(59, 12))
    assert screen_of(view).strip() == "agtop needs 60x12, this is 59x12"
    view.size = (60, 12)
    assert "webshop" in screen_of(view)
