"""`agtop json` keeps its keys, and unknown values are null, because other programs read it."""

import json

import msgspec
import pytest
from snapshots import (
    BUDGET,
    COST,
    NOW,
    PROCESS,
    TOKENS,
    USAGE,
    make_agent,
    make_session,
    make_snapshot,
)

from agtop_exporter.model import (
    NO_TOKENS,
    Cost,
    ProcessMatch,
    RateLimit,
    State,
    TokenCounts,
    Tree,
)
from agtop_exporter.render import json as json_page

SESSION_KEYS = {
    "agent", "session_id", "parent_session_id", "project", "cwd", "title", "model", "models",
    "tokens", "cost", "tree", "subagent_file_count", "started_at", "last_active",
    "duration_seconds", "user_turns", "agent_turns", "tool_calls", "context", "state",
    "model_effort", "model_effort_detail", "subscription", "pid", "liveness", "match_confidence",
    "process", "data_path",
}  # fmt: skip
TOKEN_KEYS = [
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "total",
]  # fmt: skip
COST_KEYS = [
    "input_usd", "cache_read_usd", "cache_write_5m_usd", "cache_write_1h_usd", "output_usd",
    "reported_usd", "total_usd", "billed_usd", "included", "unpriced_tokens", "web_search_usd",
]  # fmt: skip
PROCESS_KEYS = {
    "cpu_seconds", "cpu_percent", "rss_bytes", "vms_bytes", "disk_read_bytes",
    "disk_written_bytes", "disk_read_bytes_per_second", "disk_written_bytes_per_second",
}  # fmt: skip
UNKNOWN = dict.fromkeys(
    [
        "parent_session_id", "project", "cwd", "title", "model", "started_at", "last_active",
        "context_used_tokens", "context_peak_tokens", "context_window_tokens", "state_detail",
        "model_effort", "model_effort_detail", "subscription", "agent_version", "git_branch",
        "process",
    ]
)  # fmt: skip


def render(*sessions, **over):
    return json.loads(json_page.render(make_snapshot(*sessions, **over)))


def first(**over):
    return render(make_session(**over))["sessions"][0]


def shape(value):
    """Return the keys of a document without its values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return None


def test_keys_are_those_of_version_1():
    document = render()
    session = document["sessions"][0]
    assert document["schema_version"] == 1
    assert document["generated_at"] == "2025-11-22T21:54:00.000Z"
    assert {"plan", "sessions", "totals"} <= set(document)
    assert set(session) >= SESSION_KEYS
    for part in (session, session["tree"], document["totals"]):
        assert list(part["tokens"]) == TOKEN_KEYS
        assert list(part["cost"]) == COST_KEYS
    for part in (session, session["tree"]):
        (usage,) = part["models"].values()
        assert {"requests", "tokens", "cost_usd"} <= set(usage)
        assert list(usage["tokens"]) == TOKEN_KEYS
    assert set(session["context"]) >= {"used_tokens", "window_tokens", "used_ratio"}
    assert set(session["state"]) >= {"kind", "reason"}
    assert set(session["process"]) >= PROCESS_KEYS


def test_unknown_is_null_and_never_left_out():
    known, unknown = first(), first(**UNKNOWN)
    nested = {"models", "process", "tree"}  # a model's name is a key; no process at all is null
    assert {k: shape(v) for k, v in unknown.items() if k not in nested} == {
        k: shape(v) for k, v in known.items() if k not in nested
    }
    nulls = {key for key, value in unknown.items() if value is None}
    assert nulls == {
        "parent_session_id", "project", "cwd", "title", "model", "started_at", "last_active",
        "duration_seconds", "model_effort", "model_effort_detail", "subscription", "agent_version",
        "git_branch", "user", "pid", "running_tool",
        "liveness", "match_confidence", "match_evidence", "process_role", "process",
    }  # fmt: skip
    assert set(unknown["context"].values()) == {None}


def names(value):
    """Return all keys of a document at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    return set().union(*map(names, value)) if isinstance(value, list) else set()


