"""Builds overviews for tests. All parts have values that can be replaced."""

from snapshots import USD, make_agent, make_session, make_snapshot

from agtop_exporter.model import NO_SUM, TokenCounts, UsageSum
from agtop_exporter.pipeline.overview import Overview, Usage


def make_sum(usd, tokens, *, unpriced=0):
    """Return a sum of 7 requests."""
    return UsageSum(7, TokenCounts(output=tokens), round(usd * USD), unpriced)


def make_usage(name, today=NO_SUM, *, week=None, total=None):
    """Return the usage of a group. A longer period has at least the usage of a shorter one."""
    week = week or today
    return Usage(name, today, week, total or week)


def make_overview(*sessions, name="shop", **over):
    """Return the overview of these sessions, or of one session, with the usage of one group."""
    sessions = sessions or (make_session(),)
    snapshot = make_snapshot(*sessions, agents=(make_agent(states={"waiting": 1, "closed": 2}),))
    used = make_usage(
        name,
        make_sum(1.5, 29_400),
        week=make_sum(1_406.7, 3_200_000),
        total=make_sum(1_500, 4_000_000, unpriced=5),
    )
    fields = {
        "snapshot": snapshot,
        "usage": dict.fromkeys(("project", "model", "agent"), (used,)),
        "sessions": sessions,
    }
    return Overview(**{**fields, **over})
