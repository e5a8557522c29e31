"""Each key does what the help says, in every place, and nothing in a text field."""

import pytest
from top_pilot import Driven, driven
from top_views import NO_AGENTS, frame, nothing

from agtop_exporter.top.actions import ACTIONS, SORTS
from agtop_exporter.top.keys import KEYS
from agtop_exporter.top.order import SCOPES
from agtop_exporter.top.totals import GROUPS, RANGES

pytestmark = pytest.mark.slow  # many short tests, which take ten seconds together

LARGE = (120, 40)
TESTED = set()
"""The keys that a test has pressed: (context, name)."""


async def press(running, *names):
    """Press keys, and note in which context."""
    for name in names:
        TESTED.add((running.view.state.context, name))
        await running.press(name)


def cursor(running, name="sessions"):
    return running.view.state.cursors[name].index


@driven
async def test_keys_move_the_cursor():
    async with Driven() as running:
        for down, up in (("j", "k"), ("down", "up")):
            await press(running, down)
            assert cursor(running) == 1
            assert "billing" in running.selected
            await press(running, up)
            assert cursor(running) == 0
        for last, first in (("G", "g"), ("end", "home"), ("pagedown", "pageup")):
            await press(running, last)
            assert cursor(running) == 9
            assert "search" in running.selected
            await press(running, first)
            assert cursor(running) == 0
        await press(running, "k", "up", "pageup")
        assert cursor(running) == 0


@driven
async def test_keys_move_in_totals_and_limits():
    async with Driven() as running:
        await press(running, "a")
        await running.press("right", "right", "right")
        for keys, place in (("j", 1), ("k", 0), ("end", 2), ("home", 0), ("G", 2), ("up", 1)):
            await press(running, keys)
            assert cursor(running, "totals") == place
        await press(running, "pageup", "pagedown", "down")
        assert cursor(running, "totals") == 2
        await press(running, "l")
        for keys, place in (("j", 1), ("k", 0), ("end", 5), ("home", 0), ("G", 5), ("g", 0)):
            await press(running, keys)
            assert cursor(running, "limits") == place
        await press(running, "down", "up", "pagedown")
        assert cursor(running, "limits") == 5
        await press(running, "pageup")
        assert cursor(running, "limits") == 0


@driven
async def test_keys_scroll_the_detail():
    async with Driven(size=(80, 12)) as running:
        await press(running, "enter")
        for down, up in (("j", "k"), ("down", "up"), ("pagedown", "pageup"), ("G", "g")):
            await press(running, down)
            assert running.view.state.scroll > 0
            await press(running, up)
            assert running.view.state.scroll == 0
        await press(running, "end")
        assert "disk" in running.lines[-2]
        await press(running, "home")
        assert "title" in running.screen


@driven
async def test_filter_follows_the_text():
    async with Driven() as running:
        await press(running, "slash")
        await running.type("docs")
        assert "1 of 11" in running.screen
        assert "ランディング" not in running.screen
        await running.press("enter")
        assert running.view.state.filter_text == "docs"
        await press(running, "escape")
        assert running.view.state.filter_text == ""
        assert "10 of 11" in running.screen


@driven
async def test_escape_in_the_field_clears_the_filter():
    async with Driven() as running:
        await running.press("slash")
        await running.type("docs")
        await running.press("escape")
        assert running.view.state.filter_text == ""
        await running.press("j")
        assert cursor(running) == 1


@driven
async def test_a_bad_filter_is_marked_and_the_last_good_one_stays():
    async with Driven() as running:
        await running.press("slash")
        await running.type("lab !")
        assert running.drawn[-1].startswith("lab !")
        assert running.drawn[-1].rstrip().endswith("2 of 11 a word is missing after !")
        assert "a word is missing" in running.screen
        assert "2 of 11" in running.screen
        await running.type("part")
        assert "a word is missing" not in running.screen
        assert "1 of 11" in running.screen


TEXT_KEYS = sorted(
    {name for key in KEYS for name in key.keys.split(",") if len(name) == 1} | {"space", "slash"}
)


@driven
async def test_letters_are_text_in_the_field():
    async with Driven() as running:
        await running.press("slash")
        before = running.view.state
        await running.press(*TEXT_KEYS, "exclamation_mark", "question_mark", "less_than_sign")
        typed = {"space": " ", "slash": "/"}
        expected = "".join(typed.get(name, name) for name in TEXT_KEYS) + "!?<"
        assert running.view.state.filter_text == expected
        assert running.view.state.place == before.place
        assert running.app.return_code is None


