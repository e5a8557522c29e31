"""Conversion between the values of the ledger and the rows of its tables."""

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Calls, Entry
from agtop_exporter.model import (
    Cost,
    Cursor,
    ModelUsage,
    RateLimit,
    Series,
    SessionState,
    SessionUpdate,
    Signal,
    TokenCounts,
)

Row = tuple[Any, ...]

NO_CALLS = ""
_TOKENS = len(TokenCounts.__struct_fields__)
_COST = len(Cost.__struct_fields__)
_NO_PRICE = (None,) * _COST

BAD_ROW = (ValueError, TypeError, IndexError, msgspec.MsgspecError)
"""What a conversion raises for a row that no version of this program wrote."""

_encode_calls = msgspec.json.Encoder().encode
_decode_calls = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_decode_labels = msgspec.json.Decoder(tuple[str, ...]).decode


def _tokens(values: Row) -> TokenCounts:
    return msgspec.convert(values, TokenCounts)


def _cost(values: Row) -> Cost:
    return msgspec.convert(values, Cost)


# --- events -------------------------------------------------------------------------------------


def event_row(key: bytes, entry: Entry) -> Row:
    """Return the row of an event."""
    return (
        key,
        entry.session,
        int(entry.copied),
        entry.time if math.isfinite(entry.time) else None,
        entry.model,
        *astuple(entry.tokens),
        *(_NO_PRICE if entry.cost is None else astuple(entry.cost)),
        entry.requests,
        entry.turns,
        entry.compactions,
        _calls_text(entry.tools),
        _calls_text(entry.tool_errors),
        entry.provider,
        entry.speed,
        entry.reported_cost,
    )


def event_of(row: Row) -> tuple[bytes, Entry]:
    """Return the key and the event of a row. Raises one of BAD_ROW."""
    key, session, copied, time, model = row[:5]
    tokens, cost, rest = row[5 : 5 + _TOKENS], row[5 + _TOKENS : 5 + _TOKENS + _COST], row[-8:]
    requests, turns, compactions, tools, tool_errors, provider, speed, reported_cost = rest
    entry = msgspec.convert(
        (
            session,
            bool(copied),
            0.0 if time is None else time,
            model,
            tokens,
            None if cost == _NO_PRICE else cost,
            requests,
            turns,
            compactions,
            _calls_of(tools),
            _calls_of(tool_errors),
            provider,
            speed,
            reported_cost,
        ),
        Entry,
    )
    return msgspec.convert(key, bytes), entry


def _calls_text(calls: Calls) -> str:
    return _encode_calls(calls).decode() if calls else NO_CALLS


def _calls_of(text: str) -> Calls:
    return _decode_calls(text) if text else ()


# --- sessions -----------------------------------------------------------------------------------


def session_rows(record: SessionState) -> dict[str, list[Row]]:
    """Return the rows of a session by table."""
    facts, signal = record.facts, record.facts.signal
    row = (
        record.id,
        record.agent,
        record.session_id,
        facts.parent_session_id,
        record.project,
        facts.started_at,
        facts.last_active,
        facts.title,
        facts.title_rank,
        facts.cwd,
        facts.git_branch,
        facts.data_path,
        facts.agent_version,
        facts.model,
        facts.model_effort,
        facts.subscription,
        facts.context_used_tokens,
        facts.context_peak_tokens,
        facts.context_window_tokens,
        int(facts.subagent),
        signal.kind,
        signal.reason,
        signal.detail,
        record.turns,
        record.compactions,
    )
    tools = {**dict.fromkeys(record.tools, 0), **dict.fromkeys(record.tool_errors, 0)}
    floor = (*astuple(record.floor_tokens), *astuple(record.floor_cost))
    return {
        "sessions": [row],
        "session_models": [
            (record.id, model, usage.requests, *astuple(usage.tokens), *astuple(usage.cost))
            for model, usage in ((name, usage.bounded()) for name, usage in record.models.items())
        ],
        "session_tools": [
            (record.id, tool, record.tools.get(tool, 0), record.tool_errors.get(tool, 0))
            for tool in tools
        ],
        "session_floors": [(record.id, *floor)] if any(floor) else [],
    }


