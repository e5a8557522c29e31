"""Metrics by agent, model, tool and project. They are always published."""

from collections.abc import Callable, Iterator

from agtop_exporter.ledger import WINDOWS_MAX
from agtop_exporter.metrics.limits import (
    AGENTS,
    COST_TYPES,
    FOLDED,
    MODELS,
    PROJECTS,
    STATES,
    TOOLS,
    TYPES,
    WAITING,
    WINDOWS,
)
from agtop_exporter.metrics.metric import (
    Collect,
    HistogramValue,
    Metric,
    Number,
    Sample,
    agent_histograms,
    agent_totals,
    each_agent,
    gauges,
    totals,
    usd_totals,
)
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    STATE_KINDS,
    WAITING_BOUNDS_SECONDS,
    RateLimit,
    Snapshot,
)

RATE_LIMIT_LIFE_SECONDS = 86_400
"""A rate limit is published for this time after it was recorded."""


MODELS_FOLDED, TOOLS_FOLDED, PROJECTS_FOLDED = map(FOLDED.format, ("models", "tools", "projects"))


def _sessions(snapshot: Snapshot) -> Iterator[Sample]:
    for status in snapshot.agents:
        if status.up is not None:
            for kind in STATE_KINDS:
                yield (status.agent, kind), status.states.get(kind, 0)


