"""Writes the lines below the table: totals, rate limits, budgets, processes and the legend.

    3 of 50 sessions + 10 subagents, 1 active, in 3.0k, out 15.0k, list price 0.2930 USD
    limits codex: 5h 25% (resets 23:54), weekly 12% (resets 2026-12-03 09:00, recorded 2h ago)
    budget claude month: $12.50 of $50.00 (25%), projected 48%
    processes without a session: claude (pid 4242 4243)
    marks: ? = no known price, +N = with N subagents

A note is a sequence of parts. A line that is too long is wrapped between two parts.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from msgspec.structs import asdict

from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    AgentStatus,
    BudgetUse,
    RateLimit,
    Session,
    Snapshot,
)
from agtop_exporter.render.table.columns import (
    INCLUDED,
    PARTLY_PRICED,
    UNKNOWN_COST,
    View,
    age,
    cached,
    compact,
    dollars,
    local_time,
    money,
    short_path,
)
from agtop_exporter.state import count_states

Note = Sequence[str]

RECENT_SECONDS = 600.0  # a rate limit that was recorded earlier has its age
PIDS_MAX = 10  # process ids of one agent that are listed
ROOTS_MAX = 3  # searched paths of one agent that are listed
NAME_WIDTH = 12
SEARCHED = "`agtop-exporter doctor` names the places that it searches"

MARKS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (f"{UNKNOWN_COST} = no known price", UNKNOWN_COST.__eq__),
    (
        f"{PARTLY_PRICED} = without tokens that have no known price",
        lambda cell: cell.endswith(PARTLY_PRICED),
    ),
    (f"{INCLUDED} = covered by the plan", INCLUDED.__eq__),
)
"""The explanation of each mark in a cost, and a function that finds the mark in a cell."""


def totals(rows: Sequence[Session], known: int, view: View) -> Note:
    """Return the number and the sums of the selected `rows`.

    `known` is the number of all top-level sessions, selected or not.
    """
    tokens, cost, billed, priced, billable = NO_TOKENS, NO_COST, 0, NO_COST, NO_TOKENS
    for session in rows:
        tokens += session.tree.tokens
        cost += session.tree.cost
        if not session.included:
            billed += session.tree.billed
            priced += session.tree.cost
            billable += session.tree.tokens
    included = sum(session.included for session in rows)
    parts = [
        *_counts(rows, known, view),
        f"in {compact(tokens.input)}",
        f"out {compact(tokens.output)}",
        f"cache {compact(cached(tokens))}",
        f"list price {money(cost, tokens)} USD",
    ]
    if included or billed != cost.total:
        parts.append(f"billed {dollars(billed, priced, billable)} USD")
    if included:
        parts.append(f"{_counted(included, 'session')} covered by the plan")
    return parts


def _counts(rows: Sequence[Session], known: int, view: View) -> Iterator[str]:
    subagents = sum(session.subagents for session in rows)
    shown = f"{len(rows):,} of " if len(rows) != known else ""
    more = f" + {_counted(subagents, 'subagent')}" if subagents else ""
    yield f"{shown}{_counted(known, 'session')}{more}"
    midnight = datetime.fromtimestamp(view.now, view.timezone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    counts = count_states(
        ((session.state, session.started_at) for session in rows), midnight=midnight.timestamp()
    )
    for name, number in asdict(counts).items():
        if number:
            yield f"{number:,} {'started today' if name == 'today' else name}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def hidden(number: int, *, is_screen: bool) -> Note:
    """Return a note about the number of selected rows that are not shown.

    `is_screen` means that the screen has too few lines for these rows.
    """
    return [f"{number:,} more {'do not fit' if is_screen else '(--all shows them)'}"]


def below(snapshot: Snapshot, view: View) -> Iterator[Note]:
    """Yield the notes below the table that do not depend on the rows."""
    yield from limits(snapshot.rate_limits, view)
    yield from map(budget, snapshot.budgets)
    orphans = [
        _orphans(status.agent, status.orphan_pids)
        for status in snapshot.agents
        if status.orphan_pids
    ]
    if orphans:
        yield [f"processes without a session: {orphans[0]}", *orphans[1:]]


def limits(found: Sequence[RateLimit], view: View) -> Iterator[Note]:
    """Yield a note for each account with its rate limits, except windows that have ended."""
    accounts: dict[str, list[str]] = {}
    for limit in found:
        text = "" if limit.is_over(view.now) else _limit(limit, view)
        if text:
            name = f"{limit.agent} {limit.account}".rstrip()
            accounts.setdefault(name, []).append(text)
    for name, (first, *others) in accounts.items():
        yield [f"limits {name}: {first}", *others]


def _limit(limit: RateLimit, view: View) -> str:
    if limit.used_ratio is None and not limit.hint:
        return ""
    used = limit.hint if limit.used_ratio is None else f"{limit.used_ratio:.0%}"
    details = []
    if limit.resets_at is not None:
        details.append(f"resets {_clock(limit.resets_at, view)}")
    if view.now - limit.observed_at >= RECENT_SECONDS:
        details.append(f"recorded {age(view.now - limit.observed_at)} ago")
    more = f" ({', '.join(details)})" if details else ""
    return f"{limit.window} {used}{more}"


def _clock(time: float, view: View) -> str:
    """Return the time of day, with the date if it is another day; "?" if it is out of range."""
    moment = local_time(time, view.timezone)
    if moment is None:
        return "?"
    today = datetime.fromtimestamp(view.now, view.timezone).date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M}"


def budget(use: BudgetUse) -> Note:
    """Return a note about the used and the projected share of a budget."""
    return [
        f"budget {use.name}: ${use.used_usd:,.2f} of ${use.budget_usd:,.2f} ({use.used_ratio:.0%})",
        f"projected {use.projected_ratio:.0%}",
    ]


def _orphans(agent: str, pids: Sequence[int]) -> str:
    more = f" and {len(pids) - PIDS_MAX:,} more" if len(pids) > PIDS_MAX else ""
    return f"{agent} (pid {' '.join(map(str, pids[:PIDS_MAX]))}{more})"


def legend(cells: Sequence[str], rows: Sequence[Session]) -> Note:
    """Return an explanation of the marks in the cost `cells` and in the session ids of `rows`."""
    parts = _marks(cells)
    if any(session.subagents for session in rows):
        parts.append("+N = with N subagents")
    return _explained(parts)


def marks(cells: Sequence[str]) -> Note:
    """Return an explanation of the marks in the cost `cells`."""
    return _explained(_marks(cells))


def _marks(cells: Sequence[str]) -> list[str]:
    return [text for text, occurs in MARKS if any(map(occurs, cells))]


def _explained(parts: Sequence[str]) -> Note:
    return [f"marks: {parts[0]}", *parts[1:]] if parts else []


def nothing_selected(known: int) -> Note:
    """Return a note that sessions are known, but none is selected."""
    return [f"No session matches the options ({_counted(known, 'session')} without them)"]


def nothing_found(snapshot: Snapshot, view: View) -> Iterator[Note]:
    """Yield lines that name the paths that were searched, and what the user can try."""
    yield ["No sessions were found."]
    for status in snapshot.agents:
        yield _searched(status, view)
    yield ["To read the agents of another home directory, use --home DIR."]
    yield ["`agtop-exporter doctor` names the files and places that are not read."]


def _searched(status: AgentStatus, view: View) -> Note:
    found = "no sessions in" if status.enabled else "not found:"
    first, *others = [short_path(root, view.home) for root in status.roots] or [""]
    more = [f"{len(others) + 1 - ROOTS_MAX} more"] if len(others) >= ROOTS_MAX else []
    return [f"  {status.agent:<{NAME_WIDTH}} {found} {first}", *others[: ROOTS_MAX - 1], *more]
