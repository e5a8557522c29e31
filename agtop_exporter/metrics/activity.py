"""Defines metrics of each agent's sessions and processes.

These metrics do not depend on which sessions have series of their own.
"""

from collections.abc import Iterator

from agtop_exporter.metrics.limits import (
    AGENTS,
    STATES,
    WAITING,
)
from agtop_exporter.metrics.metric import (
    Metric,
    Sample,
    agent_histograms,
    each_agent,
    totals,
)
from agtop_exporter.model import (
    STATE_KINDS,
    WAITING_BOUNDS_SECONDS,
    Snapshot,
)


def _sessions(snapshot: Snapshot) -> Iterator[Sample]:
    for status in snapshot.agents:
        if status.up is not None:
            for kind in STATE_KINDS:
                yield (status.agent, kind), status.states.get(kind, 0)


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
        "as measured by the background scans.",
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
)
