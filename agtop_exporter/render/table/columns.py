"""Defines the columns of the table: their titles, widths and cells."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Literal

import msgspec

from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    Cost,
    ProcessUsage,
    Session,
    TokenCounts,
)

MISSING = "-"
ROUNDS_UP = 999.95  # rounded to one decimal, this is 1000.0
AGES = (
    (31_536_000, "y"),
    (2_592_000, "mo"),
    (604_800, "w"),
    (86_400, "d"),
    (3_600, "h"),
    (60, "m"),
)


class View(msgspec.Struct, frozen=True):
    """Values on which the cells of all rows depend.

    `home` is the home directory, and `now` is the current time in unix seconds. If `timezone` is
    None, the time zone is that of the machine.
    """

    home: str
    now: float
    timezone: tzinfo | None


class Column(msgspec.Struct, frozen=True):
    """A column of the table.

    `cell` returns the text of a session's cell. If the table is too wide, columns with the highest
    `rank` are removed first. Columns with rank 0 are never removed.
    """

    title: str
    rank: int
    cell: Callable[[Session, View], str]
    align: Literal["left", "right"] = "right"
    width_max: int = 20


def compact(number: float) -> str:
    """Return a number with at most four digits and a decimal unit: 999, 1.3k, 25.0M, 3.2G."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < (1000 if unit == "" else ROUNDS_UP):
            return f"{number:.1f}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    return f"{number:.1f}P"


def money(cost: Cost, tokens: TokenCounts, *, decimals: int = 4) -> str:
    """Return `cost`, the cost of `tokens`, in US dollars; `?` if the cost is unknown.

    A `*` means that the cost excludes tokens without a known price.
    """
    if not cost.known_for(tokens):
        return "?"
    return f"{cost.total / PICODOLLARS_PER_USD:.{decimals}f}{'*' if cost.unpriced_tokens else ''}"


def dollars(billed: int, cost: Cost, tokens: TokenCounts) -> str:
    """Return the billed amount (picodollars) in US dollars; `?` if the amount is unknown.

    `cost` is the list price of `tokens`. A `*` means that some tokens have no known price.
    """
    if not billed and not cost.known_for(tokens):
        return "?"
    return f"{billed / PICODOLLARS_PER_USD:.4f}{'*' if cost.unpriced_tokens else ''}"


def age(seconds: float) -> str:
    """Return a duration in its largest unit, rounded down: now, 5m, 3h, 2d, 6w, 4mo, 1y."""
    for unit_seconds, unit in AGES:
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds:.0f}{unit}"
    return "now"


def cached(tokens: TokenCounts) -> int:
    """Return the tokens of all types that read or write the prompt cache."""
    return tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h


def _session(session: Session, _view: View) -> str:
    length = 10 if session.session_id.startswith("ses_") else 8
    subagents = f"+{session.subagent_file_count}" if session.subagent_file_count else ""
    return session.session_id[:length] + subagents


def _started(session: Session, view: View) -> str:
    if session.started_at is None:
        return MISSING
    try:
        moment = datetime.fromtimestamp(session.started_at, UTC).astimezone(view.timezone)
    except (OverflowError, ValueError, OSError):  # a time from a transcript may be out of range
        return MISSING
    return f"{moment:%Y-%m-%d %H:%M}"


def _age(session: Session, view: View) -> str:
    return MISSING if session.last_active is None else age(view.now - session.last_active)


def _cwd(session: Session, view: View) -> str:
    if not session.cwd:
        return MISSING
    home = view.home.rstrip("/")
    inside = home and (session.cwd == home or session.cwd.startswith(f"{home}/"))
    return f"~{session.cwd[len(home) :]}" if inside else session.cwd


def _cost(session: Session, _view: View) -> str:
    return "incl" if session.included else money(session.tree.cost, session.tree.tokens)


def _billed(session: Session, _view: View) -> str:
    billed = 0 if session.included else session.tree.billed
    return dollars(billed, session.tree.cost, session.tree.tokens)


def _pid(session: Session, _view: View) -> str:
    return str(session.process.pid) if session.process else MISSING


def _usage(
    value_of: Callable[[ProcessUsage], float | None], form: Callable[[float], str]
) -> Callable[[Session, View], str]:
    def cell(session: Session, _view: View) -> str:
        usage = session.process.usage if session.process else None
        value = value_of(usage) if usage else None
        return MISSING if value is None else form(value)

    return cell


def _rate(value: float) -> str:
    return f"{compact(max(0, value))}/s"


COLUMNS = (
    Column("AGENT", 5, lambda session, _: session.agent, "left"),
    Column("SUBSCRIPTION", 16, lambda session, _: session.subscription or MISSING, "left", 16),
    Column("SESSION", 0, _session, "left"),
    Column("STATE", 0, lambda session, _: session.state.kind, "left"),
    Column("STARTED", 15, _started, "left"),
    Column("AGE", 3, _age),
    Column("MODEL", 4, lambda session, _: session.model or "?", "left"),
    Column("CWD", 8, _cwd, "left", 18),
    Column("IN", 7, lambda session, _: compact(session.tree.tokens.input)),
    Column("OUT", 6, lambda session, _: compact(session.tree.tokens.output)),
    Column("CACHE", 11, lambda session, _: compact(cached(session.tree.tokens))),
    Column("COST$", 0, _cost),
    Column("BILLED$", 17, _billed),
    Column("PID", 12, _pid),
    Column("CPU", 10, _usage(lambda usage: usage.cpu_percent, "{:.1f}%".format)),
    Column("MEM", 9, _usage(lambda usage: usage.rss_bytes, compact)),
    Column("R/s", 13, _usage(lambda usage: usage.disk_read_bytes_per_second, _rate)),
    Column("W/s", 14, _usage(lambda usage: usage.disk_written_bytes_per_second, _rate)),
)
