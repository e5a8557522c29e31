"""Figures that are old, or that a failed refresh could not renew, are marked and dimmed."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import UTC

import pytest
from top_pilot import Driven, driven
from top_views import NOW, frame, make_view, screen_of, session, sessions

from agtop_exporter.reports import Calendar
from agtop_exporter.top.app import TopApp
from agtop_exporter.top.feed import Feed
from agtop_exporter.top.notices import Notices
from agtop_exporter.top.rows import Rows


def styles(view, now):
    """Return the styles of the rows that are not selected."""
    return {style for line in view.lines(now)[4:12] for _, style in line}


@pytest.mark.parametrize(("age", "is_stale"), [(0, False), (5.9, False), (6.1, True), (95, True)])
def test_after_three_intervals(age, is_stale):
    view = make_view()
    text = screen_of(view, NOW + age)
    assert (f"STALE {age:.0f}s" in text) == is_stale
    assert (styles(view, NOW + age) == {"dim"}) == is_stale


def test_a_paused_view_is_not_stale():
    view = make_view()
    view.act(NOW, "pause")
    assert "STALE" not in screen_of(view, NOW + 95)
    assert "paused" in screen_of(view, NOW + 95)


def test_rows_of_the_ledger_are_not_stale_during_the_first_scan():
    view = make_view(frame(complete=False))
    view.progress = (1_000_000, 9_000_000, 2.0)
    text = screen_of(view, NOW + 60)
    assert "STALE" not in text
    assert "1 of 9 MB" in text
    assert "webshop" in text


def test_a_failure_is_shown_until_a_refresh_works():
    view = make_view()
    view.failure = "cannot read the ledger"
    assert "STALE 3s cannot read the ledger" in screen_of(view, NOW + 3)
    view.receive(Rows(frame()))
    assert "cannot read" not in screen_of(view, NOW)


def test_rates_are_pending_before_the_second_sample():
    view = make_view(frame(rated=False))
    line = next(line for line in screen_of(view).splitlines() if "webshop" in line)
    assert line.split()[-3:] == ["…", "248.0M", "3m"]


def test_control_characters_are_removed():
    title = "a\x1b[31mred\x07\u202e\ttitle\nnext"
    one = session(1, "pro\x1b[2Jject", title, "idle", git_branch="ma\x9bin", model="mo\rdel")
    for size in ((80, 24), (200, 60)):
        view = make_view(frame(one), size=size)
        text = "".join(part for line in view.lines(NOW) for part, _ in line)
        assert text.isprintable()
        assert "a[31mredtitlenext" in text or size[0] == 80


@pytest.mark.slow
@driven
async def test_a_feed_that_hangs_holds_no_key():
    hold, opened = threading.Event(), threading.Event()

    @contextmanager
    def opens():
        opened.set()
        hold.wait()
        raise OSError("the file system is back")
        yield

    view = make_view(False)  # noqa: FBT003 - no frame

    def make_feed(changed):
        return Feed(
            opens, clock=lambda: NOW, calendar=Calendar(UTC), delay_seconds=2, changed=changed
        )

    app = TopApp(
        view, make_feed, clock=lambda: NOW, notices=Notices(), keep_hidden=lambda _titles: None
    )
    async with app.run_test() as pilot:
        await asyncio.to_thread(opened.wait)
        for name, place in (("a", "totals"), ("l", "limits"), ("d", "sessions")):
            await pilot.press(name)
            assert view.state.place == place
        hold.set()


@pytest.mark.slow
@driven
async def test_a_refresh_draws_only_the_cells_that_differ():
    async with Driven() as running:
        canvas = running.app.query_one("Canvas")
        drawn = []
        refresh = canvas.refresh
        canvas.refresh = lambda *regions, **more: drawn.extend(regions) or refresh(*regions, **more)
        running.feed.publish(frame())
        await running.pilot.pause()
        assert drawn == []
        shown = [
            session(1, "docs", one.title, "waiting", reason="permission", process=one.process,
                    context_used_tokens=40_000)
            if one.project == "docs" else one
            for one in sessions()
        ]  # fmt: skip
        running.feed.publish(frame(*shown))
        await running.pilot.pause()
        (region,) = drawn
        assert (region.y, region.height) == (3, 1)
        assert region.width < 12