@driven
async def test_keys_sort():
    async with Driven() as running:
        for name in ("s", "f6", "greater_than_sign"):
            await press(running, name)
        assert running.view.state.sort == SORTS[3]
        await press(running, "less_than_sign")
        assert running.view.state.sort == SORTS[2]
        assert "AGENT▲" in running.screen
        await press(running, "i")
        assert "AGENT▼" in running.screen
        await press(running, "S")
        assert "AGENT▲" in running.screen


@driven
async def test_the_filter_needs_the_list():
    async with Driven() as running:
        await running.press("a", "slash")
        assert not running.app.focused.id
        assert running.view.state.place == "totals"
        assert not running.app.query_one("Input").display


@driven
async def test_subagents_are_unfolded():
    async with Driven() as running:
        await running.press("j", "j", "j")
        for name in ("t", "space"):
            assert "webshop+2" in running.selected
            await press(running, name)
            assert "webshop-2" in running.selected
            assert "└─ webshop" in running.screen
            await running.press(name)
            assert "└─" not in running.screen


@driven
async def test_scopes():
    async with Driven() as running:
        seen = []
        for _ in SCOPES:
            seen.append(next(line for line in running.lines if " of 11" in line).split("  ")[0])
            await press(running, "v")
        assert seen == ["10 of 11 · live+today", "11 of 11 · all", "6 of 11 · live"]


@driven
async def test_places():
    async with Driven() as running:
        for start in "dal":
            for name, place in (("a", "totals"), ("l", "limits"), ("d", "sessions")):
                await running.press(start)
                await press(running, name)
                assert running.view.state.place == place
        await running.press("enter")
        for name, place in (("a", "totals"), ("l", "limits"), ("d", "sessions")):
            await press(running, name)
            assert running.view.state.place == place
            await running.press("d", "enter")
        await running.press("escape", "a")
        await press(running, "escape")
        assert running.view.state.place == "sessions"
        await running.press("l")
        await press(running, "escape")
        assert running.view.state.place == "sessions"


@driven
async def test_totals_are_grouped_and_ranged():
    async with Driven() as running:
        await running.press("a")
        groups = []
        for _ in GROUPS:
            groups.append(running.view.state.group)
            await press(running, "g")
        assert tuple(groups) == GROUPS
        ranges = []
        for _ in RANGES:
            ranges.append(running.view.state.range)
            await press(running, "right")
        assert tuple(ranges) == RANGES
        await press(running, "left")
        assert running.view.state.range == RANGES[-2]


@driven
async def test_totals_ask_the_feed_for_usage():
    async with Driven() as running:
        assert not running.feed.wants_usage
        await running.press("a")
        assert running.feed.wants_usage
        assert running.feed.calls == ["start", "refresh"]
        await running.press("d")
        assert not running.feed.wants_usage


@driven
async def test_a_group_shows_its_sessions():
    async with Driven() as running:
        await running.press("a", "right", "right", "right", "j")
        assert "codex" in running.selected
        await press(running, "enter")
        assert "1 of 11 · agent codex, all" in running.screen
        assert "infra" in running.selected
        await running.press("escape")
        assert running.view.state.place == "totals"
        assert "codex" in running.selected


@driven
async def test_detail_opens_and_closes():
    async with Driven() as running:
        await press(running, "enter")
        assert "[1 Overview]" in running.screen
        assert "STATE" not in running.screen
        await press(running, "escape")
        assert "STATE" in running.screen
    async with Driven(size=LARGE) as running:
        assert "[1 Overview]" in running.screen
        await running.press("enter", "escape", "escape")
        assert "[1 Overview]" not in running.screen
        await running.press("enter")
        assert "[1 Overview]" in running.screen


@driven
async def test_tabs():
    async with Driven(size=LARGE) as running:
        for context in ("sessions", "detail"):
            assert running.view.state.context == context
            await press(running, "1", "tab")
            assert running.view.state.tab == 1
            await press(running, "shift+tab", "shift+tab")
            assert running.view.state.tab == 5
            for number in range(6):
                await press(running, str(number + 1))
                assert running.view.state.tab == number
            await running.press("enter")


@driven
async def test_tabs_need_the_detail():
    async with Driven() as running:
        await running.press("2", "tab", "z")
        assert running.view.state.tab == 0
        assert not running.view.state.zoomed
        assert "tab" not in running.shown_keys


@driven
async def test_zoom():
    async with Driven(size=LARGE) as running:
        await press(running, "z")
        assert "STATE" not in running.screen
        await press(running, "z")
        assert "STATE" in running.screen
        await running.press("z", "escape")
        assert "STATE" in running.screen


