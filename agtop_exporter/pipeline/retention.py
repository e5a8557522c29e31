"""Reduces the detail of old history, once a day."""

import math

from agtop_exporter.ledger import Ledger

SECONDS_PER_DAY = 86_400.0
JUMP_SECONDS = 30 * SECONDS_PER_DAY  # a longer time since the last reduction may be a wrong clock
ROLLED_UP = "rolled_up_at"  # name of the metadata: unix seconds of the last complete reduction


def roll_up_when_due(ledger: Ledger, now: float, *, retention_days: float) -> None:
    """Reduce the detail of history that is older than `retention_days`. 0 days mean never.

    One call does a limited amount of work. When all old history is reduced, the calls of the next
    24 hours do nothing, in this process and in later ones. `now` is in unix seconds. After a jump
    of the clock by more than JUMP_SECONDS, the reduction waits for 24 hours, because it cannot be
    undone if the clock was wrong.
    """
    elapsed = now - _number(ledger.metadata.get(ROLLED_UP))
    if not retention_days or 0 <= elapsed < SECONDS_PER_DAY:
        return
    has_jumped = JUMP_SECONDS < elapsed < math.inf  # infinite before the first reduction
    more = not has_jumped and ledger.roll_up(now - retention_days * SECONDS_PER_DAY)
    if not more and ledger.durable:
        ledger.remember(ROLLED_UP, str(int(now)).encode())


def _number(data: bytes | None) -> float:
    try:
        return float(data or b"-inf")
    except ValueError:
        return -math.inf
