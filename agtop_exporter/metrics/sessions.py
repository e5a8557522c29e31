"""Defines metrics of single sessions, for the sessions in `Snapshot.published`.

The tokens and the cost of a session include its subagents. If a process hosts several sessions,
these sessions have no process metrics, because the usage of the process cannot be split. The
counters of CPU time and disk bytes remain after a process ends.
"""

from collections.abc import Callable, Iterator

from agtop_exporter.metrics.limits import (
    CONFIDENCES,
    MATCHES,
    SESSIONS,
    SESSIONS_MAX,
    STATES,
    TYPES,
)
from agtop_exporter.metrics.metric import Collect, Metric, Number, Sample, each_session
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    STATE_KINDS,
    TOKEN_TYPES,
    ProcessUsage,
    Session,
    Snapshot,
)

LABELS = ("session_id", "agent")


def _info(snapshot: Snapshot) -> Iterator[Sample]:
    for session in snapshot.published:
        labels = (session.agent_version, session.model, session.project)
        yield (session.session_id, session.agent, *(label or "" for label in labels)), 1


def _users(snapshot: Snapshot) -> Iterator[Sample]:
    for session in snapshot.published:
        if session.user:
            yield (session.session_id, session.agent, session.user), 1


def _tokens(snapshot: Snapshot) -> Iterator[Sample]:
    for session in snapshot.published:
        tokens = session.tree.tokens.max(session.floor_tokens)
        for token_type in TOKEN_TYPES:
            yield (session.session_id, session.agent, token_type), getattr(tokens, token_type)


def _cost_usd(session: Session) -> float | None:
    cost = session.tree.cost.max(session.floor_cost)
    known = cost.known_for(session.tree.tokens.max(session.floor_tokens))
    return cost.total / PICODOLLARS_PER_USD if known else None


def _billed_usd(session: Session) -> float | None:
    if session.included:
        return 0.0
    if not session.tree.billed and not session.tree.cost.known_for(session.tree.tokens):
        return None
    return session.tree.billed / PICODOLLARS_PER_USD


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for session in snapshot.published:
        for kind in STATE_KINDS:
            yield (session.session_id, session.agent, kind), int(session.state.kind == kind)


def _confidences(snapshot: Snapshot) -> Iterator[Sample]:
    for session in snapshot.published:
        if session.process:
            for confidence in CONFIDENCES:
                labels = (session.session_id, session.agent, confidence)
                yield labels, int(session.process.confidence == confidence)


def _spent(value_of: Callable[[ProcessUsage], Number | None]) -> Collect:
    return each_session(lambda session: value_of(session.spent) if session.spent else None)


def _usage(value_of: Callable[[ProcessUsage], Number | None]) -> Collect:
    def value(session: Session) -> Number | None:
        process = session.process
        if process is None or process.usage is None or process.role == "host":
            return None
        return value_of(process.usage)

    return each_session(value)


