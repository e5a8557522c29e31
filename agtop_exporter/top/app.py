"""`TopApp`: shows a `View` on the terminal, and passes keys, clicks and refreshes to it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from agtop_exporter import platforms
from agtop_exporter.top.canvas import Canvas
from agtop_exporter.top.feed import Feed
from agtop_exporter.top.keys import KEYS
from agtop_exporter.top.notices import Notices
from agtop_exporter.top.styles import Palette
from agtop_exporter.top.view import View

TICK_SECONDS = 1.0
FRAME_SECONDS = 0.125
"""Keys draw the screen at most once in this time, also while a key is held.

With the clock and a refresh, these are at most 10 frames per second.
"""
SIGNALED = 128  # added to the number of a signal, as shells do


class PlainScreen(Screen[None], inherit_bindings=False):
    """A screen without keys of its own, such as Tab for the next widget."""


class TopApp(App[int], inherit_bindings=False):
    """The application. `crash` is the unexpected error that has ended it, or None."""

    CSS_PATH = "top.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, f"press({number})", key.label, show=False, priority=key.priority)
        for number, key in enumerate(KEYS)
    ]

    class Refreshed(Message):
        """The feed has changed one of its attributes."""

    class HungUp(Message):
        """The terminal has disappeared."""

        def __init__(self, status: int) -> None:
            super().__init__()
            self.status = status

    def __init__(  # noqa: PLR0913 - the parts that it connects
        self,
        view: View,
        make_feed: Callable[[Callable[[], None]], Feed],
        *,
        clock: Callable[[], float],
        notices: Notices,
        keep_hidden: Callable[[Iterable[str]], None],
        colored: bool = True,
        ascii_only: bool = False,
    ) -> None:
        """Connect the view with a feed.

        `make_feed` creates the feed. It takes a function, which the thread of the feed calls after
        each change. `clock` returns unix seconds. `notices` has the log messages. `keep_hidden`
        stores the titles of the columns that the user has hidden.
        """
        super().__init__(ansi_color=True)
        self.crash: Exception | None = None
        self._view = view
        self._clock = clock
        self._notices = notices
        self._keep_hidden = keep_hidden
        self._canvas = Canvas(Palette(colored=colored, ascii_only=ascii_only))
        self._field = Input(placeholder="words, state:wait, !codex, cost>1, age<1h", compact=True)
        self._field.cursor_blink = False
        self._feed = make_feed(self._refreshed)
        self._frame_ends_at = 0.0  # in seconds of the loop's clock
        self._waits = False  # a draw at the end of the frame is planned

    def _refreshed(self) -> None:
        """Notify the application that the feed has changed. The thread of the feed calls this."""
        self.post_message(self.Refreshed())

    def get_default_screen(self) -> Screen[None]:
        """Return the only screen."""
        return PlainScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Return the two widgets: the canvas, and the text field of the filter."""
        yield self._canvas
        yield self._field

    def on_mount(self) -> None:
        """Start the feed, the clock and the handlers of signals."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows
            for number in (*platforms.STOP_SIGNALS, *platforms.RELOAD_SIGNALS):
                loop.add_signal_handler(number, self.exit, SIGNALED + number)
        self._canvas.focus()
        self.set_interval(TICK_SECONDS, self._show)
        self._feed.start()

    async def on_unmount(self) -> None:
        """Stop the feed."""
        await asyncio.to_thread(self._feed.stop)

    def hang_up(self, status: int) -> None:
        """End with an exit status. Any thread may call this."""
        self.post_message(self.HungUp(status))

    def on_top_app_hung_up(self, message: HungUp) -> None:
        """End the application, because its terminal has disappeared."""
        self.exit(message.status)

    def _handle_exception(self, error: Exception) -> None:
        """End the application after an unexpected error.

        Textual's own handler is not called, because it prints the values of variables.
        """
        self.crash = self.crash or error
        self._close_messages_no_wait()

    # --- keys -----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now.

        While the user types in the text field, only keys with priority have an effect.
        """
        if action != "press":
            return super().check_action(action, parameters)
        key = KEYS[int(str(parameters[0]))]
        if self._field.has_focus:
            return key.priority
        return key in self._view.active_keys()

    async def action_press(self, number: int) -> None:
        """Perform the action of a key."""
        key = KEYS[number]
        own = {
            "leave": self._leave,
            "filter": self._edit_filter,
            "refresh_now": self._feed.refresh_now,
            "suspend_process": self.action_suspend_process,
        }
        if key.action in own:
            own[key.action]()
            return
        hidden, now = self._view.state.hidden, self._clock()
        self._view.act(now, key.action, *key.arguments)
        if self._view.state.hidden != hidden:
            self._keep_hidden(self._view.state.hidden)
        self._show_key(now)

    def _leave(self) -> None:
        self.exit(0)

    def _edit_filter(self) -> None:
        self._field.value = self._view.state.filter_text
        self._field.display = True
        self._field.focus()
        self._view.edit(self._clock(), editing=True)
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        if self._field.has_focus:
            self._view.filter(self._clock(), event.value)
            self._show()

    def on_input_submitted(self) -> None:
        """Keep the filter, and go back to the list."""
        self._end_edit()

    def on_key(self, event: events.Key) -> None:
        """Clear the filter when Esc is pressed in the text field."""
        if event.key == "escape" and self._field.has_focus:
            event.stop()
            self._view.filter(self._clock(), "")
            self._end_edit()

    def _end_edit(self) -> None:
        self._field.display = False
        self._canvas.focus()
        self._view.edit(self._clock(), editing=False)
        self._show()

    # --- mouse and terminal ---------------------------------------------------------------------

    async def on_canvas_clicked(self, message: Canvas.Clicked) -> None:
        """Select the line that was clicked. A click on the selected line opens it."""
        if self._field.has_focus:
            self._end_edit()
        if self._view.click(self._clock(), message.x, message.y):
            opening = next(
                (key for key in self._view.active_keys() if "enter" in key.keys.split(",")), None
            )
            if opening is not None:
                self._view.act(self._clock(), opening.action, *opening.arguments)
        self._show()

    def on_canvas_scrolled(self, message: Canvas.Scrolled) -> None:
        """Scroll the part of the screen that the keys act on."""
        self._view.scroll(self._clock(), message.direction)
        self._show_key()

    def on_resize(self, event: events.Resize) -> None:
        """Lay the screen out for the new size."""
        self._view.size = (event.size.width, event.size.height)
        self._show()

    # --- output ---------------------------------------------------------------------------------

    def on_top_app_refreshed(self) -> None:
        """Show what the feed has found, unless the user has paused the view."""
        self._show()

    def _show_key(self, now: float | None = None) -> None:
        """Draw the result of a key: at once, or at the end of the frame of an earlier key.

        `now` is in unix seconds.
        """
        time = asyncio.get_running_loop().time()
        if time >= self._frame_ends_at:
            self._frame_ends_at = time + FRAME_SECONDS
            self._show(now)
        elif not self._waits:
            self._waits = True
            self.set_timer(self._frame_ends_at - time, self._end_frame)

    def _end_frame(self) -> None:
        self._waits = False
        self._frame_ends_at = asyncio.get_running_loop().time() + FRAME_SECONDS
        self._show()

    def _show(self, now: float | None = None) -> None:
        """Draw the screen as of `now` (unix seconds); None is the current time.

        Only the cells that differ are written.
        """
        feed, view = self._feed, self._view
        if feed.rows is not None and feed.rows is not view.rows:
            view.receive(feed.rows)
        view.failure, view.progress = feed.failure, feed.progress
        view.notices = self._notices.latest_first
        feed.paused = view.state.paused
        wanted = view.state.place == "totals"
        if wanted and not feed.wants_usage:
            feed.wants_usage = True
            feed.refresh_now()
        feed.wants_usage = wanted
        self._canvas.show(view.lines(self._clock() if now is None else now))
