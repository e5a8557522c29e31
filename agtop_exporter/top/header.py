"""The lines above the list: states, today's usage and cost, limits, and graphs."""

from collections.abc import Sequence

from agtop_exporter.render.table.columns import compact
from agtop_exporter.top.history import NO_SAMPLES, Ring
from agtop_exporter.top.limits import limits_line, until
from agtop_exporter.top.look import Look, pending, percent, short
from agtop_exporter.top.rows import Frame, Rows
from agtop_exporter.top.spans import (
    STATE_SIGNS,
    Line,
    Span,
    clipped,
    ends,
    sparkline,
    width_of,
)
from agtop_exporter.top.totals import dollars

STALE_INTERVALS = 3
GRAPH_CELLS = 30
MEGABYTE = 1_000_000


def stale_seconds(frame: Frame, now: float) -> float | None:
    """Return the age of a frame if it is older than STALE_INTERVALS refreshes; else None."""
    age = now - frame.snapshot.generated_at
    return age if age > STALE_INTERVALS * frame.delay_seconds else None


def states_line(rows: Rows, look: Look) -> Line:
    """Return the number of top-level sessions in each open state: `◆1 wait ●2 run`."""
    counts = rows.states
    spans: list[Span] = []
    for kind, sign in STATE_SIGNS.items():
        if counts.get(kind) and kind != "closed":
            glyph = sign.ascii if look.ascii_only else sign.glyph
            spans += [(f"{glyph}{counts[kind]} {sign.word}", sign.style), (" ", "")]
    return tuple(spans)


def first_line(rows: Rows | None, look: Look, width: int, notes: Sequence[Span]) -> Line:
    """Return the program's name, the states, today's usage, the cost per hour and the time.

    `notes` are shown before the time, such as `STALE 14s` or `paused`. If the line is too long,
    today's tokens leave first, then the name, then today's cost.
    """
    right: list[Span] = []
    for note in notes:
        right += [note, ("  ", "")]
    right.append((look.clock(look.now, "%H:%M"), ""))
    parts: dict[str, list[Span]] = {"name": [("agtop  ", "bold")]}
    if rows:
        parts |= {"states": [*states_line(rows, look)], **_usage(rows, look)}
    for name in ("tokens", "name", "cost"):
        if sum(map(width_of, parts.values())) + width_of(right) < width:
            break
        parts.pop(name, None)
    return ends([span for part in parts.values() for span in part], right, width)


def _usage(rows: Rows, look: Look) -> dict[str, list[Span]]:
    today, rate = rows.frame.today, rows.frame.total.usd_per_hour
    parts: dict[str, list[Span]] = {}
    if today is not None:
        parts["cost"] = [(" today ", "dim"), (f"${dollars(today)} ", "bold")]
        parts["tokens"] = [(f"{compact(today.tokens.total)} tok ", "")]
    parts["rate"] = [(f" ${pending(look) if rate is None else f'{rate:.1f}'}/h", "")]
    return parts


def graph_line(total: Ring, look: Look, width: int) -> Line:
    """Return graphs of the CPU usage, memory and tokens per minute of all sessions."""
    cells = min(GRAPH_CELLS, max(8, (width - 60) // 3))
    last = next((sample for sample in reversed(total.samples) if sample), None)
    cpu = last.cpu_percent if last else None
    memory = last.rss_bytes if last else None
    rate = total.tokens_per_minute
    unknown = pending(look)
    parts = (
        ("CPU", total.cpu(), unknown if cpu is None else percent(cpu)),
        ("MEM", total.memory(), unknown if memory is None else compact(memory)),
        ("TOK/m", total.token_rates(), unknown if rate is None else short(rate)),
    )
    spans: list[Span] = []
    for name, values, text in parts:
        graph = sparkline(values, cells, ascii_only=look.ascii_only)
        spans += [(f"{name} ", "dim"), (graph, "bar"), (f" {text:<8} ", "")]
    return clipped(spans, width)


def header(
    rows: Rows | None, look: Look, width: int, *, graphs: bool, notes: Sequence[Span] = ()
) -> list[Line]:
    """Return the lines above the list: two lines, or three if `graphs` is true."""
    limits = rows.frame.snapshot.rate_limits if rows else ()
    lines = [first_line(rows, look, width, notes), limits_line(limits, look, width)]
    if graphs:
        lines.append(graph_line(rows.frame.total if rows else NO_SAMPLES, look, width))
    return lines


def progress_line(done: int, total: int, seconds: float, look: Look) -> Line:
    """Return the progress of the first scan: `scanning ████░░░░ 120 of 274 MB, 3s left`."""
    ratio = done / total if total else 0.0
    full = round(20 * min(1.0, ratio))
    filled, rest = ("#", "-") if look.ascii_only else ("█", "░")
    unit, size = ("MB", MEGABYTE) if total >= MEGABYTE else ("kB", 1000)
    left = f", {until(seconds / ratio - seconds)} left" if ratio > 0 and seconds >= 1 else ""
    return (
        ("scanning ", ""),
        (filled * full + rest * (20 - full), "bar"),
        (f" {done / size:.0f} of {total / size:.0f} {unit}{left}", ""),
    )