def _corrections(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, amount in gauges("cost_correction")(snapshot):
        if not isinstance(amount, HistogramValue):
            yield labels, amount / PICODOLLARS_PER_USD


def _plans(snapshot: Snapshot) -> Iterator[Sample]:
    for status in snapshot.agents:
        if status.enabled:
            billed = "false" if status.included else "true"
            yield (status.agent, status.subscription or "", snapshot.plan, billed), 1


def _rate_limits(value_of: Callable[[RateLimit], Number | None]) -> Collect:
    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for limit in snapshot.rate_limits:
            value = value_of(limit)
            fresh = snapshot.generated_at - limit.observed_at <= RATE_LIMIT_LIFE_SECONDS
            if fresh and not limit.is_over(snapshot.generated_at) and value is not None:
                yield (limit.agent, limit.window, limit.source), value

    return collect


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
        "agent, where no list price is known; token_type is then unsplit). The token_type "
        "web_search is the fees for web searches.",
        otel_name="agtop.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, MODELS, COST_TYPES),
        collect=usd_totals("cost"),
    ),
    Metric(
        name="agtop_billed_usd_total",
        kind="counter",
        labels=("agent", "model"),
        help="Billed cost in US dollars, as of the last background scan: what the agent recorded "
        "as its cost (such as AI credits of Copilot), else the list price; 0 while the setting "
        "plan covers the agent. agtop_cost_usd_total is the list price.",
        otel_name="agtop.billed.usd",
        otel_unit="{USD}",
        limits=(AGENTS, MODELS),
        collect=usd_totals("billed"),
    ),
    Metric(
        name="agtop_cost_correction_usd",
        kind="gauge",
        labels=("agent",),
        help="US dollars by which the list price of the sessions, at the prices that are known "
        "today, is above agtop_cost_usd_total, which never decreases; below 0 if it is less. "
        "Absent without a correction.",
        otel_name="agtop.cost.correction.usd",
        otel_unit="{USD}",
        limits=(AGENTS,),
        collect=_corrections,
    ),
    Metric(
        name="agtop_plan_info",
        kind="info",
        labels=("agent", "subscription", "plan", "billed"),
        help="The plan of an agent's account: subscription is what its files show, or empty; plan "
        "is the setting; billed is true, or false if the setting covers the agent. The value is "
        "always 1.",
        otel_name="agtop.plan.info",
        limits=(AGENTS,),
        collect=_plans,
    ),
    Metric(
        name="agtop_unpriced_tokens_total",
        kind="counter",
        labels=("agent", "model"),
        help="Tokens without a known price of their model, service tier, region or fee when they "
        "were counted, as of the last background scan. The cost excludes them until a price is "
        "known. doctor names what is unknown.",
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
        help="Retail cost in US dollars by project, as of the last background scan.",
        otel_name="agtop.project.cost.usd",
        otel_unit="{USD}",
        limits=(AGENTS, PROJECTS),
        collect=usd_totals("project_cost"),
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
    Metric(
        name="agtop_sessions",
        kind="gauge",
        labels=("agent", "state"),
        help="Sessions by state, as of the last background scan.",
        otel_name="agtop.sessions",
        otel_unit="{session}",
        limits=(AGENTS, STATES),
        collect=_sessions,
    ),
    Metric(
        name="agtop_waiting_seconds",
        kind="histogram",
        labels=("agent",),
        help="Time in seconds from the moment a session waits for a human until it continues, "
        "from the background scans.",
        otel_name="agtop.waiting",
        otel_unit="s",
        limits=(AGENTS, WAITING),
        collect=agent_histograms("waiting_seconds", WAITING_BOUNDS_SECONDS),
    ),
    Metric(
        name="agtop_processes",
        kind="gauge",
        labels=("agent",),
        help="Running processes of the agent and their children, as of the last process scan.",
        otel_name="agtop.processes",
        otel_unit="{process}",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.processes),
    ),
    Metric(
        name="agtop_orphan_processes",
        kind="gauge",
        labels=("agent",),
        help="Running processes of the agent without a session, as of the last process scan.",
        otel_name="agtop.orphan.processes",
        otel_unit="{process}",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.orphan_processes),
    ),
    Metric(
        name="agtop_duplicate_processes",
        kind="gauge",
        labels=("agent",),
        help="Running processes of the agent whose session is already open in another process, as "
        "of the last process scan.",
        otel_name="agtop.duplicate.processes",
        otel_unit="{process}",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.duplicate_processes),
    ),
    Metric(
        name="agtop_agent_cpu_seconds_total",
        kind="counter",
        labels=("agent",),
        help="CPU time in seconds that the agent's process trees used while the exporter observed "
        "them, as of the last process scan.",
        otel_name="agtop.agent.cpu",
        otel_unit="s",
        limits=(AGENTS,),
        collect=totals("agent_cpu_seconds"),
    ),
    Metric(
        name="agtop_agent_memory_rss_bytes",
        kind="gauge",
        labels=("agent",),
        help="Resident memory in bytes of the agent's process trees, as of the last process scan.",
        otel_name="agtop.agent.memory.rss",
        otel_unit="By",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.rss_bytes),
    ),
    Metric(
        name="agtop_agent_virtual_memory_bytes",
        kind="gauge",
        labels=("agent",),
        help="Virtual memory in bytes of the agent's process trees, as of the last process scan.",
        otel_name="agtop.agent.virtual_memory",
        otel_unit="By",
        limits=(AGENTS,),
        collect=each_agent(lambda status: status.vms_bytes),
    ),
    Metric(
        name="agtop_agent_disk_read_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes that the agent's process trees read from storage while the exporter observed "
        "them, as of the last process scan.",
        otel_name="agtop.agent.disk.read",
        otel_unit="By",
        limits=(AGENTS,),
        collect=totals("agent_disk_read_bytes"),
    ),
    Metric(
        name="agtop_agent_disk_written_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes that the agent's process trees wrote to storage while the exporter observed "
        "them, as of the last process scan.",
        otel_name="agtop.agent.disk.written",
        otel_unit="By",
        limits=(AGENTS,),
        collect=totals("agent_disk_written_bytes"),
    ),
    Metric(
        name="agtop_rate_limit_used_ratio",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Used share of a rate-limit window, as the agent last recorded it; 1 is exhausted. "
        "Absent after the window ends, and one day after the record. source is the kind of "
        f"record. An agent has at most {WINDOWS_MAX} windows.",
        otel_name="agtop.rate_limit.used",
        otel_unit="1",
        limits=(AGENTS, WINDOWS),
        collect=_rate_limits(lambda limit: limit.used_ratio),
    ),
    Metric(
        name="agtop_rate_limit_window_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Length of a rate-limit window in seconds, as the agent last recorded it.",
        otel_name="agtop.rate_limit.window",
        otel_unit="s",
        limits=(AGENTS, WINDOWS),
        collect=_rate_limits(lambda limit: limit.window_seconds),
    ),
    Metric(
        name="agtop_rate_limit_reset_timestamp_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Time when a rate-limit window resets, in unix seconds, as the agent last recorded "
        "it.",
        otel_name="agtop.rate_limit.reset.timestamp",
        otel_unit="s",
        limits=(AGENTS, WINDOWS),
        collect=_rate_limits(lambda limit: limit.resets_at),
    ),
    Metric(
        name="agtop_rate_limit_observed_timestamp_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Time when the agent last recorded a rate-limit window, in unix seconds.",
        otel_name="agtop.rate_limit.observed.timestamp",
        otel_unit="s",
        limits=(AGENTS, WINDOWS),
        collect=_rate_limits(lambda limit: limit.observed_at),
    ),
)
