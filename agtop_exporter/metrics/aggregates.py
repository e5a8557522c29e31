"""Metrics by agent, model, tool and project: few series, always published."""

from collections.abc import Callable, Iterator

from agtop_exporter.metrics.metric import (
    Collect,
    Metric,
    Number,
    Sample,
    agent_distributions,
    agent_totals,
    each_agent,
    totals,
    usd_totals,
)
from agtop_exporter.model import STATE_KINDS, WAITING_BOUNDS_SECONDS, RateLimit, Snapshot

RATE_LIMIT_LIFE_SECONDS = 86_400
"""What an agent said about its limits a day ago says nothing about them now."""


def _sessions(snapshot: Snapshot) -> Iterator[Sample]:
    for status in snapshot.agents:
        if status.up is not None:
            for kind in STATE_KINDS:
                yield (status.agent, kind), status.states.get(kind, 0)


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
        help="Tokens billed, each once and of one type, from the last background scan. "
        "input is uncached, output includes reasoning.",
        otel_name="agtop.tokens",
        otel_unit="{token}",
        cap="agents x 50 models x 5",
        collect=totals("tokens"),
    ),
    Metric(
        name="agtop_reasoning_tokens_total",
        kind="counter",
        labels=("agent", "model"),
        help="Reasoning tokens, which agtop_tokens_total counts as output, "
        "from the last background scan.",
        otel_name="agtop.reasoning.tokens",
        otel_unit="{token}",
        cap="agents x 50 models",
        collect=totals("reasoning_tokens"),
    ),
    Metric(
        name="agtop_cost_usd_total",
        kind="counter",
        labels=("agent", "model", "token_type", "cost_source"),
        help="Retail cost in US dollars at the prices of the time of each request, from the last "
        "background scan. cost_source is estimated from a price table or reported by the agent, "
        "then token_type is unsplit.",
        otel_name="agtop.cost.usd",
        otel_unit="{USD}",
        cap="agents x 50 models x 6",
        collect=usd_totals("cost"),
    ),
    Metric(
        name="agtop_unpriced_tokens_total",
        kind="counter",
        labels=("agent", "model"),
        help="Tokens that no price was known for when they were counted: the cost lacks them until "
        "a price is known. From the last background scan.",
        otel_name="agtop.unpriced.tokens",
        otel_unit="{token}",
        cap="agents x 50 models",
        collect=totals("unpriced_tokens"),
    ),
    Metric(
        name="agtop_requests_total",
        kind="counter",
        labels=("agent", "model"),
        help="Model responses, each once, from the last background scan.",
        otel_name="agtop.requests",
        otel_unit="{request}",
        cap="agents x 50 models",
        collect=totals("requests"),
    ),
    Metric(
        name="agtop_turns_total",
        kind="counter",
        labels=("agent",),
        help="Prompts typed by the user, from the last background scan.",
        otel_name="agtop.turns",
        otel_unit="{turn}",
        cap="agents",
        collect=agent_totals("turns"),
    ),
    Metric(
        name="agtop_compactions_total",
        kind="counter",
        labels=("agent",),
        help="Compactions of a context, from the last background scan.",
        otel_name="agtop.compactions",
        otel_unit="{compaction}",
        cap="agents",
        collect=agent_totals("compactions"),
    ),
    Metric(
        name="agtop_tool_calls_total",
        kind="counter",
        labels=("agent", "tool"),
        help="Tool calls, from the last background scan. Tools of an MCP server are mcp:<server>.",
        otel_name="agtop.tool.calls",
        otel_unit="{call}",
        cap="agents x 64 tools",
        collect=totals("tool_calls"),
    ),
    Metric(
        name="agtop_tool_call_errors_total",
        kind="counter",
        labels=("agent", "tool"),
        help="Tool calls whose result was an error, from the last background scan.",
        otel_name="agtop.tool.call.errors",
        otel_unit="{call}",
        cap="agents x 64 tools",
        collect=totals("tool_call_errors"),
    ),
    Metric(
        name="agtop_project_tokens_total",
        kind="counter",
        labels=("agent", "project"),
        help="Tokens of all types by project, from the last background scan.",
        otel_name="agtop.project.tokens",
        otel_unit="{token}",
        cap="agents x 50 projects",
        collect=totals("project_tokens"),
    ),
    Metric(
        name="agtop_project_cost_usd_total",
        kind="counter",
        labels=("agent", "project"),
        help="Retail cost in US dollars by project, from the last background scan.",
        otel_name="agtop.project.cost.usd",
        otel_unit="{USD}",
        cap="agents x 50 projects",
        collect=usd_totals("project_cost"),
    ),
    Metric(
        name="agtop_sessions_started_total",
        kind="counter",
        labels=("agent",),
        help="Sessions seen for the first time, from the last background scan.",
        otel_name="agtop.sessions.started",
        otel_unit="{session}",
        cap="agents",
        collect=agent_totals("sessions_started"),
    ),
    Metric(
        name="agtop_sessions",
        kind="gauge",
        labels=("agent", "state"),
        help="Sessions by state, from the last background scan.",
        otel_name="agtop.sessions",
        otel_unit="{session}",
        cap="agents x 6 states",
        collect=_sessions,
    ),
    Metric(
        name="agtop_waiting_seconds",
        kind="histogram",
        labels=("agent",),
        help="Time in seconds that sessions waited for a human until they went on, "
        "from the background scans.",
        otel_name="agtop.waiting",
        otel_unit="s",
        cap=f"agents x {len(WAITING_BOUNDS_SECONDS) + 3}",
        collect=agent_distributions("waiting_seconds", WAITING_BOUNDS_SECONDS),
    ),
    Metric(
        name="agtop_processes",
        kind="gauge",
        labels=("agent",),
        help="Live processes of the agent with their children, from the last process scan.",
        otel_name="agtop.processes",
        otel_unit="{process}",
        cap="agents",
        collect=each_agent(lambda status: status.processes),
    ),
    Metric(
        name="agtop_orphan_processes",
        kind="gauge",
        labels=("agent",),
        help="Live processes of the agent without a session, from the last process scan.",
        otel_name="agtop.orphan.processes",
        otel_unit="{process}",
        cap="agents",
        collect=each_agent(lambda status: status.orphan_processes),
    ),
    Metric(
        name="agtop_duplicate_processes",
        kind="gauge",
        labels=("agent",),
        help="Live processes of the agent on a session that another one has open, "
        "from the last process scan.",
        otel_name="agtop.duplicate.processes",
        otel_unit="{process}",
        cap="agents",
        collect=each_agent(lambda status: status.duplicate_processes),
    ),
    Metric(
        name="agtop_agent_cpu_seconds_total",
        kind="counter",
        labels=("agent",),
        help="CPU time in seconds of the agent's process trees while watched, "
        "from the last process scan.",
        otel_name="agtop.agent.cpu",
        otel_unit="s",
        cap="agents",
        collect=totals("agent_cpu_seconds"),
    ),
    Metric(
        name="agtop_agent_memory_rss_bytes",
        kind="gauge",
        labels=("agent",),
        help="Resident memory in bytes of the agent's process trees, from the last process scan.",
        otel_name="agtop.agent.memory.rss",
        otel_unit="By",
        cap="agents",
        collect=each_agent(lambda status: status.rss_bytes),
    ),
    Metric(
        name="agtop_agent_virtual_memory_bytes",
        kind="gauge",
        labels=("agent",),
        help="Virtual memory in bytes of the agent's process trees, from the last process scan.",
        otel_name="agtop.agent.virtual_memory",
        otel_unit="By",
        cap="agents",
        collect=each_agent(lambda status: status.vms_bytes),
    ),
    Metric(
        name="agtop_agent_disk_read_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes that the agent's process trees read from storage while watched, "
        "from the last process scan.",
        otel_name="agtop.agent.disk.read",
        otel_unit="By",
        cap="agents",
        collect=totals("agent_disk_read_bytes"),
    ),
    Metric(
        name="agtop_agent_disk_written_bytes_total",
        kind="counter",
        labels=("agent",),
        help="Bytes that the agent's process trees wrote to storage while watched, "
        "from the last process scan.",
        otel_name="agtop.agent.disk.written",
        otel_unit="By",
        cap="agents",
        collect=totals("agent_disk_written_bytes"),
    ),
    Metric(
        name="agtop_rate_limit_used_ratio",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Used share of a rate-limit window as the agent last recorded it, 1 is exhausted. "
        "Absent once the window is over, and a day after that record. source is where it stood.",
        otel_name="agtop.rate_limit.used",
        otel_unit="1",
        cap="agents x 8 windows",
        collect=_rate_limits(lambda limit: limit.used_ratio),
    ),
    Metric(
        name="agtop_rate_limit_window_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="Length of a rate-limit window in seconds, as the agent last recorded it.",
        otel_name="agtop.rate_limit.window",
        otel_unit="s",
        cap="agents x 8 windows",
        collect=_rate_limits(lambda limit: limit.window_seconds),
    ),
    Metric(
        name="agtop_rate_limit_reset_timestamp_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="When a rate-limit window resets in unix seconds, as the agent last recorded it.",
        otel_name="agtop.rate_limit.reset.timestamp",
        otel_unit="s",
        cap="agents x 8 windows",
        collect=_rate_limits(lambda limit: limit.resets_at),
    ),
    Metric(
        name="agtop_rate_limit_observed_timestamp_seconds",
        kind="gauge",
        labels=("agent", "window", "source"),
        help="When the agent last recorded a rate-limit window, in unix seconds.",
        otel_name="agtop.rate_limit.observed.timestamp",
        otel_unit="s",
        cap="agents x 8 windows",
        collect=_rate_limits(lambda limit: limit.observed_at),
    ),
)
