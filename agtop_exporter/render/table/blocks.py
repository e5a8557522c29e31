"""Renders the five-hour windows of all agents as a table, with the pace of the present windows.

    WINDOW                  AGENT   MODELS           REQUESTS     TOKENS   COST  STATE
    ----------------------------------------------------------------------------------
    2026-11-28 09:00-14:00  claude  claude-opus-4-6       153  4,502,184  $9.12
    2026-11-28 14:00-19:00  claude  claude-opus-4-6        20    800,100  $1.60  active
    claude: 2h 10m left, 4,706 tokens/min, $0.56/h, projected 1,411,900 tokens, $2.82

If the agent has recorded a limit for a window, the line also has the used share of the limit.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from agtop_exporter.model import SECONDS_PER_HOUR
from agtop_exporter.render.table import figures, notes
from agtop_exporter.render.table.columns import MISSING
from agtop_exporter.render.table.figures import Column, usd
from agtop_exporter.render.table.layout import Filled, Terminal
from agtop_exporter.reports import Block, BlocksReport, Pace

SECONDS_PER_MINUTE = 60


def render(report: BlocksReport, *, terminal: Terminal, timezone: tzinfo | None) -> str:
    """Return the table of the windows, and the pace of the present windows below it.

    `timezone` is the time zone of the times; None means the time zone of the machine.
    """
    blocks = report.blocks
    if not blocks:
        lines = terminal.lines([["no usage in the selected time"]])
    else:
        columns = list(_columns(blocks, timezone, terminal))
        costs = [figures.cost(block.usage) for block in blocks]
        lines = [
            *figures.grid(columns, terminal, bold=[bool(block.pace) for block in blocks]),
            *terminal.lines([notes.marks(costs)]),
        ]
    lines += terminal.lines(
        _pace(block, block.pace, report.generated_at) for block in blocks if block.pace
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _columns(
    blocks: Sequence[Block], timezone: tzinfo | None, terminal: Terminal
) -> Iterator[Filled]:
    models = [", ".join(group.key[0] or MISSING for group in block.models) for block in blocks]
    window = Column("WINDOW", 0, "left")
    yield Filled(window, [_window(block, timezone) for block in blocks])
    yield Filled(Column("AGENT", 0, "left"), [block.agent for block in blocks])
    yield Filled(Column("MODELS", 3, "left", width_min=12), list(map(terminal.visible, models)))
    yield from figures.filled([block.usage for block in blocks])
    if any(block.pace for block in blocks):
        yield Filled(Column("STATE", 1, "left"), ["active" * bool(one.pace) for one in blocks])


def _window(block: Block, timezone: tzinfo | None) -> str:
    start, end = (datetime.fromtimestamp(t, timezone) for t in (block.started_at, block.ends_at))
    return f"{start:%Y-%m-%d %H:%M}-{end:%H:%M}"


def _pace(block: Block, pace: Pace, now: float) -> notes.Note:
    parts = [
        f"{block.agent}: {duration(block.ends_at - now)} left",
        f"{pace.tokens_per_minute:,.0f} tokens/min",
    ]
    if pace.cost_per_hour is not None:
        parts.append(f"{usd(pace.cost_per_hour)}/h")
    parts.append(f"projected {pace.projected_tokens:,.0f} tokens")
    if pace.projected_cost is not None:
        parts.append(usd(pace.projected_cost))
    if pace.used_ratio is not None:
        parts.append(f"limit {pace.used_ratio:.0%} used")
    if pace.projected_ratio is not None:
        parts.append(f"{pace.projected_ratio:.0%} projected")
    return parts


def duration(seconds: float) -> str:
    """Return a duration in hours and minutes: 2h 10m, 45m."""
    minutes = int(seconds // SECONDS_PER_MINUTE)
    hours, minutes = divmod(minutes, SECONDS_PER_HOUR // SECONDS_PER_MINUTE)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"
