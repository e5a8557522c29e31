"""Defines the columns of the table: their titles, widths, cells and sort keys."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Literal

import msgspec

from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    PICODOLLARS_PER_USD,
    TITLE_CHARACTERS,
    Cost,
    ProcessUsage,
    Session,
    StateKind,
    TokenCounts,
)

Value = float | str

MISSING = "-"
UNKNOWN_COST = "?"
INCLUDED = "incl"
PARTLY_PRICED = "*"
ID_CHARACTERS = 8
URGENCY: tuple[StateKind, ...] = ("waiting", "error", "warning", "running", "idle", "closed")
"""The states in the order of `--sort state`: first those that need the user."""

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

    `cell` returns the text of a session's cell. `value` returns the value by which rows are sorted,
    or None if it is unknown. If the table is too wide, columns with the highest `rank` are removed
    first. Columns with rank 0 are never removed.

    In a terminal, a column has at most `width_max` characters. In a narrow terminal, it is narrowed
    to `width_min` characters; 0 means that it is not narrowed. A column is left out if all its
    cells are unknown, or if all its cells equal those of the column `unless_equal`.
    """

    title: str
    rank: int
    cell: Callable[[Session, View], str]
    value: Callable[[Session], Value | None]
    align: Literal["left", "right"] = "right"
    width_max: int = 20
    width_min: int = 0
    unless_equal: str = ""

    @property
    def name(self) -> str:
        """The name of the column in `--sort`: its title in lower case, without the currency."""
        return self.title.lower().removesuffix("$")