def test_r03_an_agent_is_called_an_agent():
    assert "agent" in names(render())
    assert not names(render()) & {"client", "provider"}


def test_r02_a_running_session_shows_its_process():
    figures = {
        "cpu_percent": 3.5,
        "disk_written_bytes": 12,
        "disk_read_bytes_per_second": 45.0,
        "disk_written_bytes_per_second": 6.0,
    }
    usage = msgspec.structs.replace(USAGE, **figures)
    process = msgspec.structs.replace(PROCESS, usage=usage)
    session = first(state=State("running"), process=process)
    assert session["state"]["kind"] == "running"
    assert {name: session["process"][name] for name in figures} == figures


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        pytest.param(State("running"), "running", None, id="S-06 running"),
        pytest.param(State("idle"), "idle", None, id="S-06 idle"),
        pytest.param(State("closed"), "closed", None, id="S-06 closed"),
        pytest.param(State("waiting", "input"), "waiting", "input", id="S-06 waiting"),
        pytest.param(State("waiting", "permission"), "waiting", "permission", id="S-07"),
        pytest.param(State("warning", "stalled"), "warning", "stalled", id="S-08"),
        pytest.param(State("error", "quota"), "error", "quota", id="an error"),
    ],
)
def test_states_have_a_kind_and_a_reason(state, kind, reason):
    """A stalled session has this state since its last activity."""
    session = first(state=state)
    told = {"kind": kind, "reason": reason, "detail": "assistant record"}
    assert session["state"] == told
    assert session["last_active"] == "2025-11-22T21:52:30.000Z"


def test_figures_are_exact():
    session = first()
    assert session["tokens"] == dict(
        zip(TOKEN_KEYS, [1_000, 20_000, 3_000, 400, 5_000, 600, 29_400], strict=True)
    )
    assert session["cost"]["total_usd"] == session["cost"]["billed_usd"] == 0.09765
    assert session["cost"]["cache_write_5m_usd"] == 0.01125
    assert session["context"]["used_ratio"] == 0.25
    assert session["duration_seconds"] == 3_510.0
    assert session["tool_calls"] == 6
    assert session["last_active"] == "2025-11-22T21:52:30.000Z"


def test_ratios_are_rounded():
    document = render(
        make_session(context_used_tokens=1, context_window_tokens=3),
        rate_limits=(RateLimit("codex", "5h", 2 / 3, NOW),),
        budgets=(msgspec.structs.replace(BUDGET, used_ratio=1 / 3, projected_ratio=2 / 3),),
    )
    assert document["sessions"][0]["context"]["used_ratio"] == 0.333333
    assert document["rate_limits"][0]["used_ratio"] == 0.666667
    (budget,) = document["budgets"]
    assert (budget["used_ratio"], budget["projected_ratio"]) == (0.333333, 0.666667)


def test_the_pids_of_orphan_processes_are_listed_and_no_searched_paths():
    agents = (make_agent(orphan_pids=(4, 5), roots=("/home/ada/.claude",)), make_agent())
    some, none = render(agents=agents)["agents"]
    assert (some["orphan_pids"], none["orphan_pids"]) == ([4, 5], None)
    assert "roots" not in some


def test_tree_has_its_own_figures():
    tree = Tree({}, TOKENS + TOKENS, COST + COST)
    session = first(tree=tree)
    assert session["tokens"]["total"] == 29_400
    assert session["tree"]["tokens"]["total"] == 58_800
    assert session["tree"]["cost"]["total_usd"] == 0.1953
    assert session["tree"]["models"] == {}


