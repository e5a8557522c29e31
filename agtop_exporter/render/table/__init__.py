"""Renders a snapshot as a table, with the most recently active session first.

    AGENT   SESSION     STATE    LAST  MODEL              PROJECT    IN   OUT  CACHE   COST$
    ----------------------------------------------------------------------------------------
    claude  8f6a9b10+2  running    1m  claude-sonnet-4-5  shop     1.0k  5.0k  23.4k  0.0977
    1 session + 2 subagents, 1 active, in 1.0k, out 5.0k, cache 23.4k, list price 0.0977 USD
    marks: +N = with N subagents

A row is a top-level session including its subagents. A column is left out if all its cells are
unknown. COST$ is the list price. BILLED$ is the cost that the agent recorded, or else the list
price; the column is left out if it is the same as COST$. `notes` describes the lines below the
rows.
"""

from collections.abc import Iterator, Sequence

from rich.style import Style

from agtop_exporter.model import Session, Snapshot
from agtop_exporter.render.table import notes
from agtop_exporter.render.table.columns import COLUMNS, View
from agtop_exporter.render.table.layout import GAP, Arranged, Filled, Terminal, arrange, fill
from agtop_exporter.render.table.rows import EVERYTHING, Selection, select, top_level

ROWS_MAX = 200
HEADER_LINES = 2
NOTES_SHARE = 3  # on a screen, at most a third of the lines are notes, except the totals
MARKED = frozenset({"COST$", "BILLED$"})  # columns whose cells can have marks

STATE_STYLES = {
    "running": "green",
    "waiting": "bold yellow",
    "warning": "yellow",
    "error": "bold red",
    "idle": "dim",
    "closed": "dim",
}


def render(  # noqa: PLR0913 - a table depends on these values only
    snapshot: Snapshot,
    *,
    view: View,
    terminal: Terminal,
    selection: Selection = EVERYTHING,
    rows_max: int | None = ROWS_MAX,
    remarks: Sequence[str] = (),
    footer: str = "",
) -> str:
    """Return the table of the selected sessions, and the notes below it.

    If the terminal has a height, the result has at most this number of lines. It then contains the
    header, the `remarks`, the totals and the `footer` (its last line), and as many rows as fit.
    Otherwise the table has at most `rows_max` rows.
    """
    top = top_level(snapshot.sessions)
    rows = select(top, selection)
    summary = list(_summary(snapshot, rows, top, view))
    totals = terminal.lines([*([remark] for remark in remarks), *summary])
    others = terminal.lines(notes.below(snapshot, view))
    end = terminal.lines([[footer]] if footer else [])

    free = None
    if terminal.height is not None:
        free = max(0, terminal.height - HEADER_LINES - len(totals) - len(end))
    shown = rows[: rows_max if free is None else free]
    columns = fill(COLUMNS, shown, view, terminal)
    figures = [word for note in summary for part in note for word in part.split()]
    others += terminal.lines([notes.legend([*_marked_cells(columns), *figures], shown)])
    if free is not None:
        others = others[: free // NOTES_SHARE]
        free -= len(others)
        if len(rows) > free:
            shown = shown[: max(0, free - 1)]
    hidden = len(rows) - len(shown)
    more = terminal.lines([notes.hidden(hidden, is_screen=free is not None)] if hidden else [])
    table = list(_table(arrange(columns, terminal.width), len(shown), terminal)) if shown else []
    page = [*table, *more, *totals, *others]
    if terminal.height is not None:
        page = page[: max(0, terminal.height - len(end))]
    return "".join(f"{line.rstrip()}\n" for line in [*page, *end][: terminal.height])


def _summary(
    snapshot: Snapshot, rows: Sequence[Session], top: Sequence[Session], view: View
) -> Iterator[notes.Note]:
    """Yield the totals of the `rows`, or the reason why there are no rows.

    `rows` are the sessions that were selected from the top-level sessions `top`.
    """
    if rows:
        yield notes.totals(rows, len(top), view)
    elif top:
        yield notes.nothing_selected(len(top))
    else:
        yield from notes.nothing_found(snapshot, view)


def _marked_cells(columns: Sequence[Filled]) -> list[str]:
    return [cell for item in columns if item.title in MARKED for cell in item.cells]


def _table(arranged: Arranged, rows: int, terminal: Terminal) -> Iterator[str]:
    """Yield the header, a rule, and the first rows."""
    fits = terminal.width is None or arranged.width <= terminal.width
    color = terminal.color and fits
    titles = [item.title for item in arranged.columns]
    header, *lines = arranged.lines(terminal)
    yield _styled(terminal.cut(_joined(header), terminal.width), "bold" if color else "")
    yield "-" * (arranged.width if terminal.width is None else min(arranged.width, terminal.width))
    for cells in lines[:rows]:
        if color and "STATE" in titles:
            state = titles.index("STATE")
            cells[state] = _styled(cells[state], STATE_STYLES[cells[state].strip()])
        yield _joined(cells) if fits else terminal.cut(_joined(cells), terminal.width)


def _joined(cells: Sequence[str]) -> str:
    return (" " * GAP).join(cells)


def _styled(text: str, style: str) -> str:
    return Style.parse(style).render(text) if style else text
