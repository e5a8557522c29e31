"""The place Totals: usage in a range of days, by agent, model, project or plan."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Literal, get_args

import msgspec

from agtop_exporter.model import NO_SUM, PICODOLLARS_PER_USD, HourlyUsage, UsageSum
from agtop_exporter.render.table.columns import compact
from agtop_exporter.reports import Calendar, Span
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.listing import Heading, Table, plain_table
from agtop_exporter.top.look import UNKNOWN, Look
from agtop_exporter.top.rows import Rows
from agtop_exporter.top.spans import Span as TextSpan
from agtop_exporter.top.spans import sparkline

GroupBy = Literal["agent", "model", "project", "plan"]
GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
Range = Literal["today", "7 d", "30 d", "all"]
RANGES: tuple[Range, ...] = get_args(Range)
DAYS: Mapping[Range, int] = {"today": 1, "7 d": 7, "30 d": 30}
SPARK_CELLS = 24


def span_of(range_: Range, now: float, calendar: Calendar) -> Span:
    """Return the hours of a range that ends with the day of `now` (unix seconds)."""
    return calendar.last_days(now, DAYS[range_]) if range_ in DAYS else Span()


def condensed(usage: Iterable[HourlyUsage], calendar: Calendar, now: float) -> list[HourlyUsage]:
    """Return the usage with one value for each day, top-level session, project and model.

    The usage of the day of `now` (unix seconds) stays by hour. A value of an earlier day has the
    first hour of this day, and no branch. The sum of each range of days stays the same.
    """
    today = calendar.last_days(now, 1)

    @cache
    def start(hour: int) -> int:
        is_dated = hour and hour not in today
        return calendar.first_hour(calendar.day_of(hour)) if is_dated else hour

    sums: dict[tuple[str, str, str, str, int], UsageSum] = {}
    for one in usage:
        key = (one.agent, one.top_session_id, one.project, one.model, start(one.hour))
        sums[key] = sums.get(key, NO_SUM) + one.usage
    return [
        HourlyUsage(agent, session, session, project, "", model, hour, total)
        for (agent, session, project, model, hour), total in sums.items()
    ]


def total_of(usage: Iterable[HourlyUsage]) -> UsageSum:
    """Return the sum of all usage."""
    return _sum(one.usage for one in usage)


def dollars(usage: UsageSum, decimals: int = 2) -> str:
    """Return the list price as text: `?` if it is unknown.

    `*` means that the price of a part is unknown.
    """
    if not usage.cost_known:
        return "?"
    return f"{usage.cost / PICODOLLARS_PER_USD:.{decimals}f}{'*' if usage.unpriced_tokens else ''}"


class Total(msgspec.Struct, frozen=True):
    """The usage of one group: its name, its sum, its share of all cost, and its top-level sessions.

    `bill` is the usage that is billed, with the billed amount as its `cost`. `by_time` has the
    tokens of each part of the range, the oldest part first.
    """

    name: str
    usage: UsageSum
    bill: UsageSum
    share: float | None
    by_time: tuple[float, ...]
    sessions: frozenset[SessionId]


def totals(
    usage: Iterable[HourlyUsage],
    by: GroupBy,
    hours: Span,
    *,
    plans: Mapping[SessionId, str],
    covered: Collection[str] = (),
) -> list[Total]:
    """Return the usage in the hours of a range by group, the most expensive group first.

    `plans` has the plan of each session. `covered` has the agents whose usage is not billed.
    """
    name_of = _names(by, plans)
    used = [one for one in usage if one.hour in hours]
    groups: dict[str, list[HourlyUsage]] = defaultdict(list)
    for one in used:
        groups[name_of(one)].append(one)
    dated = [one.hour for one in used if one.hour]
    first, last = min(dated, default=0), max(dated, default=0)
    cost = sum(one.usage.cost for one in used)
    found = [
        Total(
            name,
            total := total_of(members),
            total_of_bills(members, covered),
            total.cost / cost if cost else None,
            _by_time(members, first, last),
            frozenset((one.agent, one.top_session_id) for one in members),
        )
        for name, members in groups.items()
    ]
    return sorted(found, key=lambda one: (-one.usage.cost, -one.usage.tokens.total, one.name))


def total_of_bills(usage: Iterable[HourlyUsage], covered: Collection[str]) -> UsageSum:
    """Return the sum of the billed usage. The cost of the sum is the billed amount."""
    total = total_of(one for one in usage if one.agent not in covered)
    return msgspec.structs.replace(total, cost=max(0, total.cost + total.billed_difference))


def _names(by: GroupBy, plans: Mapping[SessionId, str]) -> Callable[[HourlyUsage], str]:
    if by == "plan":
        return lambda one: plans.get((one.agent, one.top_session_id), "")
    return lambda one: str(getattr(one, by))


def _by_time(members: Iterable[HourlyUsage], first: int, last: int) -> tuple[float, ...]:
    cells = [0.0] * min(SPARK_CELLS, last - first + 1)
    for one in members:
        if one.hour:
            cells[(one.hour - first) * len(cells) // (last - first + 1)] += one.usage.tokens.total
    return tuple(cells)


def plans_of(rows: Rows) -> dict[SessionId, str]:
    """Return the plan of each session that has one."""
    return {
        key: session.subscription for key, session in rows.sessions.items() if session.subscription
    }


HEADINGS = (
    Heading("REQUESTS", 8),
    Heading("INPUT", 6),
    Heading("CACHE R", 7),
    Heading("WRITE 5m", 8),
    Heading("WRITE 1h", 8),
    Heading("OUTPUT", 6),
    Heading("COST$", 10),
    Heading("BILLED$", 10),
    Heading("SHARE", 5),
)
NARROW = ("WRITE 5m", "WRITE 1h", "INPUT")  # leave first, in this order


def totals_table(groups: Sequence[Total], by: GroupBy, look: Look, *, width: int) -> Table:
    """Return the totals as a table. The last row is the sum.

    The billed amounts are left out if all of them equal the costs.
    """
    space = width - 2 - 16
    whole, bill = _sum(one.usage for one in groups), _sum(one.bill for one in groups)
    wanted = list(HEADINGS)
    if all(one.bill.cost == one.usage.cost for one in groups):
        wanted = [heading for heading in wanted if heading.title != "BILLED$"]
    for title in NARROW:
        if sum(heading.width + 1 for heading in wanted) > space:
            wanted = [heading for heading in wanted if heading.title != title]
    space -= sum(heading.width + 1 for heading in wanted)
    activity = [Heading("ACTIVITY", SPARK_CELLS)] if space > SPARK_CELLS else []
    space -= sum(heading.width + 1 for heading in activity)
    name = Heading(by.upper(), 16 + max(0, min(space, 24)), "left")
    lines: list[tuple[SessionId, list[TextSpan]]] = [
        (
            (by, one.name),
            [
                (name_of(one.name, by, look), ""),
                *_cells(one.usage, one.bill, one.share, wanted),
                *[(_spark(one, look), "bar") for _ in activity],
            ],
        )
        for one in groups
    ]
    cells = [("total", "bold"), *_cells(whole, bill, None, wanted), *[("", "") for _ in activity]]
    lines.append((("", "total"), [(text, "bold") for text, _ in cells]))
    return plain_table([name, *wanted, *activity], lines, sorted_by="COST$")


def _sum(sums: Iterable[UsageSum]) -> UsageSum:
    return sum(sums, NO_SUM)


def name_of(name: str, by: GroupBy, look: Look) -> str:
    """Return the name of a group as it is shown; `-` if it is unknown."""
    return (look.private(name) if by == "project" else name) or UNKNOWN


def _spark(one: Total, look: Look) -> str:
    return sparkline(one.by_time, SPARK_CELLS, ascii_only=look.ascii_only)


def _cells(
    usage: UsageSum, bill: UsageSum, share: float | None, wanted: Sequence[Heading]
) -> list[TextSpan]:
    tokens = usage.tokens
    texts = {
        "REQUESTS": str(usage.requests),
        "INPUT": compact(tokens.input),
        "CACHE R": compact(tokens.cache_read),
        "WRITE 5m": compact(tokens.cache_write_5m),
        "WRITE 1h": compact(tokens.cache_write_1h),
        "OUTPUT": compact(tokens.output),
        "COST$": dollars(usage),
        "BILLED$": dollars(bill),
        "SHARE": "" if share is None else f"{share:.0%}",
    }
    return [(texts[heading.title], "") for heading in wanted]
