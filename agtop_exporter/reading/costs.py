"""Converts costs in records to the unit of this program. Does no I/O."""

from agtop_exporter.model import PICODOLLARS_PER_USD

MAX_COST_USD = 100_000.0  # no session costs more


def picodollars(cost_usd: float | None) -> int | None:
    """Return the cost that an agent recorded, in picodollars; None if the cost is unknown.

    A recorded cost of 0 means an unknown price. A cost above `MAX_COST_USD` is ignored.
    """
    known = cost_usd or 0.0
    return round(known * PICODOLLARS_PER_USD) if 0 < known <= MAX_COST_USD else None
