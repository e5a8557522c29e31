"""The tab Tools: the running tool, and the calls and errors of each tool.

Arguments are never shown.
"""

from agtop_exporter.top.detail.tab import note, table_lines
from agtop_exporter.top.listing import Heading
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, bar, plain, visible

BAR_CELLS = 20
HEADINGS = (
    Heading("TOOL", 32, "left"),
    Heading("CALLS", 6),
    Heading("ERRORS", 6),
    Heading("", BAR_CELLS, "left"),
)


def tools(row: Row, _rows: Rows, look: Look, _width: int) -> list[Line]:
    """Return one line per tool, the most used one first, and the tool that runs."""
    session = row.session
    if session is None or not session.tools:
        return note("No tool call is known.")
    most = max(session.tools.values())
    ordered = sorted(session.tools.items(), key=lambda one: (-one[1], one[0]))
    lines = table_lines(
        HEADINGS,
        [
            [
                (visible(name), ""),
                (str(calls), ""),
                (str(session.tool_errors.get(name, 0) or ""), "error"),
                (
                    plain(bar(calls / most, BAR_CELLS, ascii_only=look.ascii_only))[:BAR_CELLS],
                    "bar",
                ),
            ]
            for name, calls in ordered
        ],
    )
    total, errors = session.tool_calls, sum(session.tool_errors.values())
    text = f"{total} call{'' if total == 1 else 's'}, {errors} error{'' if errors == 1 else 's'}"
    running = session.running_tool
    now: list[Line] = [(("running: ", "dim"), (visible(running), "bold"))] if running else []
    return [*lines, (), *now, ((text, "dim"),)]
