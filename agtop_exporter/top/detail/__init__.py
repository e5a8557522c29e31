"""The tabs of the detail of one row. Each tab is a function from a row to lines of text."""

from agtop_exporter.top.detail.limits import limits
from agtop_exporter.top.detail.overview import overview
from agtop_exporter.top.detail.processes import processes
from agtop_exporter.top.detail.subagents import subagents
from agtop_exporter.top.detail.tab import Tab
from agtop_exporter.top.detail.tokens import tokens
from agtop_exporter.top.detail.tools import tools

TABS = (
    Tab("Overview", overview),
    Tab("Processes", processes),
    Tab("Tokens", tokens),
    Tab("Subagents", subagents),
    Tab("Tools", tools),
    Tab("Limits", limits),
)
"""The tabs, in the order of their keys 1 to 6."""
