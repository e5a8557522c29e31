"""The SQLite tables of the ledger file.

Times are unix seconds (UTC), hours are unix seconds // 3600, sizes are bytes, costs are picodollars
(1e-12 USD). `migrations` converts the rows of older versions.

To add a column: append it to its table in TABLES, increase SCHEMA_VERSION, and add a ledger of the
new version to the tests. Rows of older versions get the default of the column (`Table.complete`).
A column for a fact of a session has the name of the field in `SessionUpdate`. The modules `rows`
and `records` find the field by this name. The names and the order of existing columns never change.
"""

import sqlite3
from typing import Any, NamedTuple

SCHEMA_VERSION = 5
EMPTY_VERSION = 0  # what SQLite reports for a new file


class Table(NamedTuple):
    """The definition of a table: the SQLite type of each column, and the primary key."""

    columns: dict[str, str]
    key: tuple[str, ...]
    constraint: str = ""
    options: str = "WITHOUT ROWID"

    def create(self, name: str) -> str:
        """Return the statement that creates the table."""
        columns = [f"{column} {kind}" for column, kind in self.columns.items()]
        parts = [*columns, f"PRIMARY KEY ({', '.join(self.key)})"]
        if self.constraint:
            parts.append(self.constraint)
        return f"CREATE TABLE {name} ({', '.join(parts)}) {self.options}".rstrip()

    def complete(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row of an older version with the defaults of columns that it does not have."""
        missing = list(self.columns.values())[len(row) :]
        return (*row, *map(default_of, missing))

    def insert(self, name: str, *, otherwise: str = "REPLACE") -> str:
        """Return the statement that inserts a row.

        `otherwise` is the action if the key exists already: `REPLACE` or `IGNORE`.
        """
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT OR {otherwise} INTO {name} VALUES ({marks})"  # noqa: S608 - constants


def default_of(column_type: str) -> str | bytes | int | None:
    """Return the value that an appended column of this type gets in rows of older versions."""
    if "NOT NULL" not in column_type:
        return None
    defaults: dict[str, str | bytes] = {"TEXT": "", "BLOB": b""}
    return defaults.get(column_type.partition(" ")[0], 0)


TOKENS = {
    "input": "INTEGER NOT NULL",
    "cache_read": "INTEGER NOT NULL",
    "cache_write_5m": "INTEGER NOT NULL",
    "cache_write_1h": "INTEGER NOT NULL",
    "output": "INTEGER NOT NULL",
    "reasoning": "INTEGER NOT NULL",
}
COST = {
    "cost_input": "INTEGER",
    "cost_cache_read": "INTEGER",
    "cost_cache_write_5m": "INTEGER",
    "cost_cache_write_1h": "INTEGER",
    "cost_output": "INTEGER",
    "cost_reported": "INTEGER",
    "unpriced_tokens": "INTEGER",
}
FEES = {"cost_web_search": "INTEGER"}
"""The columns for fees in a cost. They are last in a table, because version 3 appended them."""

TABLES = {
    # One row per counted usage event, so that another record of the event adds only the difference.
    # The cost is NULL while no price is known. Tool calls are JSON: [[call id, tool], ...].
    "events": Table(
        {
            "key": "BLOB NOT NULL",
            "session": "INTEGER NOT NULL",
            "copied": "INTEGER NOT NULL",
            "time": "REAL",
            "model": "TEXT NOT NULL",
            **TOKENS,
            **COST,
            "requests": "INTEGER NOT NULL",
            "turns": "INTEGER NOT NULL",
            "compactions": "INTEGER NOT NULL",
            "tools": "TEXT NOT NULL",
            "tool_errors": "TEXT NOT NULL",
            "provider": "TEXT NOT NULL",
            "speed": "TEXT NOT NULL",
            # The cost that the agent recorded; minus 2^62 if a price of the user replaces it.
            "agent_cost": "INTEGER",
            "web_searches": "INTEGER NOT NULL",
            "region": "TEXT NOT NULL",
            **FEES,
        },
        ("key",),
    ),
    # The keys of events older than the retention time. These events are not counted again.
    "old_keys": Table({"key": "BLOB NOT NULL"}, ("key",)),
    # Sums by hour. Sums older than the retention time are by day or month, see `retention`.
    "hourly": Table(
        {
            "session": "INTEGER NOT NULL",
            "model": "TEXT NOT NULL",
            "hour": "INTEGER NOT NULL",
            "requests": "INTEGER NOT NULL",
            **TOKENS,
            "cost": "INTEGER NOT NULL",
            "unpriced_tokens": "INTEGER NOT NULL",
        },
        ("session", "model", "hour"),
    ),
    "cursors": Table(
        {
            "agent": "TEXT NOT NULL",
            "path": "TEXT NOT NULL",
            "device": "INTEGER NOT NULL",
            "inode": "INTEGER NOT NULL",
            "size": "INTEGER NOT NULL",
            "mtime_ns": "INTEGER NOT NULL",
            "offset": "INTEGER NOT NULL",
            "fingerprint": "BLOB NOT NULL",
            "reader_state": "BLOB NOT NULL",
        },
        ("agent", "path"),
    ),
    # The columns of `SessionState` and of its facts (`SessionUpdate`), by the names of the fields.
    # The index of UNIQUE also has agent and session id. They survive a damaged page of the table.
    "sessions": Table(
        {
            "id": "INTEGER NOT NULL",
            "agent": "TEXT NOT NULL",
            "session_id": "TEXT NOT NULL",
            "parent_session_id": "TEXT NOT NULL",
            "project": "TEXT NOT NULL",
            "started_at": "REAL",
            "last_active": "REAL",
            "title": "TEXT NOT NULL",
            "title_rank": "INTEGER NOT NULL",
            "cwd": "TEXT NOT NULL",
            "git_branch": "TEXT NOT NULL",
            "data_path": "TEXT NOT NULL",
            "agent_version": "TEXT NOT NULL",
            "model": "TEXT NOT NULL",
            "model_effort": "TEXT NOT NULL",
            "subscription": "TEXT NOT NULL",
            "context_used_tokens": "INTEGER",
            "context_peak_tokens": "INTEGER",
            "context_window_tokens": "INTEGER",
            "subagent": "INTEGER NOT NULL",
            "signal": "TEXT NOT NULL",
            "signal_reason": "TEXT NOT NULL",
            "signal_detail": "TEXT NOT NULL",
            "turns": "INTEGER NOT NULL",
            "compactions": "INTEGER NOT NULL",
            "account": "TEXT NOT NULL",
            "signal_tool": "TEXT NOT NULL",
        },
        ("id",),
        constraint="UNIQUE (agent, session_id)",
        options="",
    ),
    "session_models": Table(
        {
            "session": "INTEGER NOT NULL",
            "model": "TEXT NOT NULL",
            "requests": "INTEGER NOT NULL",
            **TOKENS,
            **COST,
            **FEES,
        },
        ("session", "model"),
    ),
    "session_tools": Table(
        {
            "session": "INTEGER NOT NULL",
            "tool": "TEXT NOT NULL",
            "calls": "INTEGER NOT NULL",
            "errors": "INTEGER NOT NULL",
        },
        ("session", "tool"),
    ),
    # The largest published usage of a session whose usage decreased later.
    "session_floors": Table(
        {"session": "INTEGER NOT NULL", **TOKENS, **COST, **FEES},
        ("session",),
    ),
    # One row per counter series; labels are a JSON array.
    "totals": Table(
        {"name": "TEXT NOT NULL", "labels": "TEXT NOT NULL", "value": "NUMERIC NOT NULL"},
        ("name", "labels"),
    ),
    "rate_limits": Table(
        {
            "agent": "TEXT NOT NULL",
            "window": "TEXT NOT NULL",
            "used_ratio": "REAL",
            "observed_at": "REAL NOT NULL",
            "resets_at": "REAL",
            "window_seconds": "REAL",
            "source": "TEXT NOT NULL",
            "hint": "TEXT NOT NULL",
            "account": "TEXT NOT NULL",
        },
        ("agent", "window", "account"),
        # SQLite 3.40 reports damage if the key of a table without row ids has a late column
        options="",
    ),
    "metadata": Table({"name": "TEXT NOT NULL", "value": "BLOB NOT NULL"}, ("name",)),
}
"""All tables, in the order in which they are created."""

LARGE_TABLES = frozenset({"events", "old_keys"})
"""The tables that grow with the number of events."""

UNPRICED = "cost_input IS NULL AND (requests > 0 OR web_searches > 0)"
"""The SQL condition for an event whose price is unknown."""


def create(database: sqlite3.Connection) -> None:
    """Create the tables of the current version in an empty database.

    The caller opens the transaction.
    """
    for name, table in TABLES.items():
        database.execute(table.create(name))
    database.execute(f"CREATE INDEX unpriced_events ON events (key) WHERE {UNPRICED}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def version_of(database: sqlite3.Connection) -> int:
    """Return the schema version of a database."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def is_complete(database: sqlite3.Connection) -> bool:
    """Return whether a database has all tables of the current version."""
    found = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    return found >= TABLES.keys()
