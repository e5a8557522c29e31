"""Defines metrics of usage and cost by agent, model, tool and project.

These metrics do not depend on which sessions have series of their own.
"""

from collections.abc import Iterator

from agtop_exporter.metrics.limits import (
    ACCOUNTS,
    AGENTS,
    COST_TYPES,
    COUNTED_ACCOUNTS,
    COUNTED_USERS,
    FOLDED,
    MODELS,
    PROJECTS,
    TOOLS,
    TYPES,
)
from agtop_exporter.metrics.metric import (
    HistogramValue,
    Metric,
    Sample,
    agent_totals,
    gauges,
    totals,
    usd_totals,
)
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    USERS_MAX,
    Snapshot,
)

MODELS_FOLDED, TOOLS_FOLDED, PROJECTS_FOLDED, ACCOUNTS_FOLDED = map(
    FOLDED.format, ("models", "tools", "projects", "accounts")
)


def _corrections(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, amount in gauges("cost_correction")(snapshot):
        if not isinstance(amount, HistogramValue):
            yield labels, amount / PICODOLLARS_PER_USD


def _plans(snapshot: Snapshot) -> Iterator[Sample]:
    for status in snapshot.agents:
        if status.enabled:
            billed = "false" if status.included else "true"
            for account, plan in (status.accounts or {"": status.subscription}).items():
                yield (status.agent, plan or "", snapshot.plan, billed, account), 1


AGGREGATES = (
    Metric(
        name="agtop_tokens_total",
        kind="counter",
        labels=("agent", "model", "token_type"),
        help="Tokens billed, as of the last background scan. Each token is counted once, with one "
        "token_type. input is uncached input; output includes reasoning. " + MODELS_FOLDED,
        otel_name="agtop.tokens",
        otel_unit="{token}",
        limits=(AGENTS, MODELS, TYPES),
        collect=totals("tokens"),
    ),
    Metric(
        name="agtop_reasoning_tokens_total",
        kind="counter",
        labels=("agent", "model"),
        help="Reasoning tokens, as of the last background scan. agtop_tokens_total counts them as "
        "output.",
        otel_name="agtop.reasoning.tokens",
        otel_unit="{token}",
        limits=(AGENTS, MODELS),
        collect=totals("reasoning_tokens"),
    ),
    Metric(
        name="agtop_cost_usd_total",
        kind="counter",
        labels=("agent", "model", "token_type", "cost_source"),
        help="List price in US dollars at the prices at the time of each request, as of the last "
        "background scan. cost_source is estimated (from a price table) or reported (by the "
        "agent, if no list price is known; token_type is then unsplit). The token_type "
        "web_search has the fees for web searches.",
        otel_name="agtop.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, MODELS, COST_TYPES),
        collect=usd_totals("cost"),
    ),
    Metric(
        name="agtop_billed_usd_total",
        kind="counter",
        labels=("agent", "model"),
        help="Billed cost in US dollars, as of the last background scan: the cost that the agent "
        "recorded (such as AI credits of Copilot), else the list price. While the setting plan "
        "covers an agent, its usage adds 0. agtop_cost_usd_total is the list price.",
        otel_name="agtop.billed.usd",
        otel_unit="{USD}",
        limits=(AGENTS, MODELS),
        collect=usd_totals("billed"),
    ),
    Metric(
        name="agtop_cost_correction_usd",
        kind="gauge",
        labels=("agent",),
        help="Correction of agtop_cost_usd_total in US dollars: the list price of all sessions at "
        "the prices that are known today, minus agtop_cost_usd_total, which never decreases. "
        "Absent without a correction.",
        otel_name="agtop.cost.correction.usd",
        otel_unit="{USD}",
        limits=(AGENTS,),
        collect=_corrections,
    ),
    Metric(
        name="agtop_plan_info",
        kind="info",
        labels=("agent", "subscription", "plan", "billed", "account"),
        help="Plan of each account of an agent. subscription is the plan in the agent's files; it "
        "is empty if unknown. plan is the setting plan. billed is false if this setting covers "
        "the agent, else true. The value is always 1.",
        otel_name="agtop.plan.info",
        limits=(AGENTS, ACCOUNTS),
        collect=_plans,
    ),
    Metric(
        name="agtop_unpriced_tokens_total",
        kind="counter",
        labels=("agent", "model"),
        help="Tokens whose model, service tier, region or fee had no known price when they were "
        "counted, as of the last background scan. The cost excludes them until a price is known. "
        "The command doctor names what has no price.",
        otel_name="agtop.unpriced.tokens",
        otel_unit="{token}",
        limits=(AGENTS, MODELS),
        collect=totals("unpriced_tokens"),
    ),
    Metric(
        name="agtop_requests_total",
        kind="counter",
        labels=("agent", "model"),
        help="Model responses, each counted once, as of the last background scan.",
        otel_name="agtop.requests",
        otel_unit="{request}",
        limits=(AGENTS, MODELS),
        collect=totals("requests"),
    ),
    Metric(
        name="agtop_turns_total",
        kind="counter",
        labels=("agent",),
        help="Prompts typed by the user, as of the last background scan.",
        otel_name="agtop.turns",
        otel_unit="{turn}",
        limits=(AGENTS,),
        collect=agent_totals("turns"),
    ),
    Metric(
        name="agtop_compactions_total",
        kind="counter",
        labels=("agent",),
        help="Context compactions, as of the last background scan.",
        otel_name="agtop.compactions",
        otel_unit="{compaction}",
        limits=(AGENTS,),
        collect=agent_totals("compactions"),
    ),
    Metric(
        name="agtop_tool_calls_total",
        kind="counter",
        labels=("agent", "tool"),
        help="Tool calls, as of the last background scan. All tools of an MCP server have the "
        "label value mcp:<server>. " + TOOLS_FOLDED,
        otel_name="agtop.tool.calls",
        otel_unit="{call}",
        limits=(AGENTS, TOOLS),
        collect=totals("tool_calls"),
    ),
    Metric(
        name="agtop_tool_call_errors_total",
        kind="counter",
        labels=("agent", "tool"),
        help="Tool calls that returned an error, as of the last background scan.",
        otel_name="agtop.tool.call.errors",
        otel_unit="{call}",
        limits=(AGENTS, TOOLS),
        collect=totals("tool_call_errors"),
    ),
    Metric(
        name="agtop_project_tokens_total",
        kind="counter",
        labels=("agent", "project"),
        help="Tokens of all types by project, as of the last background scan. " + PROJECTS_FOLDED,
        otel_name="agtop.project.tokens",
        otel_unit="{token}",
        limits=(AGENTS, PROJECTS),
        collect=totals("project_tokens"),
    ),
    Metric(
        name="agtop_project_cost_usd_total",
        kind="counter",
        labels=("agent", "project"),
        help="List price in US dollars by project, as of the last background scan.",
        otel_name="agtop.project.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, PROJECTS),
        collect=usd_totals("project_cost"),
    ),
    Metric(
        name="agtop_account_tokens_total",
        kind="counter",
        labels=("agent", "account"),
        help="Tokens of all types by account, as of the last background scan. The sum over the "
        "accounts equals the sum of agtop_tokens_total. account is the name of the account's "
        "directory, such as codex-work. It is empty for the default directory, and for usage that "
        "was counted before accounts were recorded. " + ACCOUNTS_FOLDED,
        otel_name="agtop.account.tokens",
        otel_unit="{token}",
        limits=(AGENTS, COUNTED_ACCOUNTS),
        collect=totals("account_tokens"),
    ),
    Metric(
        name="agtop_account_cost_usd_total",
        kind="counter",
        labels=("agent", "account"),
        help="List price in US dollars by account, as of the last background scan. The sum over "
        "the accounts equals the sum of agtop_cost_usd_total.",
        otel_name="agtop.account.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, COUNTED_ACCOUNTS),
        collect=usd_totals("account_cost"),
    ),
    Metric(
        name="agtop_user_tokens_total",
        kind="counter",
        labels=("agent", "user"),
        help="Tokens of all types by user, as of the last background scan. Present only while the "
        "homes of several users are read; the sum over the users then equals the sum of "
        "agtop_tokens_total. user is the owner of the home directory. It is empty for files "
        f"outside the homes, and other for all users after the first {USERS_MAX}.",
        otel_name="agtop.user.tokens",
        otel_unit="{token}",
        limits=(AGENTS, COUNTED_USERS),
        collect=totals("user_tokens"),
    ),
    Metric(
        name="agtop_user_cost_usd_total",
        kind="counter",
        labels=("agent", "user"),
        help="List price in US dollars by user, as of the last background scan. Present only while "
        "the homes of several users are read; the sum over the users then equals the sum of "
        "agtop_cost_usd_total.",
        otel_name="agtop.user.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, COUNTED_USERS),
        collect=usd_totals("user_cost"),
    ),
    Metric(
        name="agtop_sessions_started_total",
        kind="counter",
        labels=("agent",),
        help="Sessions found for the first time, as of the last background scan.",
        otel_name="agtop.sessions.started",
        otel_unit="{session}",
        limits=(AGENTS,),
        collect=agent_totals("sessions_started"),
    ),
)
