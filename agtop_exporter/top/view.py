"""`View`: the choices of the user, and the screen that shows them. No I/O, no clock."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from agtop_exporter.reports import Calendar
from agtop_exporter.top.actions import Scene, act, choose_tab, keys_of, select_line, sort_by
from agtop_exporter.top.content import Content, content
from agtop_exporter.top.filters import FilterError, Texts, parse
from agtop_exporter.top.footer import footer
from agtop_exporter.top.header import header, progress_line, stale_seconds
from agtop_exporter.top.keys import Key
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.screen import (
    Parts,
    detail_lines,
    screen,
    small_screen,
    tab_at,
    tabs_line,
    too_small,
)
from agtop_exporter.top.selection import Selection, Selector
from agtop_exporter.top.spans import Line, Span
from agtop_exporter.top.view_state import START, Layout, ViewState, layout_of

HOLD_SECONDS = 1.0  # rows keep their places for this time after a key that moves the cursor
MOVES = frozenset({"move", "page", "edge"})
WHEEL_LINES = 3
NEVER = float("-inf")


class View:
    """The state of the view. No method waits or performs I/O.

    `receive` takes the rows of a refresh, `act` performs the action of a key, and `lines` returns
    the screen. The application sets the attributes `size`, `progress`, `failure` and `notices`.
    """

    def __init__(
        self, look: Look, *, calendar: Calendar, hidden: frozenset[str] = frozenset()
    ) -> None:
        """Start without rows.

        `look` defines how values are shown; its time is replaced by the time of each call. `hidden`
        has the titles of the columns that the user has hidden before.
        """
        self.state = ViewState(hidden=hidden)
        self.rows: Rows | None = None
        self.size = (80, 24)
        self.progress: tuple[int, int, float] | None = None  # bytes read, all bytes, seconds
        self.failure = ""  # why the last refresh failed
        self.notices: Sequence[str] = ()
        self.filter_error = ""
        self._fits = parse("")
        self._texts = Texts()
        self._look = replace(look, timezone=calendar.timezone)
        self._calendar = calendar
        self._selector = Selector(calendar.timezone)
        self._moved_at = NEVER
        self._selection = Selection()
        self._content = Content()
        self._detail: Sequence[Line] = ()
        self._settled: tuple[Any, ...] = ()  # what the three were made from

    # --- input ----------------------------------------------------------------------------------

    def receive(self, rows: Rows) -> None:
        """Show the rows of a refresh."""
        self.rows, self.failure, self.progress = rows, "", None

    def active_keys(self) -> list[Key]:
        """Return the keys that have an effect now."""
        return keys_of(self.state, self._scene())

    def act(self, now: float, name: str, *arguments: Any) -> None:  # noqa: ANN401 - see ACTIONS
        """Perform an action at a time (unix seconds)."""
        self._moved_at = now if name in MOVES else NEVER
        before = self.state.filter_text
        self.state = act(self.state, self._scene(), name, *arguments)
        if self.state.filter_text != before:
            self.filter(now, self.state.filter_text)
        self._settle(now)

    def filter(self, now: float, text: str) -> None:
        """Filter the sessions by `text`.

        If the text is not a valid filter, it is marked, and the last valid filter stays in use.
        """
        self.state = replace(self.state, filter_text=text)
        try:
            self._fits, self.filter_error = parse(text, self._texts.of), ""
        except FilterError as error:
            self.filter_error = str(error)
        self._settle(now)

    def edit(self, now: float, *, editing: bool) -> None:
        """Store whether the text field of the filter is open."""
        self.state = replace(self.state, editing=editing)
        self._settle(now)

    def click(self, now: float, x: int, y: int) -> bool:
        """Handle a click on a cell.

        Return whether the cell is on the line that was already selected.
        """
        layout, scene = self._layout(), self._scene()
        if layout.detail and layout.detail.has(x, y):
            tab = tab_at(x - layout.detail.x) if y == layout.detail.y else None
            state = self.state if tab is None else choose_tab(self.state, scene, tab)
            self.state = replace(state, focused=True)
        elif layout.body and layout.body.has(x, y) and self._content.table:
            self.state = replace(self.state, focused=False)
            return self._click_list(now, x - layout.body.x, y - layout.body.y - 1)
        self._settle(now)
        return False

    def _click_list(self, now: float, x: int, line: int) -> bool:
        table = self._content.table
        cursor = self.state.cursors.get(self.state.list_name, START)
        index = cursor.top + line
        if table is None or index >= len(table.keys):
            return False
        if line < 0:
            column = table.column_at(x)
            if column:
                self._moved_at = NEVER
                self.state = sort_by(self.state, column)
        else:
            self._moved_at = now
            self.state = select_line(self.state, self._scene(), index)
        self._settle(now)
        return line >= 0 and index == cursor.index

    def scroll(self, now: float, direction: int) -> None:
        """Scroll by some lines; -1 is up."""
        self.act(now, "move", direction * WHEEL_LINES)

    # --- output ---------------------------------------------------------------------------------

    def lines(self, now: float) -> list[Line]:
        """Return the screen at a time (unix seconds): one line for each line of the terminal."""
        width, height = self.size
        if too_small(width, height):
            return small_screen(width, height)
        self._settle(now)
        layout, look = self._layout(), self._look_at(now)
        tabs: Line = ()
        if layout.detail:
            tabs = tabs_line(self.state.tab, layout.detail.width, focused=self.state.focused)
        parts = Parts(
            header=self._header(layout, look),
            table=self._content.table,
            cursor=self.state.cursors.get(self.state.list_name, START),
            text=self._content.text,
            scroll=self.state.scroll,
            remark=self._content.remark,
            detail=self._detail,
            tabs=tabs,
            footer=footer(
                self.state,
                self.active_keys(),
                self._selection,
                width=width,
                error=self.filter_error,
            ),
            has_focus=not self.state.focused,
            dimmed=self._is_stale(now),
        )
        return screen(parts, layout)

    def _header(self, layout: Layout, look: Look) -> list[Line]:
        frame = self.rows.frame if self.rows else None
        notes: list[Span] = []
        reason = look.private(self.failure) if self.failure else ""  # may contain a path
        if self.state.paused:
            notes.append(("paused", "stalled"))
        if frame and self._is_stale(look.now):
            age = look.now - frame.snapshot.generated_at
            notes.append((f"STALE {age:.0f}s {reason}".rstrip(), "error"))
        elif self.failure:
            notes.append((reason, "error"))
        lines = header(self.rows, look, layout.width, graphs=not layout.is_small, notes=notes)
        if self.progress and not (frame and frame.complete):
            lines[1] = progress_line(*self.progress, look)
        return lines

    def _is_stale(self, now: float) -> bool:
        if self.rows is None or self.state.paused or self.progress:
            return False
        return bool(self.failure) or stale_seconds(self.rows.frame, now) is not None

    # --- what is shown --------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Compute what is shown, and move the cursors and the scrolling into its limits."""
        if self._settled == self._shown_from(now):
            return
        held = now - self._moved_at < HOLD_SECONDS
        self._selection = self._selector.select(
            self.rows, self.state, self._fits, now=now, held=held
        )
        layout, look = self._layout(), self._look_at(now)
        box = layout.body or layout.detail
        width = box.width if box else layout.width
        self._content = content(
            self.state,
            self.rows,
            self._selection,
            look,
            width=width,
            calendar=self._calendar,
            notices=self.notices,
        )
        name, table = self.state.list_name, self._content.table
        if table:
            height = max(1, (layout.body.height if layout.body else layout.height) - 1)
            before = self.state.cursors.get(name, START)
            cursor = before.settled(table.keys, height, pinned=self.state.focused)
            self.state = replace(self.state, cursors={**self.state.cursors, name: cursor})
        self._detail = ()
        if layout.detail and self.rows:
            self._detail = detail_lines(
                self._row(), self.rows, self.state.tab, look, layout.detail.width
            )
        scene = self._scene()
        if scene.text_lines is not None:
            last = max(0, scene.text_lines - scene.page)
            self.state = replace(self.state, scroll=min(self.state.scroll, last))
        self._settled = self._shown_from(now)

    def _shown_from(self, now: float) -> tuple[Any, ...]:
        """Return everything on which the selection, the content and the detail depend."""
        return now, self.state, self.rows, self.size, self._fits, self.notices

    def _layout(self) -> Layout:
        return layout_of(self.state, *self.size)

    def _look_at(self, now: float) -> Look:
        rated = self.rows is not None and self.rows.frame.rated
        return replace(self._look, now=now, masked=self.state.masked, rated=rated)

    def _row(self) -> Row | None:
        cursor = self.state.cursors.get("sessions", START)
        rows = self._selection.rows
        return rows[cursor.index] if cursor.index < len(rows) else None

    def _scene(self) -> Scene:
        layout, table = self._layout(), self._content.table
        text_lines: int | None = None
        if self.state.context == "detail":
            text_lines = len(self._detail)
        elif table is None:
            text_lines = len(self._content.text)
        box = layout.detail if self.state.context == "detail" else layout.body
        heads = 1 if table or self.state.context == "detail" else 0
        cursor = self.state.cursors.get("totals", START)
        groups = self._content.groups
        return Scene(
            keys=table.keys if table else (),
            page=(box.height if box else layout.height) - heads,
            text_lines=text_lines,
            is_small=layout.is_small,
            shows_detail=layout.detail is not None,
            row=self._row(),
            total=groups[cursor.index] if cursor.index < len(groups) else None,
        )
