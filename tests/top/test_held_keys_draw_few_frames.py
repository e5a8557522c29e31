"""While a key is held, the screen is drawn once per frame, and at last with the latest state."""

import asyncio

import pytest
from top_pilot import Driven, driven

from agtop_exporter.top import app


async def draws_of(running, *keys):
    """Press keys; return the screens that were drawn, after the last one is up to date."""
    canvas = running.app.query_one("Canvas")
    drawn, show = [], canvas.show

    def watched(lines):
        drawn.append(lines)
        show(lines)

    canvas.show = watched
    await running.press(*keys)
    async with asyncio.timeout(5):
        while not drawn or drawn[-1] != running.view.lines(running.now):
            await running.pilot.pause()
    return drawn


@pytest.mark.slow
@driven
async def test_many_keys_in_one_frame(monkeypatch):
    monkeypatch.setattr(app, "FRAME_SECONDS", 0.2)
    async with Driven() as running:
        drawn = await draws_of(running, *"jjjjjkkjjj")
        assert running.selected == running.lines[9]
        assert len(drawn) <= 2
