"""Computes the overview: the usage of today, of 7 days and of all time, and the latest sessions."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import tzinfo

import msgspec

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import MAX_SUM, NO_SUM, HourlyUsage, Session, Snapshot, UsageSum
from agtop_exporter.reports import Calendar, Dimension, add_up

WEEK_DAYS = 7
BREAKDOWNS: tuple[Dimension, ...] = ("project", "model", "agent")

Sums = dict[str, UsageSum]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """The usage of one project, model or agent; an unknown name is "".

    `today` is the present day. `week` is this day and the 6 days before it.
    """

    name: str
    today: UsageSum
    week: UsageSum
    total: UsageSum


class Overview(msgspec.Struct, frozen=True, gc=False):
    """A snapshot, with the usage of three periods and the latest sessions.

    `usage` has the usage by project, model and agent. The group with the highest cost in the last 7
    days comes first. `sessions` are the open sessions and the latest closed sessions, without
    subagents, in the order of `sorted_sessions`.
    """

    snapshot: Snapshot
    usage: Mapping[Dimension, tuple[Usage, ...]]
    sessions: tuple[Session, ...]


class Usages:
    """Adds up the hourly usage of a ledger.

    Only the hours of the present day are read each time. The earlier hours are read again if a day
    has ended, or if their tokens or prices have changed.
    """

    def __init__(
        self, ledger: Ledger, *, unwanted: AbstractSet[str], timezone: tzinfo | None = None
    ) -> None:
        """Start without sums. The usage of `unwanted` agents is left out.

        None as `timezone` means the time zone of the machine.
        """
        self._ledger = ledger
        self._unwanted = unwanted
        self._calendar = Calendar(timezone)
        self._version: tuple[object, ...] = ()  # of the two following fields
        self._week: dict[Dimension, Sums] = {}  # the days of the week before the present day
        self._earlier: dict[Dimension, Sums] = {}  # the days before the week

    def at(self, now: float) -> dict[Dimension, tuple[Usage, ...]]:
        """Return the usage of each project, model and agent at `now` (unix seconds)."""
        week, day = (self._calendar.last_days(now, days) for days in (WEEK_DAYS, 1))
        today = self._read(day.start)
        version = (day.start, self._counted_before(today), sorted(self._ledger.corrections.items()))
        if version != self._version:
            before = self._read(0, day.start)
            self._week = _sums(one for one in before if one.hour >= week.start)
            self._earlier = _sums(one for one in before if one.hour < week.start)
            self._version = version
        sums = _sums(today)
        return {by: _usages(sums[by], self._week[by], self._earlier[by]) for by in BREAKDOWNS}

    def _counted_before(self, today: Iterable[HourlyUsage]) -> tuple[float, float]:
        """Return a number of tokens and a cost: all counted usage except `today`.

        The earlier hours are read again when one of these numbers changes.
        """
        totals = self._ledger.stored_totals
        tokens, cost = (
            sum(amount for series, amount in totals.items() if series[0] == name)
            for name in ("tokens", "cost")
        )
        for one in today:
            tokens -= one.usage.tokens.total
            cost -= one.usage.cost
        return tokens, cost

    def _read(self, start: int, end: int = MAX_SUM) -> list[HourlyUsage]:
        found = self._ledger.usage_between(start, end)
        return [one for one in found if one.agent not in self._unwanted]


def sorted_sessions(sessions: Iterable[Session]) -> tuple[Session, ...]:
    """Return the sessions that wait for their user, then other open sessions, then closed ones.

    In each group, the session with the latest activity comes first.
    """

    def order(session: Session) -> tuple[bool, bool, float, str]:
        kind = session.state.kind
        return (
            kind != "waiting",
            kind == "closed",
            -(session.last_active or 0),
            session.session_id,
        )

    return tuple(sorted(sessions, key=order))


def _sums(usage: Iterable[HourlyUsage]) -> dict[Dimension, Sums]:
    found = list(usage)
    return {by: {group.key[0]: group.usage for group in add_up(found, by)} for by in BREAKDOWNS}


def _usages(today: Sums, week: Sums, earlier: Sums) -> tuple[Usage, ...]:
    """Return the usage of each name, from the sums of periods that do not overlap.

    `today` is the present day, `week` the 6 days before it, and `earlier` all time before these.
    """
    usages = []
    for name in today.keys() | week.keys() | earlier.keys():
        used, before, first = (sums.get(name, NO_SUM) for sums in (today, week, earlier))
        usages.append(Usage(name, used, used + before, used + before + first))
    return tuple(sorted(usages, key=_rank))


def _rank(usage: Usage) -> tuple[int, int, int, str]:
    return -usage.week.cost, -usage.total.cost, -usage.total.tokens.total, usage.name
