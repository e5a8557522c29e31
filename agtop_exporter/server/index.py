"""Renders the page at `/`, which shows the active and recent sessions.

The page contains no session titles, no paths and no scripts.
"""

from collections import Counter
from collections.abc import Callable
from html import escape

from agtop_exporter.model import Cost, ProcessUsage, Session, Snapshot, TokenCounts
from agtop_exporter.render.table.columns import MISSING, age, compact, money

REFRESH_SECONDS = 10

Figure = Callable[[Session, float], str]
"""A function of a session and a time (unix seconds) that returns the text of a cell."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #5d6672; --line: #e2e6eb;
  --link: #0b61c4; --running: #14803c; --waiting: #a15c00; --warning: #a15c00;
  --error: #c0271d; --idle: #5d6672; --closed: #5d6672;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #181c22; --text: #e6e9ee; --soft: #98a2b0; --line: #2a3039;
    --link: #6db0ff; --running: #4ccb7a; --waiting: #f0b14a; --warning: #f0b14a;
    --error: #ff7a70; --idle: #98a2b0; --closed: #98a2b0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif;
}
header, footer { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; }
h1 { margin: 0; font-size: 1.35rem; letter-spacing: -.01em; }
h2 { margin: 2rem 0 .75rem; font-size: 1rem; }
header span, footer, dt, th, .none { color: var(--soft); }
nav { margin-left: auto; display: flex; gap: 1.25rem; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
dl {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem;
  margin: 1.5rem 0 0;
}
dl div, table, .none {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
}
dl div { padding: .75rem 1rem; }
dt { font-size: .8rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: separate; border-spacing: 0; }
th { font-size: .8rem; font-weight: 500; text-align: left; }
th, td { padding: .55rem 1rem; }
td { border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.agent, .number, .state { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.project, .state { font-weight: 500; }
.state::before { content: "\\25cf"; margin-right: .4rem; }
.state span { color: var(--soft); font-weight: 400; }
.running { color: var(--running); } .waiting { color: var(--waiting); }
.warning { color: var(--warning); } .error { color: var(--error); }
.idle { color: var(--idle); } .closed { color: var(--closed); }
.none { margin: 0; padding: 2rem 1rem; text-align: center; }
footer { margin-top: 1.5rem; font-size: .85rem; }
@media (max-width: 60rem) {
  body { padding: 1.25rem .9rem; }
  nav { margin-left: 0; width: 100%; }
  dl { grid-template-columns: 1fr 1fr; }
  dl div:last-child { grid-column: 1 / -1; }
  table, tbody { display: block; }
  thead { display: none; }
  tr { display: grid; grid-template-columns: repeat(6, 1fr); gap: .15rem .75rem; padding: 1rem; }
  tr + tr { border-top: 1px solid var(--line); }
  td { border: 0; padding: 0; grid-column: span 2; }
  .project, .state { grid-column: span 3; white-space: normal; }
  .model { grid-column: span 4; }
  .state, .model { text-align: right; }
  .agent, .model { color: var(--soft); font-size: .9rem; }
  .number { text-align: left; padding-top: .3rem; }
  .number::before {
    display: block; content: attr(data-title); color: var(--soft); font-size: .8rem;
  }
}
"""


def render(snapshot: Snapshot | None, *, version: str, trouble: str = "") -> bytes:
    """Return the HTML page as UTF-8. `snapshot` is None before the first scan.

    Ages are relative to the time of the snapshot. `trouble` is a message about failing refreshes,
    which the page shows at the top.
    """
    content = "" if snapshot is None else _summary(snapshot) + _sessions(snapshot)
    if not content:
        content = '<p class="none">The first scan is running.</p>'
    if trouble:
        content = f'<p class="none error">{escape(trouble)}</p>\n{content}'
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{REFRESH_SECONDS}">
<title>agtop-exporter</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>agtop-exporter</h1><span>{escape(version)}</span>
<nav><a href="/metrics">Metrics</a><a href="/-/healthy">Health</a><a href="/-/ready">Readiness</a>
</nav>
</header>
<main>
{content}
</main>
<footer>Tokens and cost of a session include its subagents. Cost is the retail cost in US dollars.
*: the price of some tokens is not known. ?: no price is known.</footer>
</body>
</html>
"""
    return page.encode("utf-8", "replace")


def _summary(snapshot: Snapshot) -> str:
    tokens = TokenCounts(input=_total(snapshot, "tokens"))  # only the sums matter here
    cost = Cost(_total(snapshot, "cost"), unpriced_tokens=_total(snapshot, "unpriced_tokens"))
    states = Counter(session.state.kind for session in snapshot.published)
    figures = {
        "Running": str(states["running"]),
        "Waiting": str(states["waiting"]),
        "Sessions": compact(sum(sum(agent.states.values()) for agent in snapshot.agents)),
        "Tokens": compact(tokens.total),
        "Cost, USD": money(cost, tokens, decimals=2),
    }
    items = (f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    return f"<dl>{''.join(items)}</dl>\n"


def _total(snapshot: Snapshot, family: str) -> int:
    """Return the sum of the series of the counter `family`, which include the whole history."""
    return int(sum(value for series, value in snapshot.totals.items() if series[0] == family))


def _sessions(snapshot: Snapshot) -> str:
    if not snapshot.published:
        return '<h2>Recent sessions</h2>\n<p class="none">No active or recent sessions.</p>'
    waiting_first = sorted(
        snapshot.published, key=lambda s: (s.state.kind != "waiting", -(s.last_active or 0))
    )
    rows = "\n".join(_row(session, snapshot.generated_at) for session in waiting_first)
    heads = "".join(f'<th class="number">{title}</th>' for title in FIGURES)
    return f"""<h2>Recent sessions</h2>
<table>
<thead><tr><th>Project</th><th>State</th><th>Agent</th><th>Model</th>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def _row(session: Session, now: float) -> str:
    kind, reason = session.state.kind, session.state.reason
    why = f" <span>{escape(reason)}</span>" if reason else ""
    figures = "".join(
        f'<td class="number" data-title="{title}">{figure(session, now)}</td>'
        for title, figure in FIGURES.items()
    )
    return (
        f'<tr><td class="project">{escape(session.project or MISSING)}</td>'
        f'<td class="state {kind}">{kind}{why}</td>'
        f'<td class="agent">{escape(session.agent)}</td>'
        f'<td class="model">{escape(session.model or MISSING)}</td>{figures}</tr>'
    )


def _context(session: Session, _now: float) -> str:
    used, window = session.context_used_tokens, session.context_window_tokens
    return MISSING if used is None or not window else f"{used / window:.0%}"


def _usage(
    value_of: Callable[[ProcessUsage], float | None], form: Callable[[float], str]
) -> Figure:
    def figure(session: Session, _now: float) -> str:
        process = session.process
        # The usage of a process that hosts several sessions cannot be split between them.
        usage = process.usage if process and process.role != "host" else None
        value = value_of(usage) if usage else None
        return MISSING if value is None else form(value)

    return figure


def _last_active(session: Session, now: float) -> str:
    return MISSING if session.last_active is None else age(now - session.last_active)


FIGURES: dict[str, Figure] = {
    "Tokens": lambda session, _: compact(session.tree.tokens.total),
    "Cost": lambda session, _: money(session.tree.cost, session.tree.tokens),
    "Context": _context,
    "CPU": _usage(lambda usage: usage.cpu_percent, "{:.0f}%".format),
    "Memory": _usage(lambda usage: usage.rss_bytes, compact),
    "Last active": _last_active,
}
"""Columns with numbers: title -> function that returns the text of a cell."""
