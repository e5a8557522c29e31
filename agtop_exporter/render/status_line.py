"""Renders the data that an agent sends to its status line as one line of text.

Opus 4.8 | context 26% | 5h 42% (84% at reset) | weekly 36% (51% at reset) | $0.38
"""

from collections.abc import Iterator

from agtop_exporter.model import RateLimit, StatusLine, one_line

NOTHING = "agtop-exporter: no status line data\n"


def text(line: StatusLine | None) -> str:
    """Return the status line, or a remark if there is no data. The text ends with a newline."""
    parts = " | ".join(_parts(line)) if line else ""
    return f"{parts}\n" if parts else NOTHING


def _parts(line: StatusLine) -> Iterator[str]:
    name = "".join(filter(str.isprintable, one_line(line.model or "")))
    if name:
        yield name
    if line.account:
        yield line.account
    if line.context_used_ratio is not None:
        yield f"context {line.context_used_ratio:.0%}"
    yield from map(_limit, line.rate_limits)
    if line.cost_usd is not None:
        yield f"${line.cost_usd:,.2f}"


def _limit(limit: RateLimit) -> str:
    projected = limit.projected_ratio
    at_reset = "" if projected is None else f" ({projected:.0%} at reset)"
    return f"{limit.window} {limit.used_ratio:.0%}{at_reset}"
