"""The tab Subagents: state, model, own tokens and own cost of each subagent."""

from agtop_exporter.render.table.columns import compact, money
from agtop_exporter.top.columns import BY_TITLE
from agtop_exporter.top.detail.tab import note, table_lines
from agtop_exporter.top.listing import Heading
from agtop_exporter.top.look import UNKNOWN, Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, Span, fitted, visible

HEADINGS = (
    Heading("STATE", 9, "left"),
    Heading("SUBAGENT", 24, "left"),
    Heading("MODEL", 20, "left"),
    Heading("TOKENS", 6),
    Heading("COST$", 8),
    Heading("AGE", 4),
)


def subagents(row: Row, rows: Rows, look: Look, _width: int) -> list[Line]:
    """Return one line per subagent, each below its parent."""
    below = rows.below(row.session) if row.session else []
    lines: list[list[Span]] = []
    for child in below:
        session = child.session
        if session is None:
            continue
        name = look.private(session.title) if session.title else session.session_id[:24]
        lines.append(
            [
                BY_TITLE["STATE"].cell(child, look),
                (f"{'  ' * (child.depth - 1)}{visible(name)}", ""),
                (fitted(visible(session.model or UNKNOWN), 20, keep_end=True), ""),
                (compact(session.tokens.total), ""),
                (money(session.cost, session.tokens), ""),
                (look.since(session.last_active), ""),
            ]
        )
    return table_lines(HEADINGS, lines) if lines else note("This session has no subagents.")
