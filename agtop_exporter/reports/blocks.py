"""Divides the usage of each agent into windows of five hours.

A window starts with the hour of the first activity after the previous window, like the windows of
the agents' five-hour limits. If the agent has recorded such a limit, the present window is the
window of this limit.
"""

import math
from collections.abc import Iterable, Iterator

import msgspec

from agtop_exporter.model import SECONDS_PER_HOUR, HourlyUsage, RateLimit, UsageSum
from agtop_exporter.reports.periods import Group, add_up, total_of

HOURS = 5
WINDOW_SECONDS = float(HOURS * SECONDS_PER_HOUR)
SECONDS_PER_MINUTE = 60.0
LEAST_ELAPSED_SECONDS = 60.0  # before that, a mean rate has no meaning


class Pace(msgspec.Struct, frozen=True):
    """The mean rate in a window so far, and a projection to the end of the window.

    The projection assumes that the mean rate stays the same. Costs are in picodollars; None if no
    price is known. `used_ratio` and `projected_ratio` are shares of the agent's limit; None if
    unknown.
    """

    tokens_per_minute: float
    cost_per_hour: float | None
    projected_tokens: float
    projected_cost: float | None
    used_ratio: float | None = None
    projected_ratio: float | None = None


class Block(msgspec.Struct, frozen=True):
    """The usage of one agent in one window, from `started_at` to `ends_at` (unix seconds).

    `is_limit` is true if the agent has recorded a limit for this window. `pace` is None if the
    window has ended.
    """

    agent: str
    started_at: float
    ends_at: float
    usage: UsageSum
    models: tuple[Group, ...]
    is_limit: bool = False
    pace: Pace | None = None


class BlocksReport(msgspec.Struct, frozen=True):
    """The windows of all agents in the order of time."""

    blocks: tuple[Block, ...]
    generated_at: float  # in unix seconds


def blocks_of(
    usage: Iterable[HourlyUsage], limits: Iterable[RateLimit], now: float
) -> tuple[Block, ...]:
    """Return the usage in the windows of all agents, in the order of time.

    `now` is in unix seconds. Usage whose time is unknown is left out.
    """
    present = sorted((one for one in limits if _is_present(one, now)), key=_observed_at)
    limit_of = {limit.agent: limit for limit in present}
    by_agent: dict[str, list[HourlyUsage]] = {agent: [] for agent in limit_of}
    for one in usage:
        if one.hour:
            by_agent.setdefault(one.agent, []).append(one)
    found = [
        block
        for agent, members in by_agent.items()
        for block in _of_agent(agent, members, limit_of.get(agent), now)
    ]
    return tuple(sorted(found, key=lambda block: (block.started_at, block.agent)))


def _observed_at(limit: RateLimit) -> float:
    return limit.observed_at


def _start_of(limit: RateLimit | None) -> float:
    """Return the start of the window of a limit; infinity without a limit."""
    return (
        math.inf if limit is None or limit.resets_at is None else limit.resets_at - WINDOW_SECONDS
    )


def _is_present(limit: RateLimit, now: float) -> bool:
    start = _start_of(limit)
    return limit.window_seconds == WINDOW_SECONDS and start <= now < start + WINDOW_SECONDS


def _of_agent(
    agent: str, usage: Iterable[HourlyUsage], limit: RateLimit | None, now: float
) -> Iterator[Block]:
    limit_start = _start_of(limit)
    windows: dict[float, list[HourlyUsage]] = {}
    start = -math.inf
    for one in sorted(usage, key=lambda one: one.hour):
        hour = float(one.hour * SECONDS_PER_HOUR)
        if hour + SECONDS_PER_HOUR / 2 >= limit_start:  # the middle of the hour
            start = limit_start
        elif hour >= start + WINDOW_SECONDS:
            start = hour
        windows.setdefault(start, []).append(one)
    if limit is not None:
        windows.setdefault(limit_start, [])
    for start, members in windows.items():
        models = add_up(members, "model")
        block = Block(agent, start, start + WINDOW_SECONDS, total_of(models), models)
        if start == limit_start:
            block = msgspec.structs.replace(block, is_limit=True)
        elif start < limit_start < block.ends_at:
            block = msgspec.structs.replace(block, ends_at=limit_start)
        yield _with_pace(block, limit if block.is_limit else None, now)


def _with_pace(block: Block, limit: RateLimit | None, now: float) -> Block:
    if not block.started_at <= now < block.ends_at:
        return block
    elapsed = max(LEAST_ELAPSED_SECONDS, now - block.started_at)
    growth = WINDOW_SECONDS / elapsed
    tokens = block.usage.tokens.total
    cost = block.usage.cost if block.usage.cost_known else None
    pace = Pace(
        tokens_per_minute=tokens / elapsed * SECONDS_PER_MINUTE,
        cost_per_hour=None if cost is None else cost / elapsed * SECONDS_PER_HOUR,
        projected_tokens=tokens * growth,
        projected_cost=None if cost is None else cost * growth,
        used_ratio=limit.used_ratio if limit else None,
        projected_ratio=limit.projected_ratio if limit else None,
    )
    return msgspec.structs.replace(block, pace=pace)
