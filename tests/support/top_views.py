"""Builds frames and views of `agtop top` for tests. The clock and all data are fixed."""

from datetime import UTC

import msgspec
from snapshots import NOW, PROCESS, USD, make_agent, make_session, make_snapshot

from agtop_exporter.model import (
    Cost,
    HourlyUsage,
    ModelUsage,
    ProcessNode,
    ProcessTree,
    ProcessUsage,
    RateLimit,
    State,
    TokenCounts,
    Tree,
    UsageSum,
    hour_of,
)
from agtop_exporter.reports import Calendar
from agtop_exporter.top.history import Ring, Sample
from agtop_exporter.top.look import Look
from agtop_exporter.top.rows import Frame, Rows
from agtop_exporter.top.spans import plain
from agtop_exporter.top.view import View

HOUR, DAY = 3_600, 86_400
HOME = "/home/ada"
SIZES = ((80, 24), (120, 40), (200, 60))


def usage(cpu=0.0, rss=120_000_000, read=0.0, written=0.0, processes=1):
    """Return the resources of a process or of a tree."""
    return ProcessUsage(
        processes=processes,
        cpu_seconds=12.5,
        cpu_percent=cpu,
        rss_bytes=rss,
        disk_read_bytes_per_second=read,
        disk_written_bytes_per_second=written,
    )


def live(pid, **figures):
    """Return the process of a live session."""
    return msgspec.structs.replace(PROCESS, pid=pid, usage=usage(**figures))


