"""Adds up the hourly usage of the ledger to reports by day, week, month and other groups.

The functions are pure: usage in, sums out. They do not read the ledger or the clock.
"""

from agtop_exporter.reports.blocks import (
    Block,
    BlocksReport,
    Pace,
    blocks_of,
)
from agtop_exporter.reports.calendar import (
    WEEKDAYS,
    Calendar,
    Span,
    first_weekday,
)
from agtop_exporter.reports.periods import (
    DIMENSIONS,
    KEY_FIELDS,
    Dimension,
    Group,
    PeriodUsage,
    Report,
    add_up,
    by_period,
    total_of,
)
from agtop_exporter.reports.today import (
    DAYS,
    Today,
    sums_of_days,
)

__all__ = [
    "DAYS",
    "DIMENSIONS",
    "KEY_FIELDS",
    "WEEKDAYS",
    "Block",
    "BlocksReport",
    "Calendar",
    "Dimension",
    "Group",
    "Pace",
    "PeriodUsage",
    "Report",
    "Span",
    "Today",
    "add_up",
    "blocks_of",
    "by_period",
    "first_weekday",
    "sums_of_days",
    "total_of",
]
