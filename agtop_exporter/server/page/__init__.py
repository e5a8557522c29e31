"""Renders the page at `/`: usage, limits and sessions.

The page contains no prompts, titles or directories. Without JavaScript, the browser loads it again
periodically.
"""

from datetime import tzinfo

from agtop_exporter.model import Snapshot
from agtop_exporter.pipeline.overview import Overview
from agtop_exporter.render.table.columns import URGENCY, compact
from agtop_exporter.server.page import html
from agtop_exporter.server.page.html import SCRIPT, STYLE, policy_hash
from agtop_exporter.server.page.limits import budget_table, limit_table
from agtop_exporter.server.page.sessions import session_table
from agtop_exporter.server.page.texts import clock
from agtop_exporter.server.page.usage import sum_of, usage_cards, usage_table

__all__ = [
    "SCRIPT",
    "STYLE",
    "policy_hash",
    "render",
    "render_scan",
    "render_unavailable",
    "with_notice",
]

NAME = "agtop"
REFRESH_SECONDS = 10
SCAN_REFRESH_SECONDS = 2
ROWS_MAX = 50
NOTICE = "<!-- notice -->"
LEGEND = (
    "Costs are list prices in US dollars.",
    "*: the price of some tokens is not known. ?: no price is known.",
    "Tokens and cost of a session include its subagents.",
    "Days begin at midnight in the time zone of the exporter.",
)


def render(overview: Overview, *, version: str, timezone: tzinfo | None = None) -> bytes:
    """Return the page as UTF-8. Ages are relative to the time of the snapshot.

    None as `timezone` means the time zone of the machine.
    """
    snapshot = overview.snapshot
    waiting = _states(snapshot).get("waiting", 0)
    parts = [NOTICE, _now(snapshot, timezone)]
    if overview.sessions:
        parts += [*_usage(overview), *_limits(snapshot, timezone), _sessions(overview)]
        parts.append(html.footer(*LEGEND))
    else:
        parts.append(_nothing(snapshot))
    return html.document(
        "\n".join(parts),
        title=f"({waiting}) waiting - {NAME}" if waiting else NAME,
        version=version,
        refresh_seconds=REFRESH_SECONDS,
    )


def render_scan(done_bytes: int, total_bytes: int, *, version: str) -> bytes:
    """Return the page during the first scan as UTF-8, with the progress of the scan."""
    share = done_bytes / total_bytes if total_bytes else None
    percent = "" if share is None else f" {share:.0%}"
    text = f"The first scan is running:{percent} of {compact(total_bytes)}B has been read."
    if share is None:
        text = "The first scan is running. It looks for files."
    return html.document(
        f"{NOTICE}\n{html.message(text, share=share)}",
        title=f"scanning{percent} - {NAME}",
        version=version,
        refresh_seconds=SCAN_REFRESH_SECONDS,
    )


def render_unavailable(*, version: str) -> bytes:
    """Return a page as UTF-8 for the time in which `render` has no result."""
    return html.document(
        f"{NOTICE}\n{html.message('The page cannot be shown now. It is tried again soon.')}",
        title=NAME,
        version=version,
        refresh_seconds=SCAN_REFRESH_SECONDS,
    )


def with_notice(page: bytes, trouble: str) -> bytes:
    """Return the page with a message about a problem at its top; "" as `trouble` means none."""
    return page.replace(NOTICE.encode(), html.notice(trouble).encode(), 1) if trouble else page


def _states(snapshot: Snapshot) -> dict[str, int]:
    """Return the numbers of sessions by state, without subagents."""
    counts: dict[str, int] = dict.fromkeys(URGENCY, 0)
    for status in snapshot.agents:
        for state, number in status.states.items():
            counts[state] += number
    return counts


def _now(snapshot: Snapshot, timezone: tzinfo | None) -> str:
    shown = [(state, number) for state, number in _states(snapshot).items() if number]
    at = snapshot.generated_at if snapshot.result_of is None else snapshot.result_of
    return html.states(shown, note=f"updated {clock(at, timezone)}")


def _usage(overview: Overview) -> list[str]:
    snapshot = overview.snapshot
    tables = (
        html.section(f"By {by}", usage_table(by, groups, included=_included(snapshot)))
        for by, groups in overview.usage.items()
    )
    total = sum_of(overview.usage["agent"])
    return [usage_cards(total, snapshot.totals), html.columns(tables)]


def _included(snapshot: Snapshot) -> set[str]:
    return {status.agent for status in snapshot.agents if status.included}


def _limits(snapshot: Snapshot, timezone: tzinfo | None) -> list[str]:
    now, sections = snapshot.generated_at, []
    if snapshot.rate_limits:
        table = limit_table(snapshot.rate_limits, now, timezone)
        sections.append(html.section("Rate limits", table))
    if snapshot.budgets:
        sections.append(html.section("Budgets", budget_table(snapshot.budgets, now, timezone)))
    return [html.columns(sections)] if sections else []


def _sessions(overview: Overview) -> str:
    shown = overview.sessions[:ROWS_MAX]
    number = sum(_states(overview.snapshot).values())
    note = f"{len(shown)} of {number:,}" if number > len(shown) else ""
    table = session_table(shown, overview.snapshot.generated_at)
    return html.section("Sessions", table, note=note)


def _nothing(snapshot: Snapshot) -> str:
    searched = ", ".join(status.agent for status in snapshot.agents)
    return html.message(
        f"No sessions were found. Searched for: {searched or 'no agents'}.",
        "Sessions appear here when an agent runs. The command agtop-exporter doctor shows the "
        "directories that were searched.",
    )
