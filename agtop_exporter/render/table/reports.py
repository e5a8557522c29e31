"""Renders a report as a table: the periods with their groups, the total and the budgets.

    DAY         MODEL            REQUESTS  INPUT  OUTPUT  CACHE WRITE  CACHE READ   TOTAL    COST
    ---------------------------------------------------------------------------------------------
    2026-11-28                        153  8,210  92,004      301,770   4,100,200  4,502,184  $9.12
                claude-opus-4-6       120  ...
                gpt-5.2-codex          33  ...
    2026-11-29  claude-opus-4-6        12  ...
    ---------------------------------------------------------------------------------------------
    total                             165  ...

A period with one group is one line.
"""

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from agtop_exporter.model import Period, UsageSum
from agtop_exporter.render.table import figures, notes
from agtop_exporter.render.table.columns import ID_CHARACTERS, MISSING
from agtop_exporter.render.table.figures import Column
from agtop_exporter.render.table.layout import Filled, Terminal
from agtop_exporter.reports import KEY_FIELDS, Report

UNKNOWN_TIME = "unknown"
TITLES = {"session_id": "SESSION", "git_branch": "BRANCH"}
NEVER_REMOVED = 2  # names of a group; a narrow table leaves out the others


class Row(msgspec.Struct, frozen=True):
    """A line of a report. `names` is empty in the sum of several groups."""

    label: str
    names: tuple[str, ...]
    usage: UsageSum


def render(report: Report, *, terminal: Terminal) -> str:
    """Return the report as a table, with the total and the budgets below it."""
    if not report.periods:
        lines = terminal.lines([[_nothing(report)]])
    else:
        rows = [*_rows(report), Row("total", (), report.usage)]
        columns = list(_columns(report, rows, terminal))
        lines = [
            *figures.grid(columns, terminal, bold=[bool(row.label) for row in rows], total=True),
            *terminal.lines([notes.marks(columns[-1].cells)]),
        ]
    lines += terminal.lines(map(notes.budget, report.budgets))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _nothing(report: Report) -> str:
    since = f" since {report.since}" if report.since else ""
    until = f" until {report.until}" if report.until else ""
    hint = "" if since or until else f"; {notes.SEARCHED}"
    return f"no usage is known{since}{until}{hint}"


def _rows(report: Report) -> Iterator[Row]:
    for period in report.periods:
        label = label_of(report.period, period.first_day)
        if len(period.groups) == 1:
            yield Row(label, period.groups[0].key, period.usage)
            continue
        yield Row(label, (), period.usage)
        for group in period.groups:
            yield Row("", group.key, group.usage)


def label_of(period: Period, first_day: date | None) -> str:
    """Return the label of a period that begins on `first_day`.

    The label is a date, or a month such as `2026-07` if `period` is `month`. If `first_day` is
    None, the time of the usage is unknown, and the label says so.
    """
    if first_day is None:
        return UNKNOWN_TIME
    return f"{first_day:%Y-%m}" if period == "month" else first_day.isoformat()


def _columns(report: Report, rows: Sequence[Row], terminal: Terminal) -> Iterator[Filled]:
    yield Filled(Column(report.period.upper(), 0, "left"), [row.label for row in rows])
    for index, field in enumerate(KEY_FIELDS[report.by]):
        cells = [_name(field, row.names[index]) if row.names else "" for row in rows]
        rank = 0 if index < NEVER_REMOVED else 3
        column = Column(TITLES.get(field, field.upper()), rank, "left", width_min=12)
        yield Filled(column, list(map(terminal.visible, cells)))
    yield from figures.filled([row.usage for row in rows])


def _name(field: str, name: str) -> str:
    return (name[-ID_CHARACTERS:] if field == "session_id" else name) or MISSING
