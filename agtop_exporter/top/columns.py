"""Defines the columns of the list of sessions. A new column is one entry of COLUMNS."""

from collections.abc import Callable
from typing import Literal

import msgspec

from agtop_exporter.model import ProcessUsage
from agtop_exporter.render.table.columns import (
    ID_CHARACTERS,
    INCLUDED,
    URGENCY,
    compact,
    money,
    session_name,
)
from agtop_exporter.top.look import (
    UNKNOWN,
    Look,
    model_name,
    pending,
    per_second,
    percent,
    short,
)
from agtop_exporter.top.rows import Row
from agtop_exporter.top.spans import (
    NEARLY_FULL,
    STATE_SIGNS,
    Span,
    sparkline,
    visible,
)

NO_SESSION = "no session"
ACTIVITY_CELLS = 8
STATE_RANKS = {kind: rank for rank, kind in enumerate(URGENCY)}
SortKey = float | str | None


class Column(msgspec.Struct, frozen=True):
    """A column: its title, its width in terminal cells, and the functions of its cells.

    If the terminal is too narrow, the columns with the highest `rank` are removed first; columns
    with rank 0 always stay. `sort` returns the value by which the rows are sorted; rows with None
    come last. The column may get `stretch` additional cells if there is space. If `keeps_end` is
    true, a text that is too long is cut at its start.
    """

    title: str
    rank: int
    width: int
    cell: Callable[[Row, Look], Span]
    sort: Callable[[Row], SortKey]
    align: Literal["left", "right"] = "right"
    stretch: int = 0
    keeps_end: bool = False
    rises: bool = False  # sorted from the smallest value on


def _state(row: Row, look: Look) -> Span:
    if row.session is None:
        return UNKNOWN, "dim"
    sign = STATE_SIGNS[row.session.state.kind]
    return f"{sign.ascii if look.ascii_only else sign.glyph} {sign.word}", sign.style


def _state_rank(row: Row) -> SortKey:
    return len(STATE_RANKS) if row.session is None else STATE_RANKS[row.session.state.kind]


def _project(row: Row, look: Look) -> Span:
    if row.session is None:
        return NO_SESSION, "dim"
    name = look.private(row.session.project or UNKNOWN)
    if row.depth:
        return f"{'  ' * (row.depth - 1)}{'`-' if look.ascii_only else '└─'} {name}", "dim"
    if row.subagents:
        return f"{name}{'-' if row.unfolded else '+'}{row.subagents}", ""
    return name, ""


def _text(
    value_of: Callable[[Row], str | None], *, private: bool = False
) -> Callable[[Row, Look], Span]:
    def cell(row: Row, look: Look) -> Span:
        text = value_of(row)
        if not text:
            return UNKNOWN, "dim"
        return (look.private(text) if private else visible(text)), ""

    return cell


def _of_session(name: str) -> Callable[[Row], str | None]:
    return lambda row: getattr(row.session, name) if row.session else None


def context_ratio(row: Row) -> float | None:
    """Return the used share of the context window; None if it is unknown."""
    session = row.session
    if session is None or session.context_used_tokens is None:
        return None
    window = session.context_window_tokens
    return session.context_used_tokens / window if window else None


def _context(row: Row, _look: Look) -> Span:
    ratio = context_ratio(row)
    if ratio is None:
        return UNKNOWN, "dim"
    return f"{ratio:.0%}", "high" if ratio >= NEARLY_FULL else ""


def _tokens_rate(row: Row, look: Look) -> Span:
    if row.session is None or row.depth:
        return UNKNOWN, "dim"
    if row.session.state.kind == "closed":
        return "0", "dim"
    rate = row.ring.tokens_per_minute
    return (pending(look), "dim") if rate is None else (short(rate), "" if rate else "dim")


def _cost(row: Row, _look: Look) -> Span:
    if row.session is None:
        return UNKNOWN, "dim"
    tree = row.session.tree
    return (INCLUDED, "dim") if row.session.included else (money(tree.cost, tree.tokens), "")


def _cost_value(row: Row) -> SortKey:
    return row.session.tree.cost.total if row.session else None


def _usage(
    value_of: Callable[[ProcessUsage], float | None],
    form: Callable[[float], str],
    *,
    rate: bool = False,
) -> Callable[[Row, Look], Span]:
    def cell(row: Row, look: Look) -> Span:
        if row.depth:
            return "", ""  # the processes are the parent's
        usage = row.usage
        if usage is None:
            return UNKNOWN, "dim"
        value = value_of(usage)
        if rate and (value is None or not look.rated):
            return pending(look) if not look.rated else UNKNOWN, "dim"
        return (UNKNOWN, "dim") if value is None else (form(value), "")

    return cell


