"""The page shows usage, limits and sessions, marks what is unknown, and stays small."""

import re
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from overviews import make_overview, make_sum, make_usage
from snapshots import BUDGET, NOW, PROCESS, make_agent, make_session, make_snapshot

from agtop_exporter.model import NO_SUM, Cost, RateLimit, State
from agtop_exporter.pipeline.overview import Overview
from agtop_exporter.server import page, render_overview
from agtop_exporter.server.page.texts import moment

GOLDEN = Path(__file__).with_name("page.html")
HOUR, DAY = 3_600, 86_400
PAGE_BYTES = 100_000

SESSIONS = (
    make_session(
        project="engine",
        state=State("waiting", "permission"),
        context_used_tokens=190_000,
        git_branch="feature/tax",
        subagents=2,
    ),
    make_session(session_id="b", process=msgspec.structs.replace(PROCESS, role="host")),
    make_session(
        session_id="c",
        project=None,
        model=None,
        model_effort=None,
        git_branch=None,
        state=State("closed"),
        cost=Cost(unpriced_tokens=29_400),
        context_window_tokens=None,
        process=None,
        last_active=None,
    ),
)
LIMITS = (
    RateLimit("codex", "5h", 0.83, NOW - 60, NOW + HOUR, 5 * HOUR, "rollout"),
    RateLimit("codex", "weekly", 0.42, NOW - DAY, NOW - HOUR, 7 * DAY, "rollout"),
    RateLimit("claude-code", "5h", None, NOW - 2 * HOUR, None, 5 * HOUR, "transcript", "limited"),
)
PROJECTS = (
    make_usage("engine", make_sum(1.25, 90_000), week=make_sum(1_406.7, 2e7)),
    make_usage("", NO_SUM, week=make_sum(0.004, 900)),
    *(make_usage(f"old-{n}", NO_SUM, total=make_sum(n, 1_000 * n, unpriced=n)) for n in range(5)),
)
MODELS = (make_usage("unpriced", make_sum(0, 100, unpriced=100)),)


def text_of(overview):
    rendered = render_overview(overview, version="1.2.3", timezone=UTC).decode()
    title, main = re.search("<title>(.*)</title>.*(<main.*</main>)", rendered, re.DOTALL).groups()
    return f"<!-- {title} -->\n{main}\n"


def full_overview():
    states = {"waiting": 1, "running": 1, "closed": 1_204}
    snapshot = make_snapshot(
        *SESSIONS,
        agents=(
            make_agent(states=states),
            make_agent(agent="codex", states={"closed": 1}, included=True),
        ),
        rate_limits=LIMITS,
        budgets=(BUDGET, msgspec.structs.replace(BUDGET, used_ratio=1.2, resets_at=NOW + 9 * DAY)),
    )
    agents = (make_usage("claude-code", make_sum(1.25, 90_000)), make_usage("codex"))
    usage = {"project": PROJECTS, "model": MODELS, "agent": agents}
    return Overview(snapshot, usage, SESSIONS)


def test_page_equals_its_golden_file(golden):
    golden(GOLDEN, text_of(full_overview()))


def test_title_counts_the_sessions_that_wait():
    waiting, quiet = (make_agent(states={"waiting": n, "idle": 4}) for n in (2, 0))
    for agents, title in (((waiting, quiet), "(2) waiting - agtop"), ((quiet,), "agtop")):
        snapshot = make_snapshot(agents=agents)
        overview = msgspec.structs.replace(make_overview(), snapshot=snapshot)
        assert text_of(overview).startswith(f"<!-- {title} -->")


def test_only_a_billed_amount_that_differs_is_shown():
    for billed, shown in ((3 * 10**12, True), (5 * 10**12, False)):
        totals = {
            ("cost", "a", "m", "input", "estimated"): 5 * 10**12,
            ("billed", "a", "m"): billed,
        }
        snapshot = make_snapshot(totals=totals)
        overview = msgspec.structs.replace(make_overview(), snapshot=snapshot)
        assert ("<small>billed $3.00</small>" in text_of(overview)) == shown


def test_home_without_sessions_shows_what_was_searched_and_no_zeros():
    agents = (make_agent(states={}), make_agent(agent="codex", states={}, enabled=False))
    text = text_of(Overview(make_snapshot(agents=agents), {}, ()))
    assert "Searched for: claude-code, codex." in text
    assert "$" not in text
    assert "<table" not in text


def test_long_first_scan_shows_its_progress():
    rendered = page.render_scan(1_200_000_000, 3_000_000_000, version="1.2.3").decode()
    assert "<title>scanning 40% - agtop</title>" in rendered
    assert "The first scan is running: 40% of 3.0GB has been read." in rendered
    assert '<progress value="0.400"' in rendered
    assert "<progress" not in page.render_scan(0, 0, version="1.2.3").decode()


def test_page_of_500_sessions_with_long_names_is_small():
    long = "a-name-without-an-end-" * 50
    sessions = [
        make_session(session_id=f"{number}{long}", project=long, model=long, git_branch=long)
        for number in range(500)
    ]
    groups = tuple(make_usage(f"{number}{long}", make_sum(9_999, 10**9)) for number in range(500))
    overview = make_overview(*sessions, usage=dict.fromkeys(("project", "model", "agent"), groups))
    rendered = render_overview(overview, version="1.2.3")
    assert len(rendered) < PAGE_BYTES
    assert rendered.count(b"<tr>") == 1 + 50 + 3 * (1 + 6) + 2 + 2  # and the limit and the budget


def test_failed_refresh_shows_when_the_values_were_new():
    snapshot = make_snapshot(result_of=NOW - 60)
    overview = msgspec.structs.replace(make_overview(), snapshot=snapshot)
    assert "updated 21:53:00" in text_of(overview)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "21:55"),
        (3 * HOUR, "Sun 00:54"),
        (6 * DAY, "Fri 21:54"),
        (8 * DAY, "2025-11-30"),
        (-9 * DAY, "2025-11-13"),
        (1e20, "-"),
    ],
)
def test_times_are_as_short_as_they_are_clear(seconds, text):
    assert moment(NOW + seconds, NOW, UTC) == text
