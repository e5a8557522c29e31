"""The widget that draws the lines of the view, and reports clicks and turns of the wheel."""

from collections.abc import Sequence

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from agtop_exporter.top.spans import Line, width_of
from agtop_exporter.top.styles import Palette


class Canvas(Widget, can_focus=True):
    """Shows lines of spans. Only the cells whose text or style has changed are drawn again."""

    class Clicked(Message):
        """The user has clicked on a cell."""

        def __init__(self, x: int, y: int) -> None:
            super().__init__()
            self.x, self.y = x, y

    class Scrolled(Message):
        """The user has turned the wheel; -1 is up."""

        def __init__(self, direction: int) -> None:
            super().__init__()
            self.direction = direction

    def __init__(self, palette: Palette) -> None:
        """Draw with the styles of `palette`."""
        super().__init__()
        self._palette = palette
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines, one for each line of the terminal."""
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        pairs = enumerate(zip(before, lines, strict=True))
        changed = [_changed(old, new, y, self.size.width) for y, (old, new) in pairs if old != new]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """Return the strip of one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        return self._palette.strip(line, self.size.width)

    def on_click(self, event: events.Click) -> None:
        """Report a click to the application."""
        self.post_message(self.Clicked(event.x, event.y))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Report a turn of the wheel to the application."""
        event.stop()
        self.post_message(self.Scrolled(1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Report a turn of the wheel to the application."""
        event.stop()
        self.post_message(self.Scrolled(-1))


def _changed(old: Line, new: Line, y: int, width: int) -> Region:
    """Return the part of a line in which two versions differ."""
    same = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        same += 1
    start = width_of(new[:same])
    if width_of(old) != width_of(new):
        return Region(start, y, max(0, width - start), 1)
    tail = 0
    for before, after in zip(reversed(old[same:]), reversed(new[same:]), strict=False):
        if before != after:
            break
        tail += 1
    end = width_of(new[: len(new) - tail])
    return Region(start, y, max(0, end - start), 1)
