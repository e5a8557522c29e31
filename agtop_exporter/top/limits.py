"""The place Limits, and the line of limits in the header."""

from collections.abc import Iterable, Sequence

from agtop_exporter.model import RateLimit
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.listing import Heading, Table, plain_table
from agtop_exporter.top.look import UNKNOWN, Look
from agtop_exporter.top.spans import Line, Span, bar, plain, visible, width_of

BAR_CELLS = 6  # in the header
TABLE_CELLS = 10
MINUTE, HOUR, DAY = 60, 3600, 86_400


def until(seconds: float) -> str:
    """Return a duration in its two largest units: 45s, 12m, 1h12m, 3d4h."""
    seconds = max(0, round(seconds))
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < DAY:
        return f"{seconds // HOUR}h{seconds % HOUR // MINUTE:02d}m"
    return f"{seconds // DAY}d{seconds % DAY // HOUR}h"


def in_order(limits: Iterable[RateLimit]) -> list[RateLimit]:
    """Return the limits sorted by agent and account.

    Of each account, the shortest window comes first.
    """

    def place(one: RateLimit) -> tuple[str, str, float, str]:
        return one.agent, one.account, one.window_seconds or DAY * 365, one.window

    return sorted(limits, key=place)


def whose(limit: RateLimit, look: Look) -> str:
    """Return the agent of a limit, and its account if it is not the default account."""
    account = f" {look.private(limit.account)}" if limit.account else ""
    return f"{visible(limit.agent)}{account}"


def used(limit: RateLimit, look: Look) -> str:
    """Return the used share; `reset` if the window has ended, or `-` if the share is unknown."""
    if limit.is_over(look.now):
        return "reset"
    return UNKNOWN if limit.used_ratio is None else f"{limit.used_ratio:.0%}"


def bar_of(limit: RateLimit, look: Look, width: int) -> Line:
    """Return a bar that shows how much of a rate limit is used.

    The bar is blank if the used share is unknown, or if the window of the limit has ended.
    """
    if limit.is_over(look.now) or limit.used_ratio is None:
        return ((" " * (width + 1), ""),)
    return bar(limit.used_ratio, width, ascii_only=look.ascii_only)


def resets(limit: RateLimit, look: Look) -> str:
    """Return the time until the window ends; `-` if it is unknown or the window has ended."""
    if limit.resets_at is None or limit.is_over(look.now):
        return UNKNOWN
    return until(limit.resets_at - look.now)


def projected(limit: RateLimit, look: Look) -> str:
    """Return the share that will be used when the window ends, if the mean rate stays the same.

    The result is `-` if it is unknown or the window has ended.
    """
    ratio = limit.projected_ratio
    return UNKNOWN if ratio is None or limit.is_over(look.now) else f"{ratio:.0%}"


def limits_line(limits: Iterable[RateLimit], look: Look, width: int) -> Line:
    """Return one line with as many limits as fit: `claude 5h ████░░ 64% 1h12m · 7d 12%`."""
    line: list[Span] = []
    earlier = ""
    for limit in in_order(limits):
        part: list[Span] = []
        owner = whose(limit, look)
        if owner != earlier:
            part += [("   " if line else "", ""), (f"{owner} ", "bold")]
            part.append((f"{limit.window} ", ""))
            if limit.used_ratio is not None and not limit.is_over(look.now):
                part += [*bar_of(limit, look, BAR_CELLS), (" ", "")]
        else:
            part += [(" · ", "dim"), (f"{limit.window} ", "")]
        part.append((used(limit, look), "high" if is_high(limit, look) else ""))
        if owner != earlier and limit.resets_at is not None and not limit.is_over(look.now):
            part.append((f" {resets(limit, look)}", "dim"))
        if width_of(line) + width_of(part) > width:
            break
        line += part
        earlier = owner
    return tuple(line)


def is_high(limit: RateLimit, look: Look) -> bool:
    """Return whether a limit is nearly used up."""
    return "!" in plain(bar_of(limit, look, BAR_CELLS))


HEADINGS = (
    Heading("AGENT", 11, "left"),
    Heading("WINDOW", 11, "left"),
    Heading("USED", 5),
    Heading("", TABLE_CELLS + 1, "left"),
    Heading("PROJECTED", 9),
    Heading("RESETS IN", 9),
    Heading("SEEN", 4),
    Heading("SOURCE", 11, "left"),
)


def limits_table(limits: Sequence[RateLimit], look: Look) -> Table:
    """Return a table with every rate-limit window of every agent."""
    rows: list[tuple[SessionId, list[Span]]] = []
    for limit in in_order(limits):
        high = is_high(limit, look)
        rows.append(
            (
                (f"{limit.agent} {limit.account}", limit.window),
                [
                    (whose(limit, look), ""),
                    (visible(limit.window), ""),
                    (used(limit, look), "high" if high else ""),
                    (plain(bar_of(limit, look, TABLE_CELLS)), "high" if high else "bar"),
                    (projected(limit, look), ""),
                    (resets(limit, look), ""),
                    (look.since(limit.observed_at), ""),
                    (visible(limit.hint or limit.source) or UNKNOWN, "dim"),
                ],
            )
        )
    return plain_table(HEADINGS, rows)
