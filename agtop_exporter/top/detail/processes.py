"""The tab Processes: the process tree of a session. Its sum is the row of the session."""

from agtop_exporter.model import ProcessNode, ProcessTree, ProcessUsage
from agtop_exporter.render.table.columns import compact
from agtop_exporter.top.detail.tab import note, table_lines
from agtop_exporter.top.listing import Heading
from agtop_exporter.top.look import UNKNOWN, Look, pending, per_second, percent
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, Span, visible

DEEPEST = 12  # levels that are indented


def processes(row: Row, _rows: Rows, look: Look, width: int) -> list[Line]:
    """Return one line per process, parents first, and the sum."""
    if row.depth:
        return note("The processes are those of the parent session.")
    tree = row.processes
    if tree is None:
        return note("No running process is known.")
    headings = (
        Heading("PROCESS", max(16, min(40, width - 56)), "left"),
        Heading("PID", 7),
        Heading("CPU", 6),
        Heading("MEM", 6),
        Heading("R/s", 8),
        Heading("W/s", 8),
        Heading("PORTS", 12, "left"),
    )
    depths = _depths(tree)
    lines = [
        [
            (_name(node, depths[node.pid], look), "high" if node.mark else ""),
            (str(node.pid), ""),
            *_figures(node.usage, look),
            (",".join(map(str, node.listening_ports)), ""),
        ]
        for node in tree.processes
    ]
    count = len(tree.processes)
    total = f"{count} process{'' if count == 1 else 'es'}"
    lines.append([(total, "bold"), ("", ""), *_figures(tree.usage, look), ("", "")])
    found = table_lines(headings, lines)
    if tree.host:
        text = f"One process hosts {len(tree.session_ids)} sessions: the figures are of all."
        found += [(), *note(text)]
    return found


def _depths(tree: ProcessTree) -> dict[int, int]:
    depths: dict[int, int] = {}
    for node in tree.processes:  # parents come first
        depths[node.pid] = depths[node.parent_pid] + 1 if node.parent_pid in depths else 0
    return depths


def _name(node: ProcessNode, depth: int, look: Look) -> str:
    branch = "`-" if look.ascii_only else "└─"
    indent = f"{'  ' * (min(depth, DEEPEST) - 1)}{branch}" if depth else ""
    return f"{indent}{visible(node.name)}{f' [{node.mark}]' if node.mark else ''}"


def _figures(usage: ProcessUsage, look: Look) -> list[Span]:
    cpu = usage.cpu_percent if look.rated else None
    rates = (usage.disk_read_bytes_per_second, usage.disk_written_bytes_per_second)
    unknown = UNKNOWN if look.rated else pending(look)
    return [
        (unknown if cpu is None else percent(cpu), ""),
        (UNKNOWN if usage.rss_bytes is None else compact(usage.rss_bytes), ""),
        *((unknown if rate is None or not look.rated else per_second(rate), "") for rate in rates),
    ]
