"""The choices of the user, such as the place, the cursor and the filter, and the screen layout."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

import msgspec

from agtop_exporter.top.history import SessionId
from agtop_exporter.top.order import ATTENTION, Scope
from agtop_exporter.top.totals import GroupBy, Range

Place = Literal["sessions", "totals", "limits"]
Overlay = Literal["", "help", "notices", "columns"]
Context = Literal["sessions", "totals", "limits", "detail", "help", "notices", "columns"]

LEAST_WIDTH, LEAST_HEIGHT = 60, 12
MEDIUM_WIDTH, MEDIUM_HEIGHT = 120, 40
LARGE_WIDTH = 200
PANEL_LINES, PANEL_CELLS = 14, 80


class Cursor(msgspec.Struct, frozen=True):
    """The selected line of a list: its key, its number, and the number of the first line shown."""

    key: SessionId | None = None
    index: int = 0
    top: int = 0

    def settled(self, keys: Sequence[SessionId], height: int, *, pinned: bool = False) -> Self:
        """Return the cursor on the line with its key, or else on the nearest line.

        The list is scrolled so that the line is visible. A cursor on the first line stays on the
        first line, so that the list does not scroll away from its start. If `pinned` is true, a
        cursor on the first line follows its key too.
        """
        if not keys:
            return type(self)()
        index = min(self.index, len(keys) - 1)
        if (index or pinned) and keys[index] != self.key and self.key in keys:
            index = keys.index(self.key)
        top = min(self.top, index, max(0, len(keys) - height))
        return type(self)(keys[index], index, max(top, index - height + 1, 0))

    def moved(self, by: int, keys: Sequence[SessionId]) -> Self:
        """Return the cursor moved by `by` lines, but not beyond the first or the last line."""
        if not keys:
            return type(self)()
        index = min(len(keys) - 1, max(0, self.index + by))
        return type(self)(keys[index], index, self.top)


START = Cursor()


class ViewState(msgspec.Struct, frozen=True):
    """All choices of the user.

    `cursors` has the cursor of each list. `scroll` is the first visible line of the detail, of the
    help or of the notices. `detail` is true if the panel with the detail is open on a large
    terminal. `focused` is true if the keys act on the detail, and `zoomed` if the detail fills the
    screen.
    """

    place: Place = "sessions"
    overlay: Overlay = ""
    sort: str = ATTENTION
    flipped: bool = False
    scope: Scope = "live+today"
    filter_text: str = ""
    unfolded: frozenset[SessionId] = frozenset()
    cursors: Mapping[str, Cursor] = {}
    scroll: int = 0
    tab: int = 0
    detail: bool = True
    focused: bool = False
    zoomed: bool = False
    masked: bool = False
    paused: bool = False
    editing: bool = False  # the text field of the filter covers the left half of the last line
    hidden: frozenset[str] = frozenset()  # titles of columns
    group: GroupBy = "agent"
    range: Range = "today"
    drilled: frozenset[SessionId] | None = None  # the sessions of a group of the totals
    drilled_name: str = ""  # the name of this group

    @property
    def context(self) -> Context:
        """The part of the view that the keys act on."""
        if self.overlay:
            return self.overlay
        return "detail" if self.focused else self.place

    @property
    def list_name(self) -> str:
        """The name of the list that is shown."""
        return self.overlay or self.place


class Box(msgspec.Struct, frozen=True):
    """A rectangle of terminal cells."""

    x: int
    y: int
    width: int
    height: int

    def has(self, x: int, y: int) -> bool:
        """Return whether a cell is in the rectangle."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


class Layout(msgspec.Struct, frozen=True):
    """The positions of the parts: the header, the list with its own header line, and the detail."""

    width: int
    height: int
    header: int
    body: Box | None
    detail: Box | None
    is_small: bool


def layout_of(state: ViewState, width: int, height: int) -> Layout:
    """Return the positions of the parts on a terminal of this size."""
    small = width < MEDIUM_WIDTH or height < MEDIUM_HEIGHT
    header = 2 if small else 3
    space = Box(0, header, width, height - header - 1)
    shown = state.place == "sessions" and not state.overlay
    if shown and state.focused and (small or state.zoomed):
        return Layout(width, height, header, None, space, small)
    if small or not (shown and (state.detail or state.focused)):
        return Layout(width, height, header, space, None, small)
    if width >= LARGE_WIDTH:
        left = width - PANEL_CELLS
        return Layout(
            width,
            height,
            header,
            Box(0, header, left - 1, space.height),
            Box(left, header, PANEL_CELLS, space.height),
            small,
        )
    above = space.height - PANEL_LINES
    return Layout(
        width,
        height,
        header,
        Box(0, header, width, above),
        Box(0, header + above, width, PANEL_LINES),
        small,
    )
