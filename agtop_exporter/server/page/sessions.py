"""The table of sessions."""

from collections.abc import Callable, Iterable

from agtop_exporter.model import ProcessUsage, Session, Tree, UsageSum
from agtop_exporter.render.table.columns import MISSING, URGENCY, age, compact, session_name
from agtop_exporter.render.table.figures import cost
from agtop_exporter.server.page.html import Cell, Column, table
from agtop_exporter.server.page.texts import short

COLUMNS = (
    Column("Project", "name"),
    Column("State", "state"),
    Column("Agent", "text"),
    Column("Model", "text"),
    Column("Session", "text id"),
    Column("Tokens", "number"),
    Column("Cost", "number"),
    Column("Context", "number"),
    Column("CPU", "number"),
    Column("Memory", "number"),
    Column("Last active", "number"),
)


def session_table(sessions: Iterable[Session], now: float) -> str:
    """Return the table of these sessions as HTML. `now` is in unix seconds."""
    rows = (_row(session, now) for session in sessions)
    return table(COLUMNS, rows, name="sessions", style="sessions sortable")


def _row(session: Session, now: float) -> tuple[Cell, ...]:
    state, tree, last = session.state, session.tree, session.last_active
    return (
        Cell(short(session.project), short(session.git_branch) if session.git_branch else ""),
        Cell(state.kind, state.reason or "", URGENCY.index(state.kind), style=state.kind),
        Cell(session.agent),
        Cell(short(session.model), session.model_effort or ""),
        Cell(session_name(session.session_id), _subagents(session.subagents)),
        Cell(compact(tree.tokens.total), order=tree.tokens.total),
        _cost(tree),
        _context(session),
        _used(session, lambda usage: usage.cpu_percent, "{:.0f}%".format),
        _used(session, lambda usage: usage.rss_bytes, compact),
        Cell(MISSING) if last is None else Cell(age(now - last), order=last),
    )


def _cost(tree: Tree) -> Cell:
    used = UsageSum(0, tree.tokens, tree.cost.total, tree.cost.unpriced_tokens)
    return Cell(cost(used), order=used.cost if used.cost_known else None)


def _subagents(number: int) -> str:
    return f"+{number} subagent{'' if number == 1 else 's'}" if number else ""


def _context(session: Session) -> Cell:
    used, window = session.context_used_tokens, session.context_window_tokens
    if used is None or not window:
        return Cell(MISSING)
    share = used / window
    return Cell(f"{share:.0%}", order=share, share=share)


def _used(
    session: Session,
    value_of: Callable[[ProcessUsage], float | None],
    form: Callable[[float], str],
) -> Cell:
    """Return the resource use of the session's process.

    The use of a process that hosts several sessions is left out, because it cannot be divided.
    """
    process = session.process
    usage = process.usage if process and process.role != "host" else None
    value = value_of(usage) if usage else None
    return Cell(MISSING) if value is None else Cell(form(value), order=value)
