"""The tab Overview: the facts about a session, its state and the reason, context and process."""

from agtop_exporter.model import Session
from agtop_exporter.render.table.columns import compact, money
from agtop_exporter.top.columns import NO_SESSION, context_ratio
from agtop_exporter.top.detail.tab import field
from agtop_exporter.top.look import UNKNOWN, Look, path_text, pending, per_second, percent, short
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import STATE_SIGNS, Line, Span, bar, sparkline, visible

CONTEXT_CELLS = 20


def overview(row: Row, _rows: Rows, look: Look, width: int) -> list[Line]:
    """Return the facts about a session, or about an agent process without a session."""
    if row.session is None:
        started = row.processes.processes[0].started_at if row.processes else None
        return [
            field("state", (NO_SESSION, "dim"), (": the process runs no known session", "")),
            field("pid", (str(row.pid or UNKNOWN), "")),
            field("started", (look.clock(started), ""), (f"  {look.since(started)}", "dim")),
            *_graphs(row, look, width),
        ]
    session = row.session
    lines = [
        field("title", (look.private(session.title or UNKNOWN), "bold")),
        field("state", *_state(session, look)),
        field("path", *_pair(path_text(session.cwd, look), _project(session, look))),
        field("model", *_pair(_known(session.model), _known(session.model_effort, "effort "))),
        field("agent", *_pair(f"{session.agent} {session.agent_version or ''}", _plan(session))),
        field("context", *_context(row, look)),
        field("usage", *_usage(session)),
        field("active", *_times(session, look)),
        field("process", *_process(session)),
        field("id", (visible(session.session_id), "")),
    ]
    if session.parent_session_id:
        lines.append(field("parent", (visible(session.parent_session_id), "")))
    return [*lines, *_graphs(row, look, width)]


def _pair(text: str, more: str) -> list[Span]:
    return [(text, ""), (f"  {more}" if more else "", "dim")]


def _known(text: str | None, prefix: str = "") -> str:
    return f"{prefix}{visible(text)}" if text else ("" if prefix else UNKNOWN)


def _project(session: Session, look: Look) -> str:
    parts = {"project": session.project, "branch": session.git_branch}
    return ", ".join(f"{name} {look.private(text)}" for name, text in parts.items() if text)


def _plan(session: Session) -> str:
    return f"plan {visible(session.subscription)}" if session.subscription else ""


def _state(session: Session, look: Look) -> list[Span]:
    sign = STATE_SIGNS[session.state.kind]
    glyph = sign.ascii if look.ascii_only else sign.glyph
    reason = f" for {session.state.reason}" if session.state.kind == "waiting" else ""
    if session.state.kind == "error" and session.state.reason:
        reason = f": {session.state.reason}"
    record = f"  from {visible(session.state_detail)}" if session.state_detail else ""
    tool = f", tool {visible(session.running_tool)}" if session.running_tool else ""
    return [(f"{glyph} {sign.word}", sign.style), (f"{reason}{tool}", ""), (record, "dim")]


def _context(row: Row, look: Look) -> list[Span]:
    session = row.session
    ratio = context_ratio(row)
    if session is None or session.context_used_tokens is None:
        return [(UNKNOWN, "dim")]
    peak, window = session.context_peak_tokens, session.context_window_tokens
    text = f"{compact(session.context_used_tokens)} of {compact(window) if window else UNKNOWN}"
    spans: list[Span] = []
    if ratio is not None:
        spans += [*bar(ratio, CONTEXT_CELLS, ascii_only=look.ascii_only), (f" {ratio:.0%} ", "")]
    return [*spans, (text, ""), (f"  peak {compact(peak)}" if peak else "", "dim")]


def _usage(session: Session) -> list[Span]:
    tree = session.tree
    covered = ", covered by the plan" if session.included else ""
    text = f"{compact(tree.tokens.total)} tokens, ${money(tree.cost, tree.tokens)}{covered}"
    counts = (
        (session.user_turns, "prompt"),
        (session.agent_turns, "response"),
        (session.compactions, "compaction"),
    )
    more = ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts)
    return _pair(text, more)


def _times(session: Session, look: Look) -> list[Span]:
    last = session.last_active
    return [
        (f"{look.clock(last)} ({look.since(last)})", ""),
        (f"  started {look.clock(session.started_at)} ({look.since(session.started_at)})", "dim"),
    ]


def _process(session: Session) -> list[Span]:
    process = session.process
    if process is None:
        return [("none known", "dim")]
    role = ", host of several sessions" if process.role == "host" else ""
    evidence = ", ".join(process.evidence)
    return [
        (f"{process.pid} {process.liveness}{role}", ""),
        (f"  {process.confidence} confidence: {evidence}", "dim"),
    ]


def _graphs(row: Row, look: Look, width: int) -> list[Line]:
    cells = max(8, min(60, width - 32))
    usage = row.usage
    unknown = pending(look) if row.is_live and not look.rated else UNKNOWN
    cpu = usage.cpu_percent if usage and look.rated else None
    read = usage.disk_read_bytes_per_second if usage and look.rated else None
    written = usage.disk_written_bytes_per_second if usage and look.rated else None
    disk = None if read is None and written is None else (read or 0) + (written or 0)
    rate = row.ring.tokens_per_minute
    graphs = (
        ("CPU", row.ring.cpu(), unknown if cpu is None else percent(cpu)),
        ("tokens/m", row.ring.token_rates(), pending(look) if rate is None else short(rate)),
        ("disk", row.ring.disk(), unknown if disk is None else per_second(disk)),
    )
    return [
        field(
            name,
            (sparkline(values[-cells:], cells, ascii_only=look.ascii_only), "bar"),
            (f" {text}", ""),
        )
        for name, values, text in graphs
    ]