def compact(number: float) -> str:
    """Return a number with at most four digits and a decimal unit: 999, 1.3k, 25.0M, 3.2G."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < (1000 if unit == "" else ROUNDS_UP):
            return f"{number:.1f}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    return f"{number:.1f}P"


def money(cost: Cost, tokens: TokenCounts) -> str:
    """Return `cost`, the cost of `tokens`, in US dollars; `?` if the cost is unknown.

    A `*` means that the cost excludes tokens without a known price.
    """
    if not cost.known_for(tokens):
        return UNKNOWN_COST
    return f"{cost.total / PICODOLLARS_PER_USD:.4f}{_mark(cost)}"


def dollars(billed: int, cost: Cost, tokens: TokenCounts) -> str:
    """Return the billed amount (picodollars) in US dollars; `?` if the amount is unknown.

    `cost` is the list price of `tokens`. A `*` means that some tokens have no known price.
    """
    if not billed and not cost.known_for(tokens):
        return UNKNOWN_COST
    return f"{billed / PICODOLLARS_PER_USD:.4f}{_mark(cost)}"


def _mark(cost: Cost) -> str:
    return PARTLY_PRICED if cost.unpriced_tokens else ""


def age(seconds: float) -> str:
    """Return a duration in its largest unit, rounded down: now, 5m, 3h, 2d, 6w, 4mo, 1y."""
    for unit_seconds, unit in AGES:
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds:.0f}{unit}"
    return "now"


def cached(tokens: TokenCounts) -> int:
    """Return the tokens of all types that read or write the prompt cache."""
    return tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h


def short_path(path: str, home: str) -> str:
    """Return a path with `~` instead of the directory `home`."""
    home = home.rstrip("/")
    inside = home and (path == home or path.startswith(f"{home}/"))
    return f"~{path[len(home) :]}" if inside else path


def session_name(session_id: str) -> str:
    """Return the last characters of a session id.

    The last characters differ even between sessions that started in the same minute.
    """
    return session_id[-ID_CHARACTERS:]


def _session(session: Session, _view: View) -> str:
    subagents = f"+{session.subagents}" if session.subagents else ""
    return session_name(session.session_id) + subagents


def local_time(time: float | None, timezone: tzinfo | None) -> datetime | None:
    """Return a time (unix seconds) in a time zone; None if it is unknown or out of range.

    If `timezone` is None, the time zone is that of the machine.
    """
    if time is None:
        return None
    try:
        return datetime.fromtimestamp(time, UTC).astimezone(timezone)
    except (OverflowError, ValueError, OSError):  # an agent can record any number
        return None


def _started(session: Session, view: View) -> str:
    moment = local_time(session.started_at, view.timezone)
    return f"{moment:%Y-%m-%d %H:%M}" if moment else MISSING


def _last(session: Session, view: View) -> str:
    return MISSING if session.last_active is None else age(view.now - session.last_active)


def _cwd(session: Session, view: View) -> str:
    return short_path(session.cwd, view.home) if session.cwd else MISSING


def _cost(session: Session, _view: View) -> str:
    return INCLUDED if session.included else money(session.tree.cost, session.tree.tokens)


def _known_cost(session: Session) -> float | None:
    known = session.tree.cost.known_for(session.tree.tokens)
    return session.tree.cost.total if known else None


def _billed(session: Session, _view: View) -> str:
    if session.included:
        return dollars(0, NO_COST, NO_TOKENS)
    return dollars(session.tree.billed, session.tree.cost, session.tree.tokens)


def _used(value_of: Callable[[ProcessUsage], float | None]) -> Callable[[Session], float | None]:
    def value(session: Session) -> float | None:
        usage = session.process.usage if session.process else None
        return value_of(usage) if usage else None

    return value


def _rate(value: float) -> str:
    return f"{compact(max(0, value))}/s"


def _number(
    title: str,
    rank: int,
    value: Callable[[Session], float | None],
    form: Callable[[float], str] = compact,
) -> Column:
    """Return a column that shows a number of each session, as the text that `form` returns."""

    def cell(session: Session, _view: View) -> str:
        number = value(session)
        return MISSING if number is None else form(number)

    return Column(title, rank, cell, value)


def _text(  # noqa: PLR0913 - the fields of a column
    title: str,
    rank: int,
    value: Callable[[Session], str | None],
    cell: Callable[[Session, View], str] | None = None,
    *,
    width_max: int = 20,
    width_min: int = 0,
) -> Column:
    """Return a column that shows the text `value` of each session.

    If `cell` is given, the column shows the text that `cell` returns, and is sorted by `value`.
    """

    def unchanged(session: Session, _view: View) -> str:
        return value(session) or MISSING

    return Column(title, rank, cell or unchanged, value, "left", width_max, width_min)


COLUMNS = (
    _text("AGENT", 7, lambda session: session.agent),
    _text("USER", 7, lambda session: session.user, width_max=16),
    _text("SUBSCRIPTION", 18, lambda session: session.subscription, width_max=16),
    _text("SESSION", 3, lambda session: session.session_id, _session),
    Column("STATE", 1, lambda s, _: s.state.kind, lambda s: -URGENCY.index(s.state.kind), "left"),
    Column("STARTED", 15, _started, lambda session: session.started_at, "left"),
    Column("LAST", 2, _last, lambda session: session.last_active),
    _text("MODEL", 4, lambda session: session.model, width_max=26, width_min=17),
    _text("PROJECT", 0, lambda session: session.project, width_min=10),
    _text("CWD", 13, lambda session: session.cwd, _cwd, width_max=30, width_min=18),
    _number("IN", 6, lambda session: session.tree.tokens.input),
    _number("OUT", 5, lambda session: session.tree.tokens.output),
    _number("CACHE", 8, lambda session: cached(session.tree.tokens)),
    Column("COST$", 0, _cost, _known_cost),
    Column("BILLED$", 14, _billed, lambda s: s.tree.billed, unless_equal="COST$"),
    _number("PID", 11, lambda session: session.process.pid if session.process else None, str),
    _number("CPU", 10, _used(lambda usage: usage.cpu_percent), "{:.1f}%".format),
    _number("MEM", 9, _used(lambda usage: usage.rss_bytes)),
    _number("R/s", 17, _used(lambda usage: usage.disk_read_bytes_per_second), _rate),
    _number("W/s", 16, _used(lambda usage: usage.disk_written_bytes_per_second), _rate),
    _text("TITLE", 12, lambda session: session.title, width_max=TITLE_CHARACTERS, width_min=16),
)
