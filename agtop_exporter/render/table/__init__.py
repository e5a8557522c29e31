"""Renders a snapshot as a table, with the most recently active session first.

    AGENT        SESSION     STATE    AGE  MODEL                IN   OUT  CACHE   COST$
    -------------------------------------------------------------------------------------
    claude-code  0d5dfd4a+2  running   1m  claude-sonnet-4-5  1.0k  5.0k  23.4k  0.0977
    3 sessions (1 active), in 3.0k, out 15.0k, cache 70.2k, billed 0.2930 USD

A row is a top-level session including its subagents. The line below the rows has totals.
The numbers in parentheses count top-level sessions only: active, idle, waiting, started today.
COST$ is the list price. BILLED$ is the cost that the agent recorded, or else the list price. In
COST$, `incl` means that the plan covers the cost. `?` means that no price is known, and `*` means
that some tokens have no known price.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

import msgspec
from msgspec.structs import asdict
from rich.cells import cell_len, set_cell_size
from rich.style import Style

from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    BudgetUse,
    Session,
    Snapshot,
)
from agtop_exporter.render.table.columns import COLUMNS, Column, View, cached, compact, dollars
from agtop_exporter.state import count_states

ROWS_MAX = 200
GAP = 2  # spaces between two columns

STATE_STYLES = {
    "running": "green",
    "waiting": "bold yellow",
    "warning": "yellow",
    "error": "bold red",
    "idle": "dim",
    "closed": "dim",
}


class Filled(msgspec.Struct, frozen=True):
    """A column with its cells, which are cut and padded to `width` characters."""

    column: Column
    title: str
    cells: list[str]
    width: int


def render(  # noqa: PLR0913 - a table depends on these values only
    snapshot: Snapshot,
    *,
    width: int | None,
    color: bool,
    home: str,
    now: float,
    timezone: tzinfo | None = None,
) -> str:
    """Return the table, and below it the lines with the totals and the budgets.

    `width` is the greatest length of a line in characters; None means no limit. `home` is replaced
    by `~` in directories. `now` is in unix seconds. `timezone` is the time zone of the column
    STARTED; None means the time zone of the machine. `color` adds ANSI colors.
    """
    top = _top_level(snapshot.sessions)
    shown = top[:ROWS_MAX]
    view = View(home, now, timezone)
    full = width is None
    columns = _fitting([_filled(c, shown, view, full=full) for c in COLUMNS], width)
    fits = width is None or _width(columns) <= width
    lines = _lines(columns, shown, color=color and fits)
    notes = [f"{len(top) - ROWS_MAX} more"] if len(top) > ROWS_MAX else []
    notes.append(_totals(snapshot, _state_counts(top, view)))
    notes += map(_budget, snapshot.budgets)
    page = [*lines, *(_cut(note, width) for note in notes)]
    if not fits:
        page = [_cut(line, width) for line in page]
    return "".join(f"{line.rstrip()}\n" for line in page)


def _lines(columns: Sequence[Filled], sessions: Sequence[Session], *, color: bool) -> Iterator[str]:
    header = (" " * GAP).join(item.title for item in columns)
    yield _styled(header, "bold" if color else "")
    yield "-" * _width(columns)
    for row, session in enumerate(sessions):
        state = STATE_STYLES[session.state.kind] if color else ""
        yield (" " * GAP).join(
            _styled(item.cells[row], state if item.column.title == "STATE" else "")
            for item in columns
        )


def _styled(text: str, style: str) -> str:
    return Style.parse(style).render(text) if style else text


def _top_level(sessions: Sequence[Session]) -> list[Session]:
    known = {(session.agent, session.session_id) for session in sessions}
    top = [s for s in sessions if (s.agent, s.parent_session_id) not in known]
    return sorted(top, key=lambda s: (-(s.last_active or 0), s.session_id))


def _filled(column: Column, sessions: Sequence[Session], view: View, *, full: bool) -> Filled:
    cells = [_visible(column.cell(session, view)) for session in sessions]
    width = max(map(cell_len, [column.title, *cells]))
    if not full:
        width = min(width, max(column.width_max, len(column.title)))
    title = _aligned(column.title, width, column.align)
    return Filled(column, title, [_aligned(cell, width, column.align) for cell in cells], width)


def _visible(text: str) -> str:
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _aligned(text: str, width: int, align: str) -> str:
    space = " " * (width - cell_len(text))
    return _cut(text, width) + space if align == "left" else space + _cut(text, width)


def _cut(text: str, width: int | None) -> str:
    return (
        text if width is None or cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
    )


def _fitting(columns: Sequence[Filled], width: int | None) -> Sequence[Filled]:
    kept = list(columns)
    while width is not None and _width(kept) > width:
        first_to_go = max(kept, key=lambda item: item.column.rank)
        if first_to_go.column.rank == 0:
            break
        kept.remove(first_to_go)
    return kept


def _width(columns: Sequence[Filled]) -> int:
    return sum(item.width for item in columns) + GAP * (len(columns) - 1)


def _state_counts(top: Sequence[Session], view: View) -> str:
    """Return the numbers of sessions by state and started today: ` (1 active, 2 today)`."""
    midnight = datetime.fromtimestamp(view.now, view.timezone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    counts = count_states(
        [(session.state, session.started_at) for session in top], midnight=midnight.timestamp()
    )
    parts = [f"{number} {name}" for name, number in asdict(counts).items() if number]
    return f" ({', '.join(parts)})" if parts else ""


def _budget(use: BudgetUse) -> str:
    """Return a line such as `budget claude month: 12.50 of 50.00 USD (25%), projected 48%`."""
    return (
        f"budget {_visible(use.name)}: {use.used_usd:.2f} of {use.budget_usd:.2f} USD"
        f" ({use.used_ratio:.0%}), projected {use.projected_ratio:.0%}"
    )


def _totals(snapshot: Snapshot, states: str) -> str:
    tokens, cost, billed_tokens, billed = NO_TOKENS, NO_COST, NO_TOKENS, 0
    for session in snapshot.sessions:
        tokens += session.tokens
        if not session.included:
            billed += session.billed
            cost += session.cost
            billed_tokens += session.tokens
    count = len(snapshot.sessions)
    included = sum(session.included for session in snapshot.sessions)
    return (
        f"{count} session{'' if count == 1 else 's'}{states}, in {compact(tokens.input)}, "
        f"out {compact(tokens.output)}, cache {compact(cached(tokens))}, "
        f"billed {dollars(billed, cost, billed_tokens)} USD"
        f"{f', {included} included' if included else ''}"
    )
