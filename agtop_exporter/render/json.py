"""A snapshot as the JSON document of `agtop json`, version 1.

    {
      "schema_version": 1,
      "generated_at": "2026-11-22T21:54:00.000Z",
      "plan": "retail",
      "sessions": [...],
      "totals": {...}
    }

Unknown is null, never left out. Times are RFC 3339 in UTC, money US dollars.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    PICODOLLARS_PER_USD,
    AgentStatus,
    Cost,
    ModelUsage,
    PriceSource,
    ProcessUsage,
    RateLimit,
    Session,
    Snapshot,
    TokenCounts,
    Tree,
)

SCHEMA_VERSION = 1

Document = dict[str, object]


def render(snapshot: Snapshot) -> bytes:
    """Return the document indented by two spaces, with a newline at its end."""
    content = document(snapshot)
    try:
        encoded = msgspec.json.encode(content)
    except UnicodeEncodeError:  # a file's name or a transcript's text may hold lone surrogates
        encoded = msgspec.json.encode(_encodable(content))
    return msgspec.json.format(encoded, indent=2) + b"\n"


def document(snapshot: Snapshot) -> Document:
    """Return the document: all sessions, the latest active first."""
    newest_first = sorted(snapshot.sessions, key=lambda s: (-(s.last_active or 0), s.session_id))
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": _time(snapshot.generated_at),
        "plan": snapshot.plan,
        "sessions": [_session(session) for session in newest_first],
        "totals": _totals(snapshot),
        "rate_limits": [
            _rate_limit(limit, snapshot.generated_at) for limit in snapshot.rate_limits
        ],
        "price_sources": [_price_source(source) for source in snapshot.price_sources],
        "agents": [_agent(status) for status in snapshot.agents],
    }


def _session(session: Session) -> Document:
    process = session.process
    own = Tree(session.models, session.tokens, session.cost)
    usage = _tree(own, included=session.included)
    return {
        "agent": session.agent,
        "agent_version": session.agent_version,
        "session_id": session.session_id,
        "parent_session_id": session.parent_session_id,
        "project": session.project,
        "cwd": session.cwd,
        "git_branch": session.git_branch,
        "title": session.title,
        "model": session.model,
        "model_effort": session.model_effort,
        "subscription": session.subscription,
        **usage,
        "tree": usage if session.tree == own else _tree(session.tree, included=session.included),
        "subagent_file_count": session.subagent_file_count,
        "children": list(session.children),
        "started_at": _time(session.started_at),
        "last_active": _time(session.last_active),
        "duration_seconds": _duration(session),
        "user_turns": session.user_turns,
        "agent_turns": session.agent_turns,
        "tool_calls": session.tool_calls,
        "tools": session.tools,
        "tool_errors": session.tool_errors,
        "compactions": session.compactions,
        "context": {
            "used_tokens": session.context_used_tokens,
            "peak_tokens": session.context_peak_tokens,
            "window_tokens": session.context_window_tokens,
            "used_ratio": _ratio(session.context_used_tokens, session.context_window_tokens),
        },
        "state": {
            "kind": session.state.kind,
            "reason": session.state.reason,
            "detail": session.state_detail,
        },
        "pid": process and process.pid,
        "liveness": process and process.liveness,
        "match_confidence": process and process.confidence,
        "match_evidence": process and process.evidence,
        "process_role": process and process.role,
        "process": process and process.usage and _usage(process.usage),
        "data_path": session.data_path,
    }


def _tree(tree: Tree, *, included: bool) -> Document:
    billed = 0.0 if included else _known_usd(tree.cost, tree.tokens)
    return {
        "models": _models(tree.models),
        "tokens": _tokens(tree.tokens),
        "cost": _cost(tree.cost, tree.tokens, billed=billed, included=included),
    }


def _tokens(tokens: TokenCounts) -> dict[str, int]:
    return {
        "input": tokens.input,
        "cache_read": tokens.cache_read,
        "cache_write_5m": tokens.cache_write_5m,
        "cache_write_1h": tokens.cache_write_1h,
        "output": tokens.output,
        "reasoning": tokens.reasoning,
        "total": tokens.total,
    }


def _models(models: Mapping[str, ModelUsage]) -> Document:
    return {
        model: {
            "requests": usage.requests,
            "tokens": _tokens(usage.tokens),
            "cost_usd": _known_usd(usage.cost, usage.tokens),
            "unpriced_tokens": usage.cost.unpriced_tokens,
        }
        for model, usage in models.items()
    }


def _cost(cost: Cost, tokens: TokenCounts, *, billed: float | None, included: bool) -> Document:
    usd = _usd if cost.known_for(tokens) else _unknown
    return {
        "input_usd": usd(cost.input),
        "cache_read_usd": usd(cost.cache_read),
        "cache_write_5m_usd": usd(cost.cache_write_5m),
        "cache_write_1h_usd": usd(cost.cache_write_1h),
        "output_usd": usd(cost.output),
        "reported_usd": usd(cost.reported),
        "total_usd": usd(cost.total),
        "billed_usd": billed,
        "included": included,
        "unpriced_tokens": cost.unpriced_tokens,
    }


def _totals(snapshot: Snapshot) -> Document:
    tokens, cost = _sum(snapshot.sessions)
    billable = [session for session in snapshot.sessions if not session.included]
    billed_tokens, billed = _sum(billable)
    return {
        "sessions": len(snapshot.sessions),
        "tokens": _tokens(tokens),
        "cost": _cost(
            cost,
            tokens,
            billed=_known_usd(billed, billed_tokens),
            included=bool(snapshot.sessions) and not billable,
        ),
    }


def _sum(sessions: Iterable[Session]) -> tuple[TokenCounts, Cost]:
    tokens, cost = NO_TOKENS, NO_COST
    for session in sessions:
        tokens += session.tokens
        cost += session.cost
    return tokens, cost


def _usage(usage: ProcessUsage) -> Document:
    return msgspec.structs.asdict(usage)


def _rate_limit(limit: RateLimit, now: float) -> Document:
    return {
        "agent": limit.agent,
        "window": limit.window,
        "used_ratio": None if limit.is_over(now) else limit.used_ratio,
        "window_seconds": limit.window_seconds,
        "resets_at": _time(limit.resets_at),
        "observed_at": _time(limit.observed_at),
        "source": limit.source or None,
        "hint": limit.hint or None,
    }


def _price_source(source: PriceSource) -> Document:
    return {
        "source": source.source,
        "version": source.version,
        "updated_at": _time(source.updated_at),
    }


def _agent(status: AgentStatus) -> Document:
    return {
        "agent": status.agent,
        "enabled": status.enabled,
        "up": status.up,
        "files": status.files,
        "scan_duration_seconds": status.scan_duration_seconds,
        "last_success": _time(status.last_success),
        "processes": status.processes,
        "orphan_processes": status.orphan_processes,
        "duplicate_processes": status.duplicate_processes,
    }


def _usd(picodollars: int) -> float:
    return picodollars / PICODOLLARS_PER_USD


def _known_usd(cost: Cost, tokens: TokenCounts) -> float | None:
    return _usd(cost.total) if cost.known_for(tokens) else None


def _unknown(_picodollars: int) -> None:
    return None


def _ratio(used: int | None, window: int | None) -> float | None:
    return None if used is None or not window else used / window


def _duration(session: Session) -> float | None:
    if session.started_at is None or session.last_active is None:
        return None
    return round(max(0.0, session.last_active - session.started_at), 3)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):  # a transcript may say anything
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