def session(number, project, title, kind, *, reason=None, **over):
    """Return a session. Its figures depend on its number."""
    tokens = over.pop(
        "tokens", TokenCounts(1_000 * number, 20_000 * number, 3_000, 0, 900 * number)
    )
    cost = over.pop("cost", Cost(input=USD * number // 10, output=USD * number // 5))
    fields = {
        "session_id": f"11111111-1111-4111-8111-{number:012x}",
        "agent": "claude",
        "project": project,
        "cwd": f"{HOME}/src/{project}",
        "title": title,
        "state": State(kind, reason),
        "tokens": tokens,
        "cost": cost,
        "last_active": NOW - 90 * number,
        "context_used_tokens": 20_000 * number,
        "process": None,
    }
    return make_session(**{**fields, **over})


def with_subagents(*subagents, **facts):
    """Return a session whose tree includes subagents."""
    own = session(**facts)
    models, tokens, cost = dict(own.models), own.tokens, own.cost
    for one in subagents:
        models[one.model] = models.get(one.model, ModelUsage()) + one.models[one.model]
        tokens, cost = tokens + one.tokens, cost + one.cost
    tree = Tree(models, tokens, cost, cost.total)
    return msgspec.structs.replace(own, tree=tree, subagents=len(subagents))


def sessions():
    """Return sessions in every state, with subagents, without a price, and with wide titles."""
    child = session(
        20,
        "webshop",
        "Search the tests",
        "idle",
        model="claude-haiku-4-5",
        context_used_tokens=9_000,
    )
    grandchild = session(
        21, "webshop", "Run them", "closed", model="claude-haiku-4-5", context_used_tokens=9_000
    )
    parent = with_subagents(
        child,
        grandchild,
        number=2,
        project="webshop",
        title="Fix the checkout when the cart is empty",
        kind="running",
        running_tool="Bash",
        process=live(4242, cpu=28.4, rss=248_000_000, read=2_000.0, written=6_200_000.0),
        children=(child.session_id,),
    )
    return (
        session(1, "docs", "ランディングページの翻訳を直す", "waiting", reason="permission",
                process=live(4100), running_tool="Write"),
        parent,
        msgspec.structs.replace(child, parent_session_id=parent.session_id,
                                children=(grandchild.session_id,)),
        msgspec.structs.replace(grandchild, parent_session_id=child.session_id),
        session(3, "engine", "Make the parser faster 🚀", "warning", reason="stalled",
                process=live(4300)),
        session(4, "billing", "Send invoices", "error", reason="rate_limit", process=live(4400)),
        session(5, "infra", "Move the cluster", "idle", agent="codex", model="gpt-5-codex",
                process=live(4500, cpu=0.4), context_used_tokens=180_000),
        session(6, "search", "Old work", "closed", last_active=NOW - 3 * HOUR),
        session(7, "search", "Older work", "closed", last_active=NOW - 40 * DAY),
        session(8, "lab", "No price", "closed", model="mystery-1", last_active=NOW - HOUR,
                cost=Cost(unpriced_tokens=8_000 + 160_000 + 3_000 + 7_200)),
        session(9, "lab", "A part has no price", "closed", last_active=NOW - 2 * HOUR,
                cost=Cost(input=USD, unpriced_tokens=5)),
        session(10, "plan", "Covered", "closed", agent="codex", included=True,
                last_active=NOW - 2 * HOUR),
    )  # fmt: skip


def node(pid, parent, name, **figures):
    """Return a process of a tree."""
    ports, mark = figures.pop("ports", ()), figures.pop("mark", "")
    return ProcessNode(pid, parent, name, NOW - HOUR, usage(**figures), ports, mark)


def trees():
    """Return the process tree of one session, and of an agent without a session."""
    return (
        ProcessTree(
            "claude",
            ("11111111-1111-4111-8111-000000000002",),
            host=False,
            usage=usage(28.4, 248_000_000, 2_000.0, 6_200_000.0, processes=4),
            processes=(
                node(4242, 1, "claude", cpu=8.4, rss=148_000_000),
                node(4243, 4242, "bash", rss=4_000_000, written=6_200_000.0),
                node(
                    4244, 4243, "node", cpu=20.0, rss=90_000_000, read=2_000.0, ports=(3000, 5173)
                ),
                node(4199, 1, "watch", rss=6_000_000, mark="orphan"),
            ),
        ),
        ProcessTree(
            "codex",
            (),
            host=False,
            usage=usage(rss=66_000_000),
            processes=(node(5000, 1, "codex", rss=66_000_000),),
        ),
    )


def ring(tokens_per_sample=0, cpu=1.0, samples=12):
    """Return samples two seconds apart; one refresh has failed."""
    made = [
        Sample(
            NOW - 2.0 * (samples - place),
            tokens_per_sample * place * (1 + place % 3),
            USD // 1000 * tokens_per_sample * place,
            cpu * (1 + place % 4),
            2e8,
            1_000.0 * place,
        )
        for place in range(samples)
    ]
    return Ring((*made[:4], None, *made[5:]))


LIMITS = (
    RateLimit("claude", "5h", 0.64, NOW - 60, NOW + 4_320, 18_000, "transcript"),
    RateLimit("claude", "weekly", 0.12, NOW - 60, NOW + 3 * DAY + 2 * HOUR, 7 * DAY, "transcript"),
    RateLimit("codex", "5h", 0.91, NOW - 600, NOW + 7_500, 18_000, "rollout"),
    RateLimit("codex", "weekly", 0.5, NOW - 8 * DAY, NOW - DAY, 7 * DAY, "rollout"),
    RateLimit("codex", "5h", 0.2, NOW - 600, NOW + 900, 18_000, "rollout", account="work"),
    RateLimit("gemini", "daily", None, NOW - 600, None, None, "log", "quota is exhausted"),
)


def hourly(number, agent, project, model, days_ago, cost, unpriced=0):  # noqa: PLR0913, PLR0917 facts
    """Return the usage of one session in one hour."""
    name = f"11111111-1111-4111-8111-{number:012x}"
    tokens = TokenCounts(1_000 * number, 20_000, 3_000, 400, 700)
    hour = hour_of(NOW - days_ago * DAY)
    total = UsageSum(3, tokens, round(cost * USD), unpriced)
    return HourlyUsage(agent, name, name, project, "main", model, hour, total)


HOURLY = (
    hourly(1, "claude", "docs", "claude-sonnet-4-5", 0, 1.5),
    hourly(2, "claude", "webshop", "claude-sonnet-4-5", 0, 4.25),
    hourly(2, "claude", "webshop", "claude-haiku-4-5", 2, 0.5),
    hourly(5, "codex", "infra", "gpt-5-codex", 5, 2.0),
    hourly(7, "claude", "search", "claude-sonnet-4-5", 20, 8.0),
    hourly(8, "claude", "lab", "mystery-1", 60, 0.0, unpriced=99_999_999),
)


def frame(*shown, **over):
    """Return a frame with these sessions, or with those of `sessions`."""
    shown = shown or sessions()
    keys = [(one.agent, one.session_id) for one in shown]
    fields = {
        "snapshot": make_snapshot(*shown, rate_limits=LIMITS, budgets=(), agents=AGENTS),
        "trees": trees(),
        "rings": {key: ring(number * 50) for number, key in enumerate(keys)},
        "total": ring(400, cpu=10.0),
        "today": UsageSum(40, TokenCounts(1_900_000), round(12.4 * USD)),
        "usage": HOURLY,
    }
    return Frame(**{**fields, **over})


AGENTS = tuple(make_agent(agent=name) for name in ("claude", "codex", "gemini"))
NO_AGENTS = tuple(make_agent(agent=name, enabled=False) for name in ("claude", "codex", "gemini"))


def nothing(agents=AGENTS):
    """Return a frame without sessions and processes."""
    empty = make_snapshot(rate_limits=(), budgets=(), agents=agents)
    snapshot = msgspec.structs.replace(empty, sessions=())
    return Frame(snapshot=snapshot, today=UsageSum())


def make_view(found=None, *, size=(80, 24), **look):
    """Return a view of a frame; of the usual one if none is given, and of none if it is False."""
    view = View(Look(NOW, home=HOME, **look), calendar=Calendar(UTC))
    view.size = size
    if found is not False:
        view.receive(Rows(found or frame()))
    view.lines(NOW)
    return view


def screen_of(view, now=NOW):
    """Return the screen as text."""
    return "".join(f"{plain(line).rstrip()}\n" for line in view.lines(now))
