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

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import astuple

from agtop_exporter.model import (
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
)

SCHEMA_VERSION = 1
EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)  # all here is UTC


class Tokens(msgspec.Struct, gc=False):
    """Token counts; `reasoning` is a part of `output`, and `total` all the others."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    total: int


class Money(msgspec.Struct, gc=False):
    """What the tokens cost; all but the last two are null where no price is known."""

    input_usd: float | None
    cache_read_usd: float | None
    cache_write_5m_usd: float | None
    cache_write_1h_usd: float | None
    output_usd: float | None
    reported_usd: float | None
    total_usd: float | None
    billed_usd: float | None
    included: bool
    unpriced_tokens: int


class Model(msgspec.Struct, gc=False):
    """What was used of one model."""

    requests: int
    tokens: Tokens
    cost_usd: float | None
    unpriced_tokens: int


class Usage(msgspec.Struct, gc=False):
    """What a session used, alone or with its subagents."""

    models: dict[str, Model]
    tokens: Tokens
    cost: Money


class Context(msgspec.Struct, gc=False):
    """How full the context window is."""

    used_tokens: int | None
    peak_tokens: int | None
    window_tokens: int | None
    used_ratio: float | None


class State(msgspec.Struct, gc=False):
    """What a session is doing, and which record says so."""

    kind: str
    reason: str | None
    detail: str | None


class SessionDocument(msgspec.Struct, gc=False):
    """One session; without its subagents but for `tree`."""

    agent: str
    agent_version: str | None
    session_id: str
    parent_session_id: str | None
    project: str | None
    cwd: str | None
    git_branch: str | None
    title: str | None
    model: str | None
    model_effort: str | None
    subscription: str | None
    models: dict[str, Model]
    tokens: Tokens
    cost: Money
    tree: Usage
    subagent_file_count: int
    children: tuple[str, ...]
    started_at: str | None
    last_active: str | None
    duration_seconds: float | None
    user_turns: int
    agent_turns: int
    tool_calls: int
    tools: dict[str, int]
    tool_errors: dict[str, int]
    compactions: int
    context: Context
    state: State
    pid: int | None
    liveness: str | None
    match_confidence: str | None
    match_evidence: tuple[str, ...] | None
    process_role: str | None
    process: ProcessUsage | None
    data_path: str


class Totals(msgspec.Struct, gc=False):
    """All sessions together, each once."""

    sessions: int
    tokens: Tokens
    cost: Money


class Limit(msgspec.Struct, gc=False):
    """One rate-limit window."""

    agent: str
    window: str
    used_ratio: float | None
    window_seconds: float | None
    resets_at: str | None
    observed_at: str | None
    source: str | None
    hint: str | None


class Prices(msgspec.Struct, gc=False):
    """One price table."""

    source: str
    version: str
    updated_at: str | None


class Agent(msgspec.Struct, gc=False):
    """How the last scan of an agent's files went."""

    agent: str
    enabled: bool
    up: bool | None
    files: int
    scan_duration_seconds: float | None
    last_success: str | None
    processes: int | None
    orphan_processes: int | None
    duplicate_processes: int | None


class Document(msgspec.Struct, gc=False):
    """The whole document."""

    schema_version: int
    generated_at: str | None
    plan: str
    sessions: list[SessionDocument]
    totals: Totals
    rate_limits: list[Limit]
    price_sources: list[Prices]
    agents: list[Agent]


def render(snapshot: Snapshot) -> bytes:
    """Return the document indented by two spaces, with a newline at its end."""
    content = document(snapshot)
    try:
        encoded = msgspec.json.encode(content)
    except UnicodeEncodeError:  # a file's name or a transcript's text may hold lone surrogates
        encoded = msgspec.json.encode(_encodable(msgspec.to_builtins(content)))
    return msgspec.json.format(encoded, indent=2) + b"\n"


def document(snapshot: Snapshot) -> Document:
    """Return the document: all sessions, the latest active first."""
    newest_first = sorted(snapshot.sessions, key=lambda s: (-(s.last_active or 0), s.session_id))
    return Document(
        SCHEMA_VERSION,
        _time(snapshot.generated_at),
        snapshot.plan,
        [_session(session) for session in newest_first],
        _totals(snapshot.sessions),
        [_limit(limit, snapshot.generated_at) for limit in snapshot.rate_limits],
        [_prices(source) for source in snapshot.price_sources],
        [_agent(status) for status in snapshot.agents],
    )


