"""Puts the lines of all parts together to one screen."""

from collections.abc import Sequence

import msgspec

from agtop_exporter.top.detail import TABS
from agtop_exporter.top.listing import Table
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, Span, clipped, width_of
from agtop_exporter.top.view_state import LEAST_HEIGHT, LEAST_WIDTH, Box, Cursor, Layout

MARK = "▌"


class Parts(msgspec.Struct, frozen=True):
    """The lines of all parts of a screen. If the list is empty, `remark` is shown in its place."""

    header: Sequence[Line]
    table: Table | None
    cursor: Cursor
    text: Sequence[Line]  # in place of a table: the help and the notices
    scroll: int
    remark: Sequence[str]
    detail: Sequence[Line]
    tabs: Line
    footer: Line
    has_focus: bool  # the keys go to the list
    dimmed: bool = False


def too_small(width: int, height: int) -> bool:
    """Return whether a terminal is too small for the view."""
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def small_screen(width: int, height: int) -> list[Line]:
    """Return the screen of a terminal that is too small."""
    text = f"agtop needs {LEAST_WIDTH}x{LEAST_HEIGHT}, this is {width}x{height}"
    return [clipped(((text, ""),), width), *[()] * (height - 1)]


def screen(parts: Parts, layout: Layout) -> list[Line]:
    """Return all lines of the screen."""
    lines: list[Line] = [clipped(line, layout.width) for line in parts.header]
    lines += [()] * (layout.header - len(lines))
    body = _body(parts, layout.body) if layout.body else []
    detail = _detail(parts, layout.detail) if layout.detail else []
    if layout.body and layout.detail and layout.detail.x:
        for left, right in zip(body, detail, strict=True):
            space = layout.body.width - width_of(left)
            lines.append((*left, (" " * space, ""), ("│", "dim"), *right))
    else:
        lines += [*body, *detail]
    return [*lines, clipped(parts.footer, layout.width)]


def _body(parts: Parts, box: Box) -> list[Line]:
    if parts.table is None:
        shown = parts.text[parts.scroll : parts.scroll + box.height]
        return _filled([clipped(line, box.width) for line in shown], box.height)
    lines = [clipped(parts.table.header, box.width)]
    if not parts.table.keys:
        lines += [(), *(((f"  {text}", "dim"),) for text in parts.remark)]
        return _filled([clipped(line, box.width) for line in lines], box.height)
    last = min(len(parts.table.keys), parts.cursor.top + box.height - 1)
    for index in range(parts.cursor.top, last):
        line = clipped(parts.table.line(index), box.width)
        if index == parts.cursor.index:
            line = _selected(line, box.width, strong=parts.has_focus)
        elif parts.dimmed:
            line = tuple((text, "dim") for text, _ in line)
        lines.append(line)
    return _filled(lines, box.height)


def _selected(line: Line, width: int, *, strong: bool) -> Line:
    """Return the line of the cursor, with a mark. It is reversed if the keys act on the list.

    Bars and graphs are not reversed, because they would show the opposite of their value.
    """
    if not strong:
        return ((MARK, "mark"), *line[1:])
    space = " " * (width - width_of(line))
    marked = ((MARK, ""), *line[1:], (space, ""))
    return tuple(
        (text, style if style == "bar" else f"selected {style}".rstrip()) for text, style in marked
    )


def _detail(parts: Parts, box: Box) -> list[Line]:
    shown = parts.detail[parts.scroll : parts.scroll + box.height - 1]
    left = [((" ", ""), *line) for line in shown]
    lines = [clipped(line, box.width) for line in (parts.tabs, *left)]
    return _filled(lines, box.height)


def _filled(lines: Sequence[Line], height: int) -> list[Line]:
    return [*lines[:height], *[()] * (height - len(lines))]


def tabs_line(chosen: int, width: int, *, focused: bool) -> Line:
    """Return the titles of the tabs, with the chosen one marked."""
    spans: list[Span] = [(" ", "")]
    for number, tab in enumerate(TABS):
        style = ("tab" if focused else "bold") if number == chosen else "dim"
        left, right = "[]" if number == chosen else "  "
        spans.append((f"{left}{number + 1} {tab.title}{right}", style))
    rule = "─" * max(0, width - width_of(spans) - 1)
    return (*spans, (f" {rule}", "dim"))


def tab_at(cell: int) -> int | None:
    """Return the number of the tab at a cell of the line of tabs; None if there is no tab."""
    start = 1
    for number, tab in enumerate(TABS):
        end = start + len(f"[{number + 1} {tab.title}]")
        if start <= cell < end:
            return number
        start = end
    return None


def detail_lines(row: Row | None, rows: Rows, tab: int, look: Look, width: int) -> list[Line]:
    """Return the lines of a tab for the selected row."""
    if row is None:
        return [(("No session is selected.", "dim"),)]
    return TABS[tab].lines(row, rows, look, width - 2)
