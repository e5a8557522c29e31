"""Converts values of the ledger to rows of its SQLite tables, and such rows to values."""

import math
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Calls, Entry
from agtop_exporter.ledger.schema import COST, FEES, TABLES
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
_COST = len(COST)
_FEES = len(FEES)
_NO_PRICE = (None,) * (_COST + _FEES)

_OWN_PRICE = -(1 << 62)  # is added to `agent_cost` of an event that the user's price is billed for

BAD_ROW = (ValueError, TypeError, IndexError, msgspec.MsgspecError)
"""The exceptions that the conversion of a damaged row to a value can raise."""

_encode_calls = msgspec.json.Encoder().encode
_decode_calls = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_decode_labels = msgspec.json.Decoder(tuple[str, ...]).decode


def _tokens(values: Row) -> TokenCounts:
    return msgspec.convert(values, TokenCounts)


def _cost(values: Sequence[Any], fees: Sequence[Any]) -> Cost:
    """Return a cost from the values of its columns. `fees` are None in rows of older versions."""
    return msgspec.convert((*values, *(fee or 0 for fee in fees)), Cost)


def _cost_columns(cost: Cost | None) -> tuple[Row, Row]:
    """Return (values of the columns COST, values of the columns FEES) for a cost."""
    values = _NO_PRICE if cost is None else astuple(cost)
    return values[:_COST], values[_COST:]


# --- events -------------------------------------------------------------------------------------


def event_row(key: bytes, entry: Entry) -> Row:
    """Return the row of `events` for an event and its key."""
    cost, fees = _cost_columns(entry.cost)
    return (
        key,
        entry.session,
        int(entry.copied),
        entry.time if math.isfinite(entry.time) else None,
        entry.model,
        *astuple(entry.tokens),
        *cost,
        entry.requests,
        entry.turns,
        entry.compactions,
        _calls_text(entry.tools),
        _calls_text(entry.tool_errors),
        entry.provider,
        entry.speed,
        _agent_cost_column(entry),
        entry.web_searches,
        entry.region,
        *fees,
    )


def event_of(row: Row) -> tuple[bytes, Entry]:
    """Return (key, event) of a row of `events`. Raises one of BAD_ROW."""
    key, session, copied, time, model = row[:5]
    costs_at = 5 + _TOKENS
    tokens, cost, rest = row[5:costs_at], row[costs_at : costs_at + _COST], row[costs_at + _COST :]
    requests, turns, compactions, tools, tool_errors, provider, speed, *later = rest
    agent_cost, web_searches, region, *fees = later
    own_price = agent_cost is not None and agent_cost < _OWN_PRICE // 2
    entry = msgspec.convert(
        (
            session,
            bool(copied),
            0.0 if time is None else time,
            model,
            tokens,
            None if (*cost, *fees) == _NO_PRICE else _cost(cost, fees),
            requests,
            turns,
            compactions,
            _calls_of(tools),
            _calls_of(tool_errors),
            provider,
            speed,
            agent_cost - _OWN_PRICE if own_price else agent_cost,
            web_searches,
            region,
            own_price,
        ),
        Entry,
    )
    return msgspec.convert(key, bytes), entry


def _agent_cost_column(entry: Entry) -> int | None:
    if entry.own_price and entry.reported_cost is not None:
        return entry.reported_cost + _OWN_PRICE
    return entry.reported_cost


def _calls_text(calls: Calls) -> str:
    return _encode_calls(calls).decode() if calls else NO_CALLS


def _calls_of(text: str) -> Calls:
    return _decode_calls(text) if text else ()


# --- sessions -----------------------------------------------------------------------------------


SESSION_COLUMNS = tuple(TABLES["sessions"].columns)
_SIGNAL_COLUMNS = {"signal": "kind"} | {f"signal_{n}": n for n in ("reason", "detail", "tool")}
_FACTS = SessionUpdate.__struct_fields__
_FIELDS = SessionState.__struct_fields__[:-3]  # other tables have the last three fields


def _attribute(column: str) -> str:
    """Return the path of the `SessionState` attribute for a column of the table `sessions`."""
    if column in _SIGNAL_COLUMNS:
        return f"facts.signal.{_SIGNAL_COLUMNS[column]}"
    return column if column in _FIELDS else f"facts.{column}"


_session_row = attrgetter(*map(_attribute, SESSION_COLUMNS))


def session_rows(record: SessionState) -> dict[str, list[Row]]:
    """Return the rows that store a session, by the names of their tables."""
    tools = {**dict.fromkeys(record.tools, 0), **dict.fromkeys(record.tool_errors, 0)}
    cost, fees = _cost_columns(record.floor_cost)
    floor = (*astuple(record.floor_tokens), *cost, *fees)
    return {
        "sessions": [_session_row(record)],
        "session_models": [
            _usage_row(record.id, model, usage.bounded()) for model, usage in record.models.items()
        ],
        "session_tools": [
            (record.id, tool, record.tools.get(tool, 0), record.tool_errors.get(tool, 0))
            for tool in tools
        ],
        "session_floors": [(record.id, *floor)] if any(floor) else [],
    }


