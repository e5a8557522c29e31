"""Converts the rows of older schema versions into rows of the current one.

A migration copies the rows of an older file into a new file. The new file therefore always has the
tables that the current version creates. The repair of a damaged file also copies rows in this way.
`LAYOUTS` describes the tables of each schema version.

Schema version 1 (program version 0.1.0) stored each value as a MessagePack array of its fields.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.salvage import SalvagedTable
from agtop_exporter.ledger.schema import SCHEMA_VERSION, TABLES
from agtop_exporter.model import (
    Cost,
    Cursor,
    ModelUsage,
    RateLimit,
    SessionState,
    SessionUpdate,
    Signal,
    TokenCounts,
)

ACCOUNTS_VERSION = 4  # the first schema version that has the accounts of sessions and rate limits

TableRow = tuple[str, Row]
"""(table name, row of this table)."""


class _V1Facts(msgspec.Struct, array_like=True):
    """`SessionUpdate` of version 1."""

    session_id: str
    data_path: str = ""
    parent_session_id: str = ""
    started_at: float | None = None
    last_active: float | None = None
    title: str = ""
    title_rank: int = 0
    cwd: str = ""
    git_branch: str = ""
    agent_version: str = ""
    model: str = ""
    model_effort: str = ""
    subscription: str = ""
    context_used_tokens: int | None = None
    context_peak_tokens: int | None = None
    context_window_tokens: int | None = None
    subagent: bool = False
    signal: tuple[str, str, str] = ("unknown", "", "")


class _V1Session(msgspec.Struct, array_like=True):
    """`SessionState` of version 1."""

    id: int
    agent: str
    session_id: str
    facts: _V1Facts
    project: str = ""
    models: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {}
    tools: dict[str, int] = {}
    tool_errors: dict[str, int] = {}
    turns: int = 0
    compactions: int = 0
    floor_tokens: tuple[int, ...] = ()
    floor_cost: tuple[int, ...] = ()


class _V1Entry(msgspec.Struct, array_like=True):
    """`Entry` of version 1."""

    session: int
    copied: bool
    time: float
    model: str
    tokens: tuple[int, ...]
    cost: tuple[int, ...] | None
    requests: int
    turns: int
    compactions: int
    tools: tuple[tuple[str, str], ...]
    tool_errors: tuple[tuple[str, str], ...]
    provider: str
    speed: str
    reported_cost: int | None


_V1Cursor = tuple[int, int, int, int, int, bytes, bytes]
_V1Limit = tuple[str, str, float | None, float, float | None, float | None, str, str]


def _v1_event(row: Row) -> Iterator[TableRow]:
    key, _, data = row
    old = msgspec.msgpack.decode(data, type=_V1Entry)
    cost = None if old.cost is None else Cost(*old.cost)
    values = {**msgspec.structs.asdict(old), "tokens": TokenCounts(*old.tokens), "cost": cost}
    values |= {"web_searches": 0, "region": ""}
    yield "events", rows.event_row(key, Entry(**values))


def _v1_session(row: Row) -> Iterator[TableRow]:
    old = msgspec.msgpack.decode(row[1], type=_V1Session)
    facts = msgspec.structs.asdict(old.facts) | {"signal": Signal(*old.facts.signal)}
    record = SessionState(
        id=old.id,
        agent=old.agent,
        session_id=old.session_id,
        facts=SessionUpdate(**facts),
        project=old.project,
        models={
            model: ModelUsage(requests, TokenCounts(*tokens), Cost(*cost))
            for model, (requests, tokens, cost) in old.models.items()
        },
        tools=old.tools,
        tool_errors=old.tool_errors,
        turns=old.turns,
        compactions=old.compactions,
        floor_tokens=TokenCounts(*old.floor_tokens),
        floor_cost=Cost(*old.floor_cost),
    )
    for table, found in rows.session_rows(record).items():
        yield from ((table, one) for one in found)


def _v1_cursor(row: Row) -> Iterator[TableRow]:
    path, agent, data = row
    cursor = Cursor(*msgspec.msgpack.decode(data, type=_V1Cursor))
    yield "cursors", rows.cursor_row(agent, path, cursor)


def _v1_total(row: Row) -> Iterator[TableRow]:
    series, value = row
    yield "totals", rows.total_row(msgspec.json.decode(series, type=tuple[str, ...]), value)


def _v1_fact(row: Row) -> Iterator[TableRow]:
    name, data = row
    if name != "rate_limits":
        yield "metadata", row
        return
    for limit in msgspec.msgpack.decode(data, type=list[_V1Limit]):
        yield "rate_limits", rows.limit_row(RateLimit(*limit))


class _Source(NamedTuple):
    """A table of one schema version, and its conversion to the current schema.

    `key` has the columns of the primary key. `convert` takes one row and returns rows of the
    current schema as (table name, row). `target` is the name of the current table that gets most of
    these rows.
    """

    key: tuple[str, ...]
    convert: Callable[[Row], Iterable[TableRow]]
    target: str


def _unchanged(name: str) -> Callable[[Row], Iterable[TableRow]]:
    return lambda row: [(name, row)]


def _completed(name: str) -> Callable[[Row], Iterable[TableRow]]:
    return lambda row: [(name, TABLES[name].complete(row))]


def _key_of(table: str, version: int) -> tuple[str, ...]:
    """Return the primary key of a table in a schema version from 2 on."""
    if table == "rate_limits" and version < ACCOUNTS_VERSION:
        return "agent", "window"
    return TABLES[table].key


LAYOUTS: dict[int, dict[str, _Source]] = {
    1: {
        "events": _Source(("key",), _v1_event, "events"),
        "hourly": _Source(("session", "model", "hour"), _unchanged("hourly"), "hourly"),
        "cursors": _Source(("path",), _v1_cursor, "cursors"),
        "sessions": _Source(("id",), _v1_session, "sessions"),
        "totals": _Source(("series",), _v1_total, "totals"),
        "facts": _Source(("name",), _v1_fact, "metadata"),
    },
    **{
        version: {name: _Source(_key_of(name, version), _completed(name), name) for name in TABLES}
        for version in range(2, SCHEMA_VERSION + 1)  # apart from keys, columns were only appended
    },
}


def intact_rows(
    database: sqlite3.Connection, version: int, incomplete: set[str]
) -> Iterator[TableRow]:
    """Yield the readable rows of a ledger, converted from schema `version` to the current schema.

    Adds the names of tables with missing rows to `incomplete`.
    """
    for name, source in LAYOUTS[version].items():
        table = SalvagedTable(database, name, source.key)
        for row in table:
            try:
                new = [(target, one) for target, one in source.convert(row)]
                for target, one in new:
                    rows.READERS[target](one)
            except rows.BAD_ROW:
                incomplete.add(source.target)
            else:
                yield from new
        if not table.complete:
            incomplete.add(source.target)
    if version > 1 and "sessions" in incomplete:
        yield from _names_of_sessions(database)


def _names_of_sessions(database: sqlite3.Connection) -> Iterator[TableRow]:
    """Yield rows of `sessions` that have only the number, the agent and the session id.

    These columns are read from an index, because the table `sessions` is damaged.
    """
    statement = "SELECT id, agent, session_id FROM sessions INDEXED BY sqlite_autoindex_sessions_1"
    try:
        for id_, agent, session_id in database.execute(statement):
            record = SessionState(id_, agent, session_id, SessionUpdate(session_id=session_id))
            yield "sessions", rows.session_rows(record)["sessions"][0]
    except (sqlite3.Error, *rows.BAD_ROW):
        return
