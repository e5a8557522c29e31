"""Renders the usage of today and of the last days as a small table, or as one line.

REQUESTS   INPUT  OUTPUT  CACHE WRITE  CACHE READ     TOKENS    COST
----------------------------------------------------------------------------------
today              153   8,210  92,004      301,770   4,100,200  4,502,184   $9.12
last 7 days      1,010  50,110  ...
limits claude: 5h 42% (resets 19:00)

$9.12 today, 4.5M tokens, claude 5h 42%
"""

from agtop_exporter.model import RateLimit
from agtop_exporter.render.table import figures, notes
from agtop_exporter.render.table.columns import View, compact
from agtop_exporter.render.table.figures import Column
from agtop_exporter.render.table.layout import Filled, Terminal
from agtop_exporter.reports import DAYS, Today

NOTHING = f"no usage in the last {max(DAYS.values())} days"


def render(today: Today, *, terminal: Terminal, view: View) -> str:
    """Return the table, with the rate limits and the budgets below it."""
    spans = today.spans
    names = Filled(Column("", 0, "left"), [name.replace("_", " ") for name in spans])
    sums = list(spans.values())
    bold = [name == "today" for name in spans]
    lines = [
        *figures.grid([names, *figures.filled(sums)], terminal, bold=bold),
        *terminal.lines([notes.marks([figures.cost(usage) for usage in sums])]),
        *terminal.lines([[f"{NOTHING}; {notes.SEARCHED}"]] if today.is_empty else []),
        *terminal.lines(notes.limits(today.rate_limits, view)),
        *terminal.lines(map(notes.budget, today.budgets)),
    ]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def line(today: Today) -> str:
    """Return the cost and the tokens of today, and the fullest rate limit of each agent.

    If no span has usage, a note replaces the cost and the tokens.
    """
    usage = today.spans["today"]
    parts = [f"{figures.cost(usage)} today", f"{compact(usage.tokens.total)} tokens"]
    if today.is_empty:
        parts = [NOTHING]
    fullest: dict[str, tuple[float, RateLimit]] = {}
    for limit in today.rate_limits:
        used = None if limit.is_over(today.generated_at) else limit.used_ratio
        if used is not None and used > fullest.get(limit.agent, (-1.0,))[0]:
            fullest[limit.agent] = used, limit
    parts += [f"{agent} {one.window} {used:.0%}" for agent, (used, one) in fullest.items()]
    return ", ".join(parts) + "\n"