def _usage_value(value_of: Callable[[ProcessUsage], float | None]) -> Callable[[Row], SortKey]:
    return lambda row: value_of(row.usage) if row.usage else None


def _resource(  # noqa: PLR0913 - the facts of a column
    title: str,
    rank: int,
    width: int,
    value_of: Callable[[ProcessUsage], float | None],
    form: Callable[[float], str],
    *,
    rate: bool = False,
) -> Column:
    return Column(
        title, rank, width, _usage(value_of, form, rate=rate), sort=_usage_value(value_of)
    )


def _words(  # noqa: PLR0913 - the facts of a column
    title: str,
    rank: int,
    width: int,
    name: str,
    *,
    private: bool = False,
    stretch: int = 0,
) -> Column:
    value_of = _of_session(name)
    return Column(
        title,
        rank,
        width,
        _text(value_of, private=private),
        sort=lambda row: value_of(row) or None,
        align="left",
        stretch=stretch,
        rises=True,
    )


def _activity(row: Row, look: Look) -> Span:
    rates = row.ring.token_rates(ACTIVITY_CELLS * 4)
    return sparkline(rates, ACTIVITY_CELLS, ascii_only=look.ascii_only), "bar"


COLUMNS = (
    Column("STATE", 0, 9, _state, sort=_state_rank, align="left", rises=True),
    Column(
        "AGENT",
        2,
        7,
        _text(lambda row: row.agent),
        sort=lambda row: row.agent,
        align="left",
        stretch=4,
        rises=True,
    ),
    Column(
        "PROJECT",
        0,
        10,
        _project,
        sort=lambda row: row.session.project if row.session else None,
        align="left",
        stretch=30,
        rises=True,
    ),
    Column(
        "MODEL",
        5,
        11,
        _text(lambda row: model_name(row.session.model) if row.session else None),
        sort=lambda row: row.session.model if row.session else None,
        align="left",
        stretch=14,
        keeps_end=True,
        rises=True,
    ),
    Column("CTX", 1, 4, _context, sort=context_ratio),
    Column("TOK/m", 3, 5, _tokens_rate, sort=lambda row: row.ring.tokens_per_minute),
    Column("COST$", 0, 8, _cost, sort=_cost_value),
    _resource("CPU", 4, 5, lambda usage: usage.cpu_percent, percent, rate=True),
    _resource("MEM", 6, 6, lambda usage: usage.rss_bytes, compact),
    Column(
        "AGE",
        0,
        4,
        lambda row, look: (look.since(row.last_active or None), ""),
        sort=lambda row: -row.last_active if row.last_active else None,
        rises=True,
    ),
    _words("TITLE", 7, 12, "title", private=True, stretch=60),
    Column(
        "SESSION",
        8,
        ID_CHARACTERS,
        _text(lambda row: session_name(row.session.session_id) if row.session else None),
        sort=lambda row: row.session.session_id if row.session else None,
        align="left",
        rises=True,
    ),
    Column(
        "TOKENS",
        11,
        6,
        lambda row, _: (
            (compact(row.session.tree.tokens.total), "") if row.session else (UNKNOWN, "dim")
        ),
        sort=lambda row: row.session.tree.tokens.total if row.session else None,
    ),
    Column("ACTIVITY", 9, ACTIVITY_CELLS, _activity, sort=lambda row: row.ring.tokens_per_minute),
    Column("PID", 10, 7, _text(lambda row: str(row.pid or "")), sort=lambda row: row.pid),
    Column("SUB", 12, 3, lambda row, _: (str(row.subagents or ""), ""), lambda row: row.subagents),
    _resource("R/s", 13, 8, lambda usage: usage.disk_read_bytes_per_second, per_second, rate=True),
    _resource(
        "W/s", 14, 8, lambda usage: usage.disk_written_bytes_per_second, per_second, rate=True
    ),
    _words("BRANCH", 15, 12, "git_branch", private=True),
    _words("EFFORT", 16, 6, "model_effort"),
    _words("PLAN", 17, 8, "subscription"),
    Column(
        "STARTED",
        18,
        16,
        lambda row, look: (look.clock(row.session.started_at if row.session else None), ""),
        sort=lambda row: row.session.started_at if row.session else None,
        align="left",
    ),
)
"""All columns, in the order in which they are shown."""

BY_TITLE = {column.title: column for column in COLUMNS}
