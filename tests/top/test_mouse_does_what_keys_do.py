"""A click selects, a second click opens, a header sorts, a tab is chosen, the wheel scrolls."""

import pytest
from top_pilot import Driven, driven
from top_views import NOW, make_view, screen_of

LARGE = (120, 40)
FIRST_ROW = 3


async def click(running, x, y):
    await running.pilot.click("Canvas", offset=(x, y))
    await running.pilot.pause()


def place_of(running, text):
    """Return the cell of a text on the screen."""
    for y, line in enumerate(running.lines):
        if text in line:
            return line.index(text), y
    raise AssertionError(text)


@pytest.mark.slow
@driven
async def test_rows():
    async with Driven() as running:
        await click(running, 20, FIRST_ROW + 2)
        assert "engine" in running.selected
        assert not running.view.state.focused
        await click(running, 20, FIRST_ROW + 2)
        assert running.view.state.focused
        assert "[1 Overview]" in running.screen


@pytest.mark.slow
@driven
async def test_empty_space():
    async with Driven() as running:
        before = running.view.state
        await click(running, 20, 20)
        await click(running, 20, 0)
        await click(running, 20, 23)
        assert running.view.state == before


@pytest.mark.slow
@driven
async def test_headers():
    async with Driven() as running:
        for title, sign in (("COST$", "▼"), ("COST$", "▲"), ("AGENT", "▲"), ("MEM", "▼")):
            await click(running, *place_of(running, title))
            assert f"{title}{sign}" in running.screen


@pytest.mark.slow
@driven
async def test_tabs_and_panel():
    async with Driven(size=LARGE) as running:
        await click(running, *place_of(running, "3 Tokens"))
        assert running.view.state.tab == 2
        assert running.view.state.focused
        await click(running, 20, FIRST_ROW + 3)
        assert not running.view.state.focused


@pytest.mark.slow
@driven
async def test_totals_open_their_sessions():
    async with Driven() as running:
        await running.press("a")
        await click(running, 5, FIRST_ROW)
        assert running.view.state.drilled is not None


@pytest.mark.slow
@driven
async def test_a_click_ends_the_text_field():
    async with Driven() as running:
        await running.press("slash")
        await running.type("lab")
        await click(running, 20, FIRST_ROW + 1)
        await running.press("k")
        assert running.view.state.filter_text == "lab"
        assert running.view.state.cursors["sessions"].index == 0


def test_wheel():
    view = make_view()
    view.scroll(NOW, 1)
    assert view.state.cursors["sessions"].index == 3
    view.scroll(NOW, -1)
    assert view.state.cursors["sessions"].index == 0
    view.size = (80, 12)
    view.act(NOW, "open")
    view.scroll(NOW, 1)
    assert "title" not in screen_of(view)