SESSION_METRICS = (
    Metric(
        name="agtop_session_info",
        kind="info",
        labels=(*LABELS, "agent_version", "model", "project"),
        help="Version, latest model and project of a session, as of the last background scan. The "
        "value is always 1. The setting sessions_max limits the number of sessions with series "
        f"(default: {SESSIONS_MAX}).",
        otel_name="agtop.session.info",
        limits=(SESSIONS,),
        collect=_info,
    ),
    Metric(
        name="agtop_session_user_info",
        kind="info",
        labels=(*LABELS, "user"),
        help="Owner of the home directory that has the transcript of a session. Present only while "
        "the homes of several users are read. The value is always 1.",
        otel_name="agtop.session.user.info",
        limits=(SESSIONS,),
        collect=_users,
    ),
    Metric(
        name="agtop_session_tokens_total",
        kind="counter",
        labels=(*LABELS, "token_type"),
        help="Tokens of a session and its subagents, as of the last background scan.",
        otel_name="agtop.session.tokens",
        otel_unit="{token}",
        limits=(SESSIONS, TYPES),
        collect=_tokens,
    ),
    Metric(
        name="agtop_session_cost_usd_total",
        kind="counter",
        labels=LABELS,
        help="List price in US dollars of a session and its subagents, as of the last background "
        "scan. Absent while no price is known.",
        otel_name="agtop.session.cost.usd",
        otel_unit="{USD}",
        limits=(SESSIONS,),
        collect=each_session(_cost_usd),
    ),
    Metric(
        name="agtop_session_billed_usd",
        kind="gauge",
        labels=LABELS,
        help="Billed cost in US dollars of a session and its subagents, as of the last background "
        "scan: see agtop_billed_usd_total.",
        otel_name="agtop.session.billed.usd",
        otel_unit="{USD}",
        limits=(SESSIONS,),
        collect=each_session(_billed_usd),
    ),
    Metric(
        name="agtop_session_turns_total",
        kind="counter",
        labels=LABELS,
        help="Prompts typed by the user in a session, as of the last background scan.",
        otel_name="agtop.session.turns",
        otel_unit="{turn}",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.user_turns),
    ),
    Metric(
        name="agtop_session_tool_calls_total",
        kind="counter",
        labels=LABELS,
        help="Tool calls of a session without its subagents, as of the last background scan.",
        otel_name="agtop.session.tool.calls",
        otel_unit="{call}",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.tool_calls),
    ),
    Metric(
        name="agtop_session_state",
        kind="gauge",
        labels=(*LABELS, "state"),
        help="1 for the current state of a session, 0 for the other states, as of the last "
        "background scan.",
        otel_name="agtop.session.state",
        limits=(SESSIONS, STATES),
        collect=_states,
    ),
    Metric(
        name="agtop_session_context_tokens",
        kind="gauge",
        labels=LABELS,
        help="Tokens in the context at the last response, as of the last background scan.",
        otel_name="agtop.session.context.tokens",
        otel_unit="{token}",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.context_used_tokens),
    ),
    Metric(
        name="agtop_session_context_limit_tokens",
        kind="gauge",
        labels=LABELS,
        help="Size of the context window in tokens. Absent if unknown.",
        otel_name="agtop.session.context.limit.tokens",
        otel_unit="{token}",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.context_window_tokens),
    ),
    Metric(
        name="agtop_session_start_timestamp_seconds",
        kind="gauge",
        labels=LABELS,
        help="Time of the first record of a session in unix seconds, as of the last background "
        "scan.",
        otel_name="agtop.session.start.timestamp",
        otel_unit="s",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.started_at),
    ),
    Metric(
        name="agtop_session_last_activity_timestamp_seconds",
        kind="gauge",
        labels=LABELS,
        help="Time of the latest record of a session in unix seconds, as of the last background "
        "scan.",
        otel_name="agtop.session.last_activity.timestamp",
        otel_unit="s",
        limits=(SESSIONS,),
        collect=each_session(lambda session: session.last_active),
    ),
    Metric(
        name="agtop_session_match_confidence",
        kind="gauge",
        labels=(*LABELS, "confidence"),
        help="1 for the confidence of the match between a session and its process, 0 for the "
        "other levels, as of the last process scan.",
        otel_name="agtop.session.match_confidence",
        limits=(SESSIONS, MATCHES),
        collect=_confidences,
    ),
    Metric(
        name="agtop_session_processes",
        kind="gauge",
        labels=LABELS,
        help="Running processes in a session's process tree, as of the last process scan.",
        otel_name="agtop.session.processes",
        otel_unit="{process}",
        limits=(SESSIONS,),
        collect=_usage(lambda usage: usage.processes),
    ),
    Metric(
        name="agtop_session_cpu_seconds_total",
        kind="counter",
        labels=LABELS,
        help="CPU time in seconds that a session's process tree used while the exporter observed "
        "it, as of the last process scan.",
        otel_name="agtop.session.cpu",
        otel_unit="s",
        limits=(SESSIONS,),
        collect=_spent(lambda usage: usage.cpu_seconds),
    ),
    Metric(
        name="agtop_session_memory_rss_bytes",
        kind="gauge",
        labels=LABELS,
        help="Resident memory in bytes of a session's process tree, as of the last process scan.",
        otel_name="agtop.session.memory.rss",
        otel_unit="By",
        limits=(SESSIONS,),
        collect=_usage(lambda usage: usage.rss_bytes),
    ),
    Metric(
        name="agtop_session_virtual_memory_bytes",
        kind="gauge",
        labels=LABELS,
        help="Virtual memory in bytes of a session's process tree, as of the last process scan.",
        otel_name="agtop.session.virtual_memory",
        otel_unit="By",
        limits=(SESSIONS,),
        collect=_usage(lambda usage: usage.vms_bytes),
    ),
    Metric(
        name="agtop_session_disk_read_bytes_total",
        kind="counter",
        labels=LABELS,
        help="Bytes that a session's process tree read from storage while the exporter observed "
        "it, as of the last process scan.",
        otel_name="agtop.session.disk.read",
        otel_unit="By",
        limits=(SESSIONS,),
        collect=_spent(lambda usage: usage.disk_read_bytes),
    ),
    Metric(
        name="agtop_session_disk_written_bytes_total",
        kind="counter",
        labels=LABELS,
        help="Bytes that a session's process tree wrote to storage while the exporter observed "
        "it, as of the last process scan.",
        otel_name="agtop.session.disk.written",
        otel_unit="By",
        limits=(SESSIONS,),
        collect=_spent(lambda usage: usage.disk_written_bytes),
    ),
)
