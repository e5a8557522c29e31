"""While a key is held, the screen is drawn once per frame, and at last with the latest state."""

import asyncio

import pytest
from top_pilot import Driven, driven

from agtop_exporter.top import app

FRAME_SECONDS = 0.2
PATIENCE_SECONDS = 30  # a bound for failures, not a wait


async def draws_of(running, *keys):
    """Press keys; return the screens that were drawn, after the last one is up to date."""
    canvas = running.app.query_one("Canvas")
    drawn, show = [], canvas.show

    def watched(lines):
        drawn.append(lines)
        show(lines)

    canvas.show = watched
    await running.press(*keys)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not drawn or drawn[-1] != running.view.lines(running.now):
            await running.pilot.pause()
    return drawn


@pytest.mark.slow
@driven
async def test_many_keys_in_one_frame(monkeypatch):
    monkeypatch.setattr(app, "FRAME_SECONDS", FRAME_SECONDS)
    async with Driven() as running:
        began = asyncio.get_running_loop().time()
        drawn = await draws_of(running, *"jjjjjkkjjj")
        frames = (asyncio.get_running_loop().time() - began) / FRAME_SECONDS
        assert running.selected == running.lines[9]
        assert len(drawn) <= frames + 2  # one frame on a machine that is not loaded