class _SessionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The columns of `sessions`, in their order."""

    id: int
    agent: str
    session_id: str
    parent_session_id: str
    project: str
    started_at: float | None
    last_active: float | None
    title: str
    title_rank: int
    cwd: str
    git_branch: str
    data_path: str
    agent_version: str
    model: str
    model_effort: str
    subscription: str
    context_used_tokens: int | None
    context_peak_tokens: int | None
    context_window_tokens: int | None
    subagent: int
    signal: str
    signal_reason: str
    signal_detail: str
    turns: int
    compactions: int


_FACTS = tuple(
    name for name in SessionUpdate.__struct_fields__ if name not in ("signal", "subagent")
)
_fact_values = attrgetter(*_FACTS)


def session_of(row: Row) -> SessionState:
    """Return the session of a row, without its models, tools and floor. Raises one of BAD_ROW."""
    found = msgspec.convert(row, _SessionRow)
    facts = SessionUpdate(
        **dict(zip(_FACTS, _fact_values(found), strict=True)),
        subagent=bool(found.subagent),
        signal=Signal(found.signal, found.signal_reason, found.signal_detail),
    )
    record = SessionState(found.id, found.agent, found.session_id, facts, found.project)
    record.turns, record.compactions = found.turns, found.compactions
    return record


_Usage = tuple[(int, str, int, *(int,) * (_TOKENS + _COST))]  # type: ignore[valid-type,misc]


def usage_of(row: Row) -> tuple[int, str, ModelUsage]:
    """Return (session, model, usage) of a row of `session_models`. Raises one of BAD_ROW."""
    session, model, requests, *figures = msgspec.convert(row, _Usage)
    tokens, cost = TokenCounts(*figures[:_TOKENS]), Cost(*figures[_TOKENS:])
    return session, model, ModelUsage(requests, tokens, cost)


def tool_of(row: Row) -> tuple[int, str, int, int]:
    """Return (session, tool, calls, errors) of a row of `session_tools`. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[int, str, int, int])


def floor_of(row: Row) -> tuple[int, TokenCounts, Cost]:
    """Return (session, tokens, cost) of a row of `session_floors`. Raises one of BAD_ROW."""
    session = msgspec.convert(row[0], int)
    return session, _tokens(row[1 : 1 + _TOKENS]), _cost(row[1 + _TOKENS :])


# --- the rest -----------------------------------------------------------------------------------


def cursor_row(agent: str, path: str, cursor: Cursor) -> Row:
    """Return the row of a cursor."""
    return (agent, path, *astuple(cursor))


def cursor_of(row: Row) -> tuple[str, str, Cursor]:
    """Return (agent, path, cursor) of a row. Raises one of BAD_ROW."""
    agent, path = msgspec.convert(row[:2], tuple[str, str])
    return agent, path, msgspec.convert(row[2:], Cursor)


def total_row(series: Series, value: float) -> Row:
    """Return the row of a counter series."""
    return (series[0], msgspec.json.encode(series[1:]).decode(), value)


def total_of(row: Row) -> tuple[Series, int | float]:
    """Return the series and the value of a row. Raises one of BAD_ROW."""
    name, labels, value = msgspec.convert(row, tuple[str, str, int | float])
    if not value >= 0:
        raise ValueError("a counter is never negative")
    return (name, *_decode_labels(labels)), value


def limit_row(limit: RateLimit) -> Row:
    """Return the row of a rate limit."""
    return astuple(limit)


def limit_of(row: Row) -> RateLimit:
    """Return the rate limit of a row. Raises one of BAD_ROW."""
    return msgspec.convert(row, RateLimit)


def metadata_of(row: Row) -> tuple[str, bytes]:
    """Return the name and the value of a row of `metadata`. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[str, bytes])


def hour_of_row(row: Row) -> Row:
    """Return a row of `hourly` as it is. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[int, str, int, int, int, int, int, int, int, int, int, int])


READERS: dict[str, Callable[[Row], object]] = {
    "events": event_of,
    "hourly": hour_of_row,
    "cursors": cursor_of,
    "sessions": session_of,
    "session_models": usage_of,
    "session_tools": tool_of,
    "session_floors": floor_of,
    "totals": total_of,
    "rate_limits": limit_of,
    "metadata": metadata_of,
}
"""How each table's rows are read."""
