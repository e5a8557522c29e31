"""Adds up the hourly usage of the ledger to reports by day, week, month and other groups.

The functions are pure: usage in, sums out. They do not read the ledger or the clock.
"""

from agtop_exporter.reports.calendar import (
    WEEKDAYS,
    Calendar,
    Span,
    first_weekday,
)
from agtop_exporter.reports.periods import (
    DIMENSIONS,
    Dimension,
    Group,
    PeriodUsage,
    add_up,
    by_period,
    total_of,
)

__all__ = [
    "DIMENSIONS",
    "WEEKDAYS",
    "Calendar",
    "Dimension",
    "Group",
    "PeriodUsage",
    "Span",
    "add_up",
    "by_period",
    "first_weekday",
    "total_of",
]
