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

from itertools import groupby
from operator import itemgetter

import msgspec

from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import (
    NO_USAGE,
    TOKEN_TYPES,
    Cost,
    ModelUsage,
    Series,
    SessionState,
    TokenCounts,
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
"""The totals that can be reconstructed: the hours have no other facts of an event."""

_hour_of = itemgetter(2)  # session, model, hour


class PastTotal(msgspec.Struct, frozen=True):
    """The past values of one total.

    `start` is the value before the first of `hours`. `values` has the value at the end of each of
    `hours`. Hours are counted from 1970 and ascend. Both tuples are empty without usage by hour.
    """

    series: Series
    start: int
    hours: tuple[int, ...] = ()
    values: tuple[int, ...] = ()


def past_totals(state: LedgerState) -> list[PastTotal]:
    """Return the past values of all totals in BY_HOUR. Raises DamagedError."""
    sums = _sums_by_hour(state)
    return [
        _anchored(series, int(total), sums.get(series, []))
        for series, total in state.totals.values.items()
        if series[0] in BY_HOUR
    ]


def _anchored(series: Series, total: int, sums: list[tuple[int, int]]) -> PastTotal:
    """Move `sums`, the sums of the usage since the first hour, so that they end at `total`."""
    offset = total - (sums[-1][1] if sums else 0)
    return PastTotal(
        series,
        max(0, offset),
        tuple(hour for hour, _ in sums),
        tuple(max(0, offset + amount) for _, amount in sums),
    )


def _sums_by_hour(state: LedgerState) -> dict[Series, list[tuple[int, int]]]:
    """Return (hour, sum of the usage up to its end) of each hour with usage, by series."""
    sums: dict[Series, list[tuple[int, int]]] = {}
    replay = state.totals.empty_copy()
    sessions = {record.id: record for record in state.sessions.all()}
    known = (row for row in state.store.hours() if _hour_of(row) > 0)  # 0: without a time
    for hour, rows in groupby(sorted(known, key=_hour_of), key=_hour_of):
        for row in rows:
            _add(replay, sessions[row[0]], row)
        for series in replay.changed:
            sums.setdefault(series, []).append((hour, int(replay.values[series])))
        replay.changed.clear()
    return sums


def _add(totals: Totals, session: SessionState, row: Row) -> None:
    """Add a row of the table `hourly` to the totals that it was counted in."""
    _, model, _, requests, *counts, cost, unpriced = row
    tokens = TokenCounts(*counts)
    divided = _divided(cost, requests, tokens, session.models.get(model, NO_USAGE))
    usage = ModelUsage(requests, tokens, msgspec.structs.replace(divided, unpriced_tokens=unpriced))
    totals.add_usage(session.agent, model, usage)
    totals.add_project(session.agent, session.project, tokens=tokens.total, cost=cost)


def _divided(cost: int, requests: int, tokens: TokenCounts, whole: ModelUsage) -> Cost:
    """Divide the cost of an hour (picodollars) among the fields of a Cost.

    `whole` is the usage of the same model in the whole session. Fees and costs that the agent
    reported follow the number of requests.
    """
    shares = {
        part: getattr(tokens, part) * _mean(getattr(whole.cost, part), getattr(whole.tokens, part))
        for part in TOKEN_TYPES
    }
    for part in ("reported", "web_search"):
        shares[part] = requests * _mean(getattr(whole.cost, part), whole.requests)
    total = sum(shares.values())
    largest = max(shares, key=lambda part: shares[part])
    parts = {part: int(cost * share / total) for part, share in shares.items()} if total else {}
    parts[largest] = parts.get(largest, 0) + cost - sum(parts.values())
    return Cost(**parts)


def _mean(amount: int, count: int) -> float:
    return max(0, amount) / count if count > 0 else 0.0