@pytest.mark.parametrize("place", ["d", "a", "l", "enter"])
@driven
async def test_keys_of_every_place(place):
    async with Driven() as running:
        await running.press(place)
        calls = list(running.feed.calls)
        await press(running, "r", "f5")
        assert running.feed.calls == [*calls, "refresh", "refresh"]
        await press(running, "p")
        assert running.feed.paused
        assert "paused" in running.screen
        await running.press("p")
        assert not running.feed.paused
        await press(running, "m")
        assert running.view.state.masked
        await running.press("m")
        for name in ("question_mark", "f1", "h"):
            await press(running, name)
            assert running.view.state.overlay == "help"
            await running.press("escape")
            assert running.view.state.overlay == ""
        running.notices.add("something happened")
        await press(running, "exclamation_mark")
        assert "something happened" in running.screen
        await press(running, "escape")
        assert "something happened" not in running.screen


@driven
async def test_keys_of_help_and_notices():
    async with Driven(size=(80, 12)) as running:
        for number in range(40):
            running.notices.add(f"notice {number}")
        for name in ("question_mark", "exclamation_mark"):
            await running.press(name)
            for down, up in (("j", "k"), ("down", "up"), ("pagedown", "pageup"), ("G", "g")):
                await press(running, down)
                assert running.view.state.scroll > 0
                await press(running, up)
                assert running.view.state.scroll == 0
            await press(running, "end", "home", "escape")
            assert running.view.state.overlay == ""


@driven
async def test_columns_are_chosen_and_kept():
    async with Driven() as running:
        await press(running, "C")
        for keys, place in (("j", 1), ("k", 0), ("down", 1), ("up", 0), ("end", 21), ("home", 0)):
            await press(running, keys)
            assert cursor(running, "columns") == place
        await press(running, "G", "g", "pagedown", "pageup")
        assert cursor(running, "columns") == 0
        await running.press("j")
        await press(running, "enter")
        assert "[ ] AGENT" in running.selected
        await press(running, "space", "space")
        assert [set(one) for one in running.kept] == [{"AGENT"}, set(), {"AGENT"}]
        await running.press("g", "space")
        assert "[x] STATE" in running.selected
        await press(running, "escape")
        assert "AGENT" not in running.lines[2]
        assert "STATE" in running.lines[2]


@pytest.mark.parametrize("name", ["q", "f10", "ctrl+c", "ctrl+q"])
@pytest.mark.parametrize(
    "place", ["d", "a", "l", "enter", "C", "question_mark", "exclamation_mark"]
)
@driven
async def test_keys_quit(place, name):
    async with Driven() as running:
        await running.press(place)
        await press(running, name)
        assert running.app.return_value == 0
    assert running.feed.calls[-1] == "stop"


@pytest.mark.parametrize("name", ["f10", "ctrl+c", "ctrl+q"])
@driven
async def test_keys_quit_in_the_text_field(name):
    async with Driven() as running:
        await running.press("slash")
        await running.press(name)
        assert running.app.return_value == 0


@pytest.mark.parametrize(
    "place", ["d", "a", "l", "enter", "C", "question_mark", "exclamation_mark"]
)
@driven
async def test_suspend(place, monkeypatch):
    async with Driven() as running:
        calls = []
        monkeypatch.setattr(running.app, "action_suspend_process", lambda: calls.append(1))
        await running.press(place)
        await press(running, "ctrl+z")
        assert calls == [1]


EMPTY = {"nothing": nothing(NO_AGENTS), "first scan": False, "no process": frame(trees=())}


@pytest.mark.long
@pytest.mark.parametrize("found", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 8)], ids=str)
@driven
async def test_keys_do_no_harm(found, size):
    async with Driven(found, size=size) as running:
        names = [name for key in KEYS for name in key.keys.split(",") if key.action != "leave"]
        names.remove("ctrl+z")
        for name in [*names, *names[::-1]]:
            await running.pilot.press(name)
        await running.press("escape", "escape", "q")
        assert running.app.return_value in {0, None}


def test_every_key_was_pressed_in_every_context():
    """The tests above have pressed each key of KEYS in each of its contexts."""
    declared = {
        (context, name) for key in KEYS for name in key.keys.split(",") for context in key.contexts
    }
    assert declared - TESTED == set()


def test_every_action_has_a_key():
    own = {"leave", "filter", "refresh_now", "suspend_process"}
    assert {key.action for key in KEYS} == ACTIONS.keys() | own
