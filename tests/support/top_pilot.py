"""Runs `TopApp` without a terminal: with a feed that a test controls, and a clock that it sets."""

import asyncio
from functools import wraps

from textual import _wait
from top_views import NOW, frame, make_view, screen_of

from agtop_exporter.top import app as app_module
from agtop_exporter.top.app import TopApp
from agtop_exporter.top.notices import Notices
from agtop_exporter.top.rows import Rows

_wait.SLEEP_GRANULARITY, _wait.SLEEP_IDLE = 0.002, 0.001  # a pilot sleeps this long after each key
app_module.FRAME_SECONDS = 0.0  # no test waits for the next frame


class StillFeed:
    """A feed that publishes only what a test gives to it."""

    def __init__(self, changed):
        self.changed = changed
        self.rows = self.progress = None
        self.failure = ""
        self.paused = self.wants_usage = False
        self.calls = []

    def start(self):
        """Remember the call."""
        self.calls.append("start")

    def stop(self):
        """Remember the call."""
        self.calls.append("stop")

    def refresh_now(self):
        """Remember the call."""
        self.calls.append("refresh")

    def publish(self, found):
        """Publish a frame."""
        self.rows = Rows(found)
        self.changed()


class Driven:
    """An application that runs. Its clock stands still until the test moves it."""

    def __init__(self, found=None, *, size=(80, 24), **look):
        self.now = NOW
        self.size = size
        self.view = make_view(False, **look)  # noqa: FBT003 - no frame
        self.kept = []
        self.feed = None
        self.notices = Notices()
        self.app = TopApp(
            self.view,
            self._make_feed,
            clock=lambda: self.now,
            notices=self.notices,
            keep_hidden=self.kept.append,
        )
        self._found = frame() if found is None else found

    def _make_feed(self, changed):
        self.feed = StillFeed(changed)
        return self.feed

    async def __aenter__(self):
        self._running = self.app.run_test(size=self.size)
        self.pilot = await self._running.__aenter__()
        if self._found:
            self.feed.publish(self._found)
        await self.pilot.pause()
        return self

    async def __aexit__(self, *problem):
        await self._running.__aexit__(*problem)
        if self.app.crash and not problem[0]:
            raise self.app.crash

    async def press(self, *keys):
        """Press keys, and wait until they have been handled."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text):
        """Type a text."""
        names = {"/": "slash", ">": "greater_than_sign", "<": "less_than_sign", " ": "space"}
        names |= {"!": "exclamation_mark", ":": "colon"}
        await self.press(*(names.get(letter, letter) for letter in text))

    @property
    def screen(self):
        """The text of the screen."""
        return screen_of(self.view, self.now)

    @property
    def lines(self):
        """The lines of the screen."""
        return self.screen.splitlines()

    @property
    def drawn(self):
        """The lines that Textual has drawn, the text field included."""
        screen = self.app.screen
        strips = screen._compositor.render_strips()  # noqa: SLF001 - no other way to see the screen
        return [strip.text for strip in strips]

    @property
    def selected(self):
        """The line with the cursor."""
        return next((line for line in self.lines if line.startswith("▌")), "")

    @property
    def shown_keys(self):
        """The names of the keys in the footer."""
        return self.lines[-1]


def driven(test):
    """Turn a coroutine into a test."""

    @wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run