def test_unpriced_is_null_not_zero():
    session = first(cost=Cost(unpriced_tokens=29_400))
    assert [session["cost"][key] for key in COST_KEYS[:8]] == [None] * 8
    assert session["cost"]["unpriced_tokens"] == 29_400
    assert session["models"]["claude-sonnet-4-5"]["cost_usd"] is None
    partly = first(cost=Cost(output=10**12, unpriced_tokens=5))
    assert partly["cost"]["total_usd"] == 1.0
    assert first(cost=Cost())["cost"]["total_usd"] == 0.0


def test_included_bills_nothing_and_keeps_the_retail_equivalent():
    cost = first(included=True)["cost"]
    assert (cost["billed_usd"], cost["total_usd"], cost["included"]) == (0.0, 0.09765, True)


def test_totals_count_each_session_once():
    parent = make_session(session_id="p", tree=Tree({}, TOKENS + TOKENS, COST + COST))
    child = make_session(session_id="c", parent_session_id="p", included=True)
    empty = make_session(session_id="e", tokens=NO_TOKENS, cost=Cost())
    totals = render(parent, child, empty)["totals"]
    assert (totals["sessions"], totals["included_sessions"]) == (3, 1)
    assert totals["tokens"]["total"] == 58_800
    assert totals["cost"]["total_usd"] == 0.1953
    assert totals["cost"]["billed_usd"] == 0.09765
    assert totals["cost"]["included"] is False


def test_totals_do_not_bill_zero_for_what_has_no_price():
    free = make_session(session_id="a", included=True)
    unpriced = make_session(session_id="b", cost=Cost(unpriced_tokens=29_400))
    cost = render(free, unpriced)["totals"]["cost"]
    assert cost["total_usd"] == 0.09765
    assert cost["billed_usd"] is None


def test_latest_active_comes_first():
    sessions = [
        make_session(session_id=name, last_active=last_active)
        for name, last_active in [("d", None), ("b", NOW), ("a", NOW), ("c", NOW + 1)]
    ]
    assert [s["session_id"] for s in render(*sessions)["sessions"]] == ["c", "a", "b", "d"]


def test_all_sessions_are_listed():
    """This includes sessions without series, without tokens and without a price."""
    sessions = [
        make_session(session_id="empty", tokens=NO_TOKENS, cost=Cost(), models={}),
        make_session(session_id="unpriced", cost=Cost(unpriced_tokens=29_400)),
        make_session(session_id="child", parent_session_id="empty"),
    ]
    assert len(render(*sessions, published=())["sessions"]) == 3


def test_text_that_is_no_unicode_is_replaced():
    session = first(title="half \ud83d", data_path="/home/ada/\udcff.jsonl", tools={"\udcff": 1})
    assert session["title"] == "half ?"
    assert session["data_path"] == "/home/ada/?.jsonl"
    assert session["tools"] == {"?": 1}


@pytest.mark.parametrize("seconds", [1e20, -1e20, float("nan"), float("inf")])
def test_impossible_time_is_unknown(seconds):
    assert first(started_at=seconds, last_active=NOW)["started_at"] is None


def test_process_without_figures_is_paired_all_the_same():
    session = first(process=ProcessMatch(7, NOW, "live", "low"))
    assert (session["pid"], session["liveness"], session["match_confidence"]) == (7, "live", "low")
    assert session["process"] is None


def test_page_is_indented_and_ends_with_a_newline():
    page = json_page.render(make_snapshot())
    assert page.startswith(b'{\n  "schema_version": 1,\n  "generated_at": "')
    assert page.endswith(b"\n}\n")
    assert json.loads(page) == json.loads(msgspec.json.encode(json_page.DOCUMENT(make_snapshot())))


def test_snapshot_of_nothing_has_totals_of_zero():
    document = json.loads(json_page.render(make_snapshot(sessions=(), published=())))
    assert document["sessions"] == []
    assert document["totals"]["sessions"] == 0
    assert document["totals"]["tokens"] == dict.fromkeys(TOKEN_KEYS, 0)
    assert TokenCounts() == NO_TOKENS
