"""Defines metrics of each agent's sessions, processes and rate limits.

These metrics do not depend on which sessions have series of their own.
"""

from collections.abc import Callable, Iterator

from agtop_exporter.ledger import WINDOWS_MAX
from agtop_exporter.metrics.limits import (
    AGENTS,
    STATES,
    WAITING,
    WINDOWS,
)
from agtop_exporter.metrics.metric import (
    Collect,
    Metric,
    Number,
    Sample,
    agent_histograms,
    each_agent,
    totals,
)
from agtop_exporter.model import (
    STATE_KINDS,
    WAITING_BOUNDS_SECONDS,
    RateLimit,
    Snapshot,
)

RATE_LIMIT_LIFE_SECONDS = 86_400
"""A rate limit is published for at most this time after the agent recorded it."""


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


ACTIVITY = (
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