def session_of(row: Row) -> SessionState:
    """Return the session of a row of `sessions`. Raises one of BAD_ROW.

    The models, the tools and the published minimum of the session are in other tables.
    """
    values = dict(zip(SESSION_COLUMNS, row, strict=True))
    values["signal"] = [values[column] for column in _SIGNAL_COLUMNS]
    values["facts"] = [values[name] for name in _FACTS]
    found = [values.get(name, {}) for name in _FIELDS]  # models and tools are in other tables
    # not strict, because SQLite has no booleans
    return msgspec.convert(found, SessionState, strict=False)


def _usage_row(session: int, model: str, usage: ModelUsage) -> Row:
    cost, fees = _cost_columns(usage.cost)
    return (session, model, usage.requests, *astuple(usage.tokens), *cost, *fees)


_Usage = tuple[(int, str, int, *(int,) * (_TOKENS + _COST), *(int | None,) * _FEES)]  # type: ignore[valid-type,misc]


def usage_of(row: Row) -> tuple[int, str, ModelUsage]:
    """Return (session, model, usage) of a row of `session_models`. Raises one of BAD_ROW."""
    session, model, requests, *figures = msgspec.convert(row, _Usage)
    tokens = TokenCounts(*figures[:_TOKENS])
    cost = _cost(figures[_TOKENS : _TOKENS + _COST], figures[_TOKENS + _COST :])
    return session, model, ModelUsage(requests, tokens, cost)


def tool_of(row: Row) -> tuple[int, str, int, int]:
    """Return (session, tool, calls, errors) of a row of `session_tools`. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[int, str, int, int])


def floor_of(row: Row) -> tuple[int, TokenCounts, Cost]:
    """Return (session, tokens, cost) of a row of `session_floors`. Raises one of BAD_ROW."""
    session = msgspec.convert(row[0], int)
    tokens, cost = row[1 : 1 + _TOKENS], row[1 + _TOKENS :]
    return session, _tokens(tokens), _cost(cost[:_COST], cost[_COST:])


# --- cursors, totals, rate limits, metadata, hours --------------------------------------------


def cursor_row(agent: str, path: str, cursor: Cursor) -> Row:
    """Return the row of `cursors` for the cursor of a file."""
    return (agent, path, *astuple(cursor))


def cursor_of(row: Row) -> tuple[str, str, Cursor]:
    """Return (agent, path, cursor) of a row of `cursors`. Raises one of BAD_ROW."""
    agent, path = msgspec.convert(row[:2], tuple[str, str])
    return agent, path, msgspec.convert(row[2:], Cursor)


def total_row(series: Series, value: float) -> Row:
    """Return the row of `totals` for a counter series and its value."""
    return (series[0], msgspec.json.encode(series[1:]).decode(), value)


def total_of(row: Row) -> tuple[Series, int | float]:
    """Return (series, value) of a row of `totals`. Raises one of BAD_ROW."""
    name, labels, value = msgspec.convert(row, tuple[str, str, int | float])
    if not value >= 0:
        raise ValueError("a counter is never negative")
    return (name, *_decode_labels(labels)), value


def limit_row(limit: RateLimit) -> Row:
    """Return the row of `rate_limits` for a rate limit."""
    return astuple(limit)


def limit_of(row: Row) -> RateLimit:
    """Return the rate limit of a row of `rate_limits`. Raises one of BAD_ROW."""
    return msgspec.convert(row, RateLimit)


def metadata_of(row: Row) -> tuple[str, bytes]:
    """Return (name, value) of a row of `metadata`. Raises one of BAD_ROW."""
    return msgspec.convert(row, tuple[str, bytes])


ADD_HOURLY = (  # all parts of the statement are constants
    f"INSERT INTO hourly VALUES ({', '.join('?' * len(TABLES['hourly'].columns))}) "  # noqa: S608
    f"ON CONFLICT ({', '.join(TABLES['hourly'].key)}) DO UPDATE SET "  # SQLite 3.34 needs the key
    + ", ".join(f"{n} = {n} + excluded.{n}" for n in list(TABLES["hourly"].columns)[3:])
)
"""The statement that inserts a row into `hourly`.

If the key of the row exists already, the sums of the row are added to the existing row.
"""


def hourly_row(place: tuple[object, ...], sums: Iterable[int]) -> Row:
    """Return the row of `hourly` for `place`, which is (session, model, hour), and its sums."""
    return (*place, *(min(amount, MAX_SUM) for amount in sums))


_Hour = tuple[int, str, int, int, int, int, int, int, int, int, int, int]


def hour_of_row(row: Row) -> Row:
    """Return a row of `hourly` unchanged, after a check of its types. Raises one of BAD_ROW."""
    return hours_of([row])[0]


def hours_of(found: Iterable[Row]) -> list[_Hour]:
    """Return rows of `hourly` unchanged, after a check of their types. Raises one of BAD_ROW."""
    return msgspec.convert(list(found), list[_Hour])


def old_key_of(row: Row) -> bytes:
    """Return the event key of a row of `old_keys`. Raises one of BAD_ROW."""
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
"""The function that converts a row to a value, by the name of the table."""
