"""A metric with an unknown value is absent instead of 0, and no metric appears twice."""

import msgspec
import pytest
from snapshots import NOW, PROCESS, TOKENS, USD, make_agent, make_session, make_snapshot

from agtop_exporter.metrics import collect
from agtop_exporter.model import NO_TOKENS, Cost, State, TokenCounts, Tree


def published(snapshot):
    return {
        family.metric.name: {
            tuple(zip(family.metric.labels, labels, strict=True)): value
            for labels, value in family.samples
        }
        for family in collect(snapshot)
    }


def of_session(name, **over):
    """Return the values of one metric of one session, by its other labels."""
    samples = published(make_snapshot(make_session(**over))).get(name, {})
    return {
        tuple(value for key, value in labels if key not in {"session_id", "agent"}): value
        for labels, value in samples.items()
    }


@pytest.mark.parametrize(
    ("name", "over"),
    [
        ("agtop_session_context_tokens", {"context_used_tokens": None}),
        ("agtop_session_context_limit_tokens", {"context_window_tokens": None}),
        ("agtop_session_start_timestamp_seconds", {"started_at": None}),
        ("agtop_session_last_activity_timestamp_seconds", {"last_active": None}),
        ("agtop_session_match_confidence", {"process": None}),
        ("agtop_session_cpu_seconds_total", {"spent": None}),
        (
            "agtop_session_memory_rss_bytes",
            {"process": msgspec.structs.replace(PROCESS, usage=None)},
        ),
        ("agtop_session_cost_usd_total", {"cost": Cost(unpriced_tokens=TOKENS.total)}),
        ("agtop_session_billed_usd", {"cost": Cost(unpriced_tokens=TOKENS.total)}),
    ],
)
def test_unknown_of_a_session_is_absent(name, over):
    assert of_session(name)
    assert of_session(name, **over) == {}


def test_a_free_session_costs_0():
    assert of_session("agtop_session_cost_usd_total", cost=Cost()) == {(): 0.0}
    assert of_session("agtop_session_cost_usd_total", cost=Cost(), tokens=NO_TOKENS) == {(): 0.0}
    assert of_session("agtop_session_billed_usd", cost=Cost()) == {(): 0.0}


def test_a_session_without_a_price_that_a_plan_covers_is_billed_0():
    cost = Cost(unpriced_tokens=TOKENS.total)
    assert of_session("agtop_session_billed_usd", cost=cost, included=True) == {(): 0.0}


def test_a_bill_is_shown_without_a_price():
    tree = Tree({}, TOKENS, Cost(unpriced_tokens=TOKENS.total), billed=2 * USD)
    assert of_session("agtop_session_billed_usd", tree=tree) == {(): 2.0}


def test_partly_priced_session_shows_what_is_priced():
    cost = Cost(output=3 * USD, unpriced_tokens=5)
    assert of_session("agtop_session_cost_usd_total", cost=cost) == {(): 3.0}


def test_use_of_a_host_is_not_shown_as_that_of_each_of_its_sessions():
    host = msgspec.structs.replace(PROCESS, role="host")
    assert of_session("agtop_session_memory_rss_bytes", process=host) == {}
    assert of_session("agtop_session_match_confidence", process=host) == {
        ("high",): 1,
        ("medium",): 0,
        ("low",): 0,
    }


def test_session_shows_its_tree_and_never_less_than_before():
    tree = Tree({}, TokenCounts(input=30, output=7), Cost(output=2 * USD))
    over = {
        "tree": tree,
        "floor_tokens": TokenCounts(input=40),
        "floor_cost": Cost(input=USD),
    }
    tokens = of_session("agtop_session_tokens_total", **over)
    assert tokens["input",] == 40
    assert tokens["output",] == 7
    assert of_session("agtop_session_cost_usd_total", **over) == {(): 3.0}


def test_exactly_one_state_is_set():
    states = of_session("agtop_session_state", state=State("waiting", "permission"))
    assert states == {
        ("running",): 0,
        ("waiting",): 1,
        ("warning",): 0,
        ("error",): 0,
        ("idle",): 0,
        ("closed",): 0,
    }


def test_agent_that_is_not_installed_has_no_up_and_no_sessions():
    missing = make_agent(
        agent="codex", enabled=False, up=None, files=0, scan_duration_seconds=None,
        last_success=None, states={}, processes=None, orphan_processes=None,
        duplicate_processes=None, rss_bytes=None, vms_bytes=None,
    )  # fmt: skip
    names = {
        name
        for name, samples in published(make_snapshot(agents=(missing,), totals={})).items()
        if any(("agent", "codex") in labels for labels in samples)
    }
    assert names == {"agtop_agent_enabled"} | {
        name for name in names if name.startswith("agtop_rate_limit_")
    }


def test_failed_scan_is_down_and_its_totals_stay():
    metrics = published(make_snapshot(agents=(make_agent(up=False),)))
    assert metrics["agtop_agent_up"] == {(("agent", "claude-code"),): 0}
    assert metrics["agtop_turns_total"] == {(("agent", "claude-code"),): 3}


def test_rate_limit_of_yesterday_is_gone():
    snapshot = make_snapshot()
    assert "agtop_rate_limit_used_ratio" in published(snapshot)
    late = msgspec.structs.replace(snapshot, generated_at=NOW + 86_400)
    assert not [name for name in published(late) if name.startswith("agtop_rate_limit_")]


def test_only_published_sessions_have_series():
    hidden = make_session(session_id="subagent", parent_session_id="parent")
    snapshot = make_snapshot(make_session(session_id="parent"), hidden)
    ids = {dict(labels)["session_id"] for labels in published(snapshot)["agtop_session_info"]}
    assert ids == {"parent"}


def test_money_is_in_dollars():
    cost = published(make_snapshot())["agtop_cost_usd_total"]
    assert sorted(cost.values()) == [0.003, 1.5]
