"""Builds sessions and snapshots for tests. All fields have values that can be replaced."""

import msgspec

from agtop_exporter.model import (
    AgentStatus,
    BudgetUse,
    Cost,
    ModelUsage,
    PriceSource,
    ProcessMatch,
    ProcessUsage,
    RateLimit,
    Session,
    Snapshot,
    State,
    TokenCounts,
    Tree,
)

NOW = 1_763_848_440.0  # 2025-11-22 21:54:00 UTC
USD = 1_000_000_000_000

TOKENS = TokenCounts(1_000, 20_000, 3_000, 400, 5_000, 600)
COST = Cost(3_000_000_000, 6_000_000_000, 11_250_000_000, 2_400_000_000, 75_000_000_000)
USAGE = ProcessUsage(
    processes=2,
    cpu_seconds=12.5,
    cpu_percent=7.25,
    rss_bytes=300_000_000,
    vms_bytes=4_000_000_000,
    disk_read_bytes=1_000_000,
    disk_written_bytes=2_000_000,
    disk_read_bytes_per_second=0.0,
    disk_written_bytes_per_second=1_280.0,
)
PROCESS = ProcessMatch(
    pid=4242,
    started_at=NOW - 3_600,
    liveness="live",
    confidence="high",
    evidence=("argv session id",),
    usage=USAGE,
)


def make_session(**over):
    """Return a session of Claude Code. Models and tree are derived from tokens and cost."""
    tokens = over.get("tokens", TOKENS)
    cost = over.get("cost", COST)
    model = over.get("model", "claude-sonnet-4-5")
    models = over.get("models", {model or "unknown": ModelUsage(7, tokens, cost)})
    fields = {
        "agent": "claude-code",
        "session_id": "0d5dfd4a-11f1-4e36-9f8a-3c0f8f6a9b10",
        "parent_session_id": None,
        "project": "shop",
        "cwd": "/home/ada/src/shop",
        "title": "Fix the checkout",
        "model": model,
        "models": models,
        "tokens": tokens,
        "cost": cost,
        "billed": cost.total,
        "included": False,
        "tree": Tree(models, tokens, cost, cost.total),
        "floor_tokens": TokenCounts(),
        "floor_cost": Cost(),
        "subagent_file_count": 0,
        "subagents": 0,
        "children": (),
        "started_at": NOW - 3_600,
        "last_active": NOW - 90,
        "user_turns": 3,
        "agent_turns": 7,
        "tools": {"Read": 4, "Bash": 2},
        "tool_errors": {"Bash": 1},
        "compactions": 1,
        "context_used_tokens": 50_000,
        "context_peak_tokens": 60_000,
        "context_window_tokens": 200_000,
        "state": State("running"),
        "state_detail": "assistant record",
        "model_effort": "high",
        "model_effort_detail": "assistant.effort",
        "subscription": "max",
        "agent_version": "2.0.1",
        "git_branch": "main",
        "data_path": "/home/ada/.claude/projects/shop/0d5dfd4a.jsonl",
        "process": PROCESS,
        "spent": USAGE,
    }
    return Session(**{**fields, **over})


def make_totals(agent="claude-code", model="claude-sonnet-4-5"):
    """Return one total of each series in the ledger."""
    return {
        ("tokens", agent, model, "input"): 1_000,
        ("tokens", agent, model, "output"): 5_000,
        ("cost", agent, model, "input", "estimated"): 3_000_000_000,
        ("cost", agent, model, "unsplit", "reported"): 1_500_000_000_000,
        ("reasoning_tokens", agent, model): 600,
        ("billed", agent, model): 1_503_000_000_000,
        ("unpriced_tokens", agent, "mystery-1"): 12,
        ("requests", agent, model): 7,
        ("turns", agent): 3,
        ("tool_calls", agent, "Read"): 4,
        ("tool_call_errors", agent, "Bash"): 1,
        ("project_tokens", agent, "shop"): 29_400,
        ("project_cost", agent, "shop"): 97_650_000_000,
        ("account_tokens", agent, ""): 6_000,
        ("account_cost", agent, ""): 1_503_000_000_000,
        ("user_tokens", agent, "ada"): 6_000,
        ("user_cost", agent, "ada"): 1_503_000_000_000,
        ("sessions_started", agent): 1,
        ("scan_bytes", agent): 123_456,
        ("scan_records", agent): 321,
        ("scan_errors", agent): 0,
        ("parse_errors", agent, "json"): 2,
        ("source_resets", agent, "truncated"): 1,
        ("compactions", agent): 1,
        ("pricing_refresh_errors",): 0,
        ("otlp_exports",): 3,
        ("otlp_export_errors",): 1,
        ("agent_cpu_seconds", agent): 12.5,
        ("agent_disk_read_bytes", agent): 1_000_000,
        ("agent_disk_written_bytes", agent): 2_000_000,
        ("process_scan_errors", "access_denied"): 5,
        ("waiting_seconds", agent, "5.0"): 2,
        ("waiting_seconds", agent, "inf"): 1,
        ("waiting_seconds_sum", agent): 4_007.5,
    }


def make_gauges():
    """Return one value for each gauge of the exporter itself."""
    return {
        ("build_info", "0.1.0", "", "3.11.7"): 1,
        ("series_dropped", "sessions"): 0,
        ("series_dropped", "models"): 0,
        ("cost_correction", "claude-code"): -250_000_000_000,
        ("ledger_bytes",): 40_960,
        ("ledger_durable",): 1,
        ("refresh_duration_seconds",): 0.025,
        ("config_last_reload_successful",): 1,
        ("listening_unprotected",): 0,
    }


def make_agent(**over):
    """Return the status of an agent after a successful scan."""
    status = AgentStatus(
        agent="claude-code",
        enabled=True,
        up=True,
        files=12,
        scan_duration_seconds=0.02,
        last_success=NOW,
        states={"running": 1},
        processes=2,
        orphan_processes=0,
        duplicate_processes=0,
        rss_bytes=300_000_000,
        vms_bytes=4_000_000_000,
    )
    return msgspec.structs.replace(status, **over)


BUDGET = BudgetUse(
    name="claude-code day",
    period="day",
    agent="claude-code",
    project="",
    budget_usd=10.0,
    used_usd=2.5,
    used_ratio=0.25,
    projected_ratio=0.5,
    started_at=NOW - 43_200,
    resets_at=NOW + 43_200,
)


def make_snapshot(*sessions, **over):
    """Return a snapshot of these sessions, all published, or of one session with a user."""
    sessions = sessions or (make_session(user="ada"),)
    fields = {
        "generated_at": NOW,
        "plan": "retail",
        "sessions": sessions,
        "published": tuple(s for s in sessions if s.parent_session_id is None),
        "totals": make_totals(),
        "gauges": make_gauges(),
        "agents": (make_agent(),),
        "rate_limits": (RateLimit("codex", "5h", 0.25, NOW - 60, NOW + 3_600, 18_000, "rollout"),),
        "budgets": (BUDGET,),
        "price_sources": (PriceSource("genai-prices", "0.2.3", NOW - 86_400),),
    }
    return Snapshot(**{**fields, **over})
