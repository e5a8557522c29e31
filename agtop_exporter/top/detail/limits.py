"""The tab Limits: the rate limits of the row's agent."""

from agtop_exporter.top.detail.tab import note
from agtop_exporter.top.limits import limits_table
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line


def limits(row: Row, rows: Rows, look: Look, _width: int) -> list[Line]:
    """Return the windows of the agent's limits."""
    own = [one for one in rows.frame.snapshot.rate_limits if one.agent == row.agent]
    if not own:
        return note("The files of this agent show no limits.")
    return limits_table(own, look).lines()
