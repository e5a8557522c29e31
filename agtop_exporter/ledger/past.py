"""Reconstructs past values of the totals from the usage by hour.

A total grows by the usage of an hour during that hour. The last value is the current total:

    value at the end of an hour = current total - usage of all later hours

The series therefore continue with the current totals. A total can be larger than the sum of its
hours: it includes usage without a time, and it does not decrease if usage moves to another series
or gets a lower price. The series then starts at this difference. If a total is smaller than the
sum of its hours, the series stays at 0 in the first hours.

The hours have one cost for all token types. It is divided in proportion to the tokens of the hour
and to the mean price of each token type in the session. The sum over the token types is exact.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby
from operator import attrgetter

import msgspec

from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import (
    NO_USAGE,
    TOKEN_TYPES,
    Cost,
    HourlyUsage,
    ModelUsage,
    Series,
    SessionState,
    UsageSum,
)

BY_HOUR = frozenset(
    {
        "tokens",
        "reasoning_tokens",
        "cost",
        "unpriced_tokens",
        "requests",
        "project_tokens",
        "project_cost",
    }
)
"""The names of the totals that can be reconstructed. The usage by hour has no other facts."""

ROUNDING_PICODOLLARS = 1_000_000  # the division of costs rounds to picodollars in each hour

_hour_of = attrgetter("hour")


class PastTotal(msgspec.Struct, frozen=True):
    """The past values of one total.

    `start` is the value before the first of `hours`. `values` has the value at the end of each of
    `hours`. Hours are counted from 1970 and ascend. Both tuples are empty without usage by hour.
    """

    series: Series
    start: int
    hours: tuple[int, ...] = ()
    values: tuple[int, ...] = ()

    def lowered(self, limit: int, hour: int) -> "PastTotal":
        """Return a copy whose value at the start of `hour` is at most `limit`.

        All values are lowered by the same amount, but none is below 0.
        """
        earlier = bisect_left(self.hours, hour)
        excess = (self.values[earlier - 1] if earlier else self.start) - limit
        if excess <= 0:
            return self
        values = tuple(max(0, value - excess) for value in self.values)
        return PastTotal(self.series, max(0, self.start - excess), self.hours, values)


def past_totals(
    totals: Totals, sessions: Mapping[Key, SessionState], usage: Iterable[HourlyUsage]
) -> list[PastTotal]:
    """Return the past values of all totals in BY_HOUR. `usage` is the usage of `sessions`."""
    sums = _sums_by_hour(totals, sessions, usage)
    return [
        _anchored(series, int(total), sums.get(series, []))
        for series, total in totals.published().items()
        if series[0] in BY_HOUR
    ]


def _anchored(series: Series, total: int, sums: list[tuple[int, int]]) -> PastTotal:
    """Return the past values of a total whose current value is `total`.

    `sums` has the sums of the usage since the first hour. The same number is added to all sums, so
    that the last one equals `total`.
    """
    offset = total - (sums[-1][1] if sums else 0)
    rounded = series[0] == "cost" and offset <= ROUNDING_PICODOLLARS
    return PastTotal(
        series,
        0 if rounded else max(0, offset),
        tuple(hour for hour, _ in sums),
        tuple(max(0, offset + amount) for _, amount in sums),
    )


def _sums_by_hour(
    totals: Totals, sessions: Mapping[Key, SessionState], usage: Iterable[HourlyUsage]
) -> dict[Series, list[tuple[int, int]]]:
    """Return (hour, sum of the usage up to its end) of each hour with usage, by series."""

    @cache
    def whole(agent: str, session_id: str, model: str) -> ModelUsage:
        return sessions[agent, session_id].models.get(model, NO_USAGE)

    sums: dict[Series, list[tuple[int, int]]] = {}
    replay = totals.empty_copy()
    known = (one for one in usage if one.hour and one.agent)  # hour 0: without a time
    for hour, group in groupby(sorted(known, key=_hour_of), key=_hour_of):
        for one in group:
            _add(replay, one, whole(one.agent, one.session_id, one.model))
        for series in replay.changed:
            sums.setdefault(series, []).append((hour, int(replay.values[series])))
        replay.changed.clear()
    return sums


def _add(totals: Totals, one: HourlyUsage, whole: ModelUsage) -> None:
    """Add the usage of an hour to those totals in which it was counted.

    `whole` is the usage of the same model in the whole session.
    """
    used = one.usage
    usage = ModelUsage(used.requests, used.tokens, _cost(used, whole))
    totals.add_usage(one.agent, totals.folded_name("models", one.agent, one.model), usage)
    project = totals.folded_name("projects", one.agent, one.project)
    totals.add_project(one.agent, project, tokens=used.tokens.total, cost=used.cost)


def _cost(used: UsageSum, whole: ModelUsage) -> Cost:
    """Divide the cost of an hour (picodollars) among the fields of a Cost.

    `used` is the usage in the hour. `whole` is the usage of the same model in the whole session.
    The part of a token type is proportional to its tokens in the hour and to its mean cost in
    `whole`. The parts of web searches and of costs that the agent reported are proportional to the
    requests in the hour and to the mean cost per request in `whole`.
    """
    shares = {
        part: getattr(used.tokens, part)
        * _mean(getattr(whole.cost, part), getattr(whole.tokens, part))
        for part in TOKEN_TYPES
    }
    for part in ("reported", "web_search"):
        shares[part] = used.requests * _mean(getattr(whole.cost, part), whole.requests)
    total = sum(shares.values())
    largest = max(shares, key=lambda part: shares[part])
    parts = {part: int(used.cost * share / total) if total else 0 for part, share in shares.items()}
    parts[largest] += used.cost - sum(parts.values())
    return Cost(**parts, unpriced_tokens=used.unpriced_tokens)


def _mean(amount: int, count: int) -> float:
    return max(0, amount) / count if count > 0 else 0.0