def _session(session: Session) -> SessionDocument:
    process, tree, included = session.process, session.tree, session.included
    own = _usage(session.models, session.tokens, session.cost, included=included)
    alone = tree.tokens == session.tokens and tree.cost == session.cost
    return SessionDocument(
        agent=session.agent,
        agent_version=session.agent_version,
        session_id=session.session_id,
        parent_session_id=session.parent_session_id,
        project=session.project,
        cwd=session.cwd,
        git_branch=session.git_branch,
        title=session.title,
        model=session.model,
        model_effort=session.model_effort,
        subscription=session.subscription,
        models=own.models,
        tokens=own.tokens,
        cost=own.cost,
        tree=own
        if alone and tree.models == session.models
        else _usage(tree.models, tree.tokens, tree.cost, included=included),
        subagent_file_count=session.subagent_file_count,
        children=session.children,
        started_at=_time(session.started_at),
        last_active=_time(session.last_active),
        duration_seconds=_duration(session),
        user_turns=session.user_turns,
        agent_turns=session.agent_turns,
        tool_calls=session.tool_calls,
        tools=session.tools,
        tool_errors=session.tool_errors,
        compactions=session.compactions,
        context=Context(
            session.context_used_tokens,
            session.context_peak_tokens,
            session.context_window_tokens,
            _ratio(session.context_used_tokens, session.context_window_tokens),
        ),
        state=State(session.state.kind, session.state.reason, session.state_detail),
        pid=process.pid if process else None,
        liveness=process.liveness if process else None,
        match_confidence=process.confidence if process else None,
        match_evidence=process.evidence if process else None,
        process_role=process.role if process else None,
        process=process.usage if process else None,
        data_path=session.data_path,
    )


def _usage(
    models: Mapping[str, ModelUsage], tokens: TokenCounts, cost: Cost, *, included: bool
) -> Usage:
    usd = _known_usd(cost, tokens)
    return Usage(
        {name: _model(used) for name, used in models.items()},
        _tokens(tokens),
        _money(cost, usd, billed=0.0 if included else usd, included=included),
    )


def _model(used: ModelUsage) -> Model:
    cost, tokens = used.cost, used.tokens
    return Model(used.requests, _tokens(tokens), _known_usd(cost, tokens), cost.unpriced_tokens)


def _tokens(tokens: TokenCounts) -> Tokens:
    return Tokens(
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.output,
        tokens.reasoning,
        tokens.total,
    )


def _money(cost: Cost, usd: float | None, *, billed: float | None, included: bool) -> Money:
    if usd is None:
        return Money(*UNKNOWN, billed, included, cost.unpriced_tokens)
    return Money(
        cost.input / PICODOLLARS_PER_USD,
        cost.cache_read / PICODOLLARS_PER_USD,
        cost.cache_write_5m / PICODOLLARS_PER_USD,
        cost.cache_write_1h / PICODOLLARS_PER_USD,
        cost.output / PICODOLLARS_PER_USD,
        cost.reported / PICODOLLARS_PER_USD,
        usd,
        billed,
        included,
        cost.unpriced_tokens,
    )


UNKNOWN = (None,) * 7


def _totals(sessions: Sequence[Session]) -> Totals:
    tokens, cost = _sum(sessions)
    billable = [session for session in sessions if not session.included]
    billed_tokens, billed = (tokens, cost) if len(billable) == len(sessions) else _sum(billable)
    return Totals(
        len(sessions),
        _tokens(tokens),
        _money(
            cost,
            _known_usd(cost, tokens),
            billed=_known_usd(billed, billed_tokens),
            included=bool(sessions) and not billable,
        ),
    )


def _sum(sessions: Sequence[Session]) -> tuple[TokenCounts, Cost]:
    tokens = zip(*(astuple(session.tokens) for session in sessions), strict=True)
    costs = zip(*(astuple(session.cost) for session in sessions), strict=True)
    return TokenCounts(*map(sum, tokens)), Cost(*map(sum, costs))


def _limit(limit: RateLimit, now: float) -> Limit:
    return Limit(
        agent=limit.agent,
        window=limit.window,
        used_ratio=None if limit.is_over(now) else limit.used_ratio,
        window_seconds=limit.window_seconds,
        resets_at=_time(limit.resets_at),
        observed_at=_time(limit.observed_at),
        source=limit.source or None,
        hint=limit.hint or None,
    )


def _prices(source: PriceSource) -> Prices:
    return Prices(source.source, source.version, _time(source.updated_at))


def _agent(status: AgentStatus) -> Agent:
    return Agent(
        agent=status.agent,
        enabled=status.enabled,
        up=status.up,
        files=status.files,
        scan_duration_seconds=status.scan_duration_seconds,
        last_success=_time(status.last_success),
        processes=status.processes,
        orphan_processes=status.orphan_processes,
        duplicate_processes=status.duplicate_processes,
    )


def _known_usd(cost: Cost, tokens: TokenCounts) -> float | None:
    if cost.unpriced_tokens and not cost.known_for(tokens):
        return None
    return cost.total / PICODOLLARS_PER_USD


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
        moment = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # a transcript may say anything
        return None
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
