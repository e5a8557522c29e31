"""Converts values of the ledger to rows of its tables, and rows to values."""

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Calls, Entry
from agtop_exporter.ledger.schema import TABLES
from agtop_exporter.model import (
    MAX_SUM,
    Cost,
    Cursor,
    ModelUsage,
    RateLimit,
    Series,
    SessionState,
    SessionUpdate,
    TokenCounts,
)

Row = tuple[Any, ...]

NO_CALLS = ""
_TOKENS = len(TokenCounts.__struct_fields__)
_COST = len(Cost.__struct_fields__)
_NO_PRICE = (None,) * _COST

BAD_ROW = (ValueError, TypeError, IndexError, msgspec.MsgspecError)
"""The exceptions of a conversion. They mean that no version of this program wrote the row."""

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
    """Return (key, event) of a row. Raises one of BAD_ROW."""
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


SESSION_COLUMNS = tuple(TABLES["sessions"].columns)
_SIGNAL_COLUMNS = {"signal": "kind", "signal_reason": "reason", "signal_detail": "detail"}
_FACTS = SessionUpdate.__struct_fields__
_FIELDS = tuple(  # without the last two, which are in the table `session_floors`
    name for name in SessionState.__struct_fields__ if name not in ("floor_tokens", "floor_cost")
)


def _attribute(column: str) -> str:
    """Return the attribute path in `SessionState` of a column of `sessions`."""
    if column in _SIGNAL_COLUMNS:
        return f"facts.signal.{_SIGNAL_COLUMNS[column]}"
    return column if column in _FIELDS else f"facts.{column}"


_session_row = attrgetter(*map(_attribute, SESSION_COLUMNS))


def session_rows(record: SessionState) -> dict[str, list[Row]]:
    """Return the rows of a session by table."""
    tools = {**dict.fromkeys(record.tools, 0), **dict.fromkeys(record.tool_errors, 0)}
    floor = (*astuple(record.floor_tokens), *astuple(record.floor_cost))
    return {
        "sessions": [_session_row(record)],
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


def session_of(row: Row) -> SessionState:
    """Return the session of a row, without its models, tools and floor. Raises one of BAD_ROW."""
    values = dict(zip(SESSION_COLUMNS, row, strict=True))
    values["signal"] = [values[column] for column in _SIGNAL_COLUMNS]
    values["facts"] = [values[name] for name in _FACTS]
    found = [values.get(name, {}) for name in _FIELDS]  # models and tools are in other tables
    # not strict, because SQLite has no booleans
    return msgspec.convert(found, SessionState, strict=False)


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


# --- cursors, totals, rate limits, metadata, hours --------------------------------------------


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
    """Return (series, value) of a row. Raises one of BAD_ROW."""
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
    """Return (name, value) of a row of `metadata`. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[str, bytes])


ADD_HOURLY = (  # all parts of the statement are constants
    f"INSERT INTO hourly VALUES ({', '.join('?' * len(TABLES['hourly'].columns))}) "  # noqa: S608
    "ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{n} = {n} + excluded.{n}" for n in list(TABLES["hourly"].columns)[3:])
)
"""Inserts a row into `hourly`, or adds its sums to the row with the same key."""


def hourly_row(place: tuple[object, ...], sums: Iterable[int]) -> Row:
    """Return the row of `hourly` for a (session, model, hour)."""
    return (*place, *(min(amount, MAX_SUM) for amount in sums))


def hour_of_row(row: Row) -> Row:
    """Return a row of `hourly` unchanged, after a check of its types. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[int, str, int, int, int, int, int, int, int, int, int, int])


def old_key_of(row: Row) -> bytes:
    """Return the key of a row of `old_keys`. Raises one of BAD_ROW."""
    return msgspec.convert(row[0], bytes)


READERS: dict[str, Callable[[Row], object]] = {
    "events": event_of,
    "old_keys": old_key_of,
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
"""The function that reads a row, by table."""
