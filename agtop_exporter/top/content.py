"""The middle of the screen: the table or the text of the chosen place, such as Totals."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from agtop_exporter.reports import Calendar, Span
from agtop_exporter.top.columns import COLUMNS
from agtop_exporter.top.keys import help_lines
from agtop_exporter.top.limits import limits_table
from agtop_exporter.top.listing import Heading, Table, fitting, plain_table, sessions_table
from agtop_exporter.top.look import Look
from agtop_exporter.top.order import Scope
from agtop_exporter.top.rows import Rows
from agtop_exporter.top.selection import Selection
from agtop_exporter.top.spans import Line, visible
from agtop_exporter.top.totals import GroupBy, Total, plans_of, span_of, totals, totals_table
from agtop_exporter.top.view_state import ViewState

SCAN_RUNS = "The first scan has not ended yet."


class Content(msgspec.Struct, frozen=True):
    """A table, or lines of text instead of a table. `remark` explains why a table is empty.

    `groups` has the usage by group if the table is that of the totals.
    """

    table: Table | None = None
    text: Sequence[Line] = ()
    remark: Sequence[str] = ()
    groups: Sequence[Total] = ()


def content(  # noqa: PLR0913 - what the middle of the screen depends on
    state: ViewState,
    rows: Rows | None,
    selection: Selection,
    look: Look,
    *,
    width: int,
    calendar: Calendar,
    notices: Sequence[str],
) -> Content:
    """Return what the chosen place or overlay of `state` shows in `width` terminal cells."""
    if state.overlay == "help":
        return Content(text=help_lines())
    if state.overlay == "notices":
        return Content(text=_notice_lines(notices, masked=state.masked))
    if state.overlay == "columns":
        return Content(table=_columns_table(state, width))
    if state.place == "totals":
        return _totals(state, rows, look, width=width, calendar=calendar)
    if state.place == "limits":
        limits = rows.frame.snapshot.rate_limits if rows else ()
        remark = "The files of your agents show no limits." if rows else SCAN_RUNS
        return Content(table=limits_table(limits, look), remark=(remark,))
    return Content(
        table=sessions_table(
            selection.rows,
            selection.keys,
            look,
            width=width,
            sorted_by=state.sort,
            flipped=state.flipped,
            hidden=state.hidden,
        ),
        remark=_remark(rows, state, selection),
    )


def _notice_lines(notices: Sequence[str], *, masked: bool) -> Sequence[Line]:
    if masked and notices:
        return [(("Notices may contain paths. Press Esc and m to show them.", "dim"),)]
    return [((visible(text), ""),) for text in notices] or [(("No notices.", "dim"),)]


def _columns_table(state: ViewState, width: int) -> Table:
    headings = (Heading("", 3, "left"), Heading("COLUMN", 10, "left"), Heading("", 36, "left"))
    shown = {item.column.title for item in fitting(width, state.hidden)}
    lines = []
    for column in COLUMNS:
        is_hidden = column.title in state.hidden
        note = "always shown" if column.rank == 0 else ""
        if not is_hidden and column.title not in shown:
            note = "the terminal is too narrow"
        sign = "[ ]" if is_hidden else "[x]"
        lines.append((("columns", column.title), [(sign, ""), (column.title, ""), (note, "dim")]))
    return plain_table(headings, lines)


def _totals(
    state: ViewState, rows: Rows | None, look: Look, *, width: int, calendar: Calendar
) -> Content:
    if rows is None or rows.frame.usage is None:
        empty = totals_table((), state.group, look, width=width)
        return Content(
            table=msgspec.structs.replace(empty, keys=()), remark=("Reading the ledger.",)
        )
    groups = _groups(rows, state.group, span_of(state.range, look.now, calendar))
    table = totals_table(groups, state.group, look, width=width)
    if not groups:
        remark = (f"Nothing was used in this range: {state.range}.",)
        return Content(table=msgspec.structs.replace(table, keys=()), remark=remark)
    return Content(table=table, groups=groups)


@lru_cache(maxsize=1)  # the clock draws the screen each second, usually with the same totals
def _groups(rows: Rows, by: GroupBy, hours: Span) -> list[Total]:
    covered = {status.agent for status in rows.frame.snapshot.agents if status.included}
    return totals(rows.frame.usage or (), by, hours, plans=plans_of(rows), covered=covered)


def _remark(rows: Rows | None, state: ViewState, selection: Selection) -> Sequence[str]:
    """Return the reason why the list of sessions is empty, and what the user can do."""
    if rows is None:
        return (SCAN_RUNS,)
    if state.filter_text or state.drilled is not None:
        return ("No session matches. Esc goes back.",)
    if selection.hidden:
        return (f"{_SCOPES[state.scope]} Others: {selection.hidden}; press v.",)
    agents = rows.frame.snapshot.agents
    found = [status.agent for status in agents if status.enabled]
    if found:
        return (f"No session was found in the files of {', '.join(found)}.",)
    return (
        "No agent was found on this machine.",
        f"Looked for {', '.join(status.agent for status in agents)}.",
        "`agtop-exporter doctor` shows the directories.",
    )


_SCOPES: dict[Scope, str] = {
    "live": "No session is live.",
    "live+today": "No session is live or was active today.",
    "all": "",
}
