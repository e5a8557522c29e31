"""Conversion between the values of the ledger and the rows of its tables."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Calls, Entry, SessionRecord
from agtop_exporter.ledger.schema import TABLES
from agtop_exporter.model import (
    Cost,
    Cursor,
    ModelUsage,
    RateLimit,
    Series,
    SessionUpdate,
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


def session_rows(record: SessionRecord) -> dict[str, list[Row]]:
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


def session_of(row: Row) -> SessionRecord:
    """Return the session of a row, without its models, tools and floor. Raises one of BAD_ROW."""
    values = dict(zip(_SESSION_COLUMNS, row, strict=True))
    values["signal"] = [values[name] for name in ("signal", "signal_reason", "signal_detail")]
    values["subagent"] = bool(values["subagent"])
    facts = msgspec.convert([values[name] for name in _FACTS], SessionUpdate)
    record = SessionRecord(
        id=msgspec.convert(values["id"], int),
        agent=msgspec.convert(values["agent"], str),
        session_id=facts.session_id,
        facts=facts,
        project=msgspec.convert(values["project"], str),
    )
    record.turns = msgspec.convert(values["turns"], int)
    record.compactions = msgspec.convert(values["compactions"], int)
    return record


_FACTS = SessionUpdate.__struct_fields__
_SESSION_COLUMNS = tuple(TABLES["sessions"].columns)


def usage_of(row: Row) -> tuple[int, str, ModelUsage]:
    """Return (session, model, usage) of a row of `session_models`. Raises one of BAD_ROW."""
    session, model, requests = msgspec.convert(row[:3], tuple[int, str, int])
    tokens, cost = _tokens(row[3 : 3 + _TOKENS]), _cost(row[3 + _TOKENS :])
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
