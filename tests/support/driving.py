"""Reads agents' files into a ledger as a refresh does, without the pipeline."""

import sqlite3
from contextlib import closing
from pathlib import Path

from agtop_exporter.model import Cost, Cursor

MOVING = frozenset({"scan_bytes", "scan_records", "source_resets"})  # say how, not what, was read
USED = frozenset(
    {"requests", "tokens", "reasoning_tokens", "unpriced_tokens", "cost", "turns", "compactions"}
    | {"tool_calls", "tool_call_errors", "project_tokens", "project_cost"}
)

DATABASES = (".db", ".vscdb", ".sqlite")


def price(event):
    """Charge 1 to 5 dollars per million tokens, by token type. One model has no price."""
    if "unpriced" in event.model:
        return None
    tokens = event.tokens
    return Cost(
        tokens.input * 1_000_000,
        tokens.cache_read * 2_000_000,
        tokens.cache_write_5m * 3_000_000,
        tokens.cache_write_1h * 4_000_000,
        tokens.output * 5_000_000,
    )


def project(cwd):
    return cwd.rpartition("/")[2]


def transcripts(home, agents):
    """List (agent, path) of every transcript below a home, in the order of the paths."""
    found = [
        (agent, entry.path)
        for agent in agents
        for root in agent.roots(Path(home), {})
        if root.exists()  # as the pipeline does
        for entry in agent.files(root)
    ]
    return sorted(found, key=lambda each: each[1])


def is_changed(entry, cursor):
    """Compare a path, or a listed entry, with a cursor."""
    status = entry.stat()
    known = (cursor.device, cursor.inode, cursor.size, cursor.mtime_ns)
    return known != (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def read_on(ledger, agent, path, *, price=price):
    """Record the new part of one file. A database may change without a new modification time."""
    cursor = ledger.cursor(agent.name, path)
    more = path.endswith(DATABASES) or is_changed(Path(path), cursor)
    while more:
        batch = agent.read(path, cursor)
        ledger.record(batch, price=price, project=project)
        cursor, more = batch.cursor, batch.more


def refresh(ledger, home, agents, *, price=price):
    """Record and commit all new records of a home."""
    for agent, path in transcripts(home, agents):
        read_on(ledger, agent, path, price=price)
    ledger.commit()


def batches(agent, path):
    """Read one file from its start."""
    cursor, found = Cursor(), []
    while not found or found[-1].more:
        found.append(agent.read(path, cursor))
        cursor = found[-1].cursor
    return found


def totals(ledger):
    """Return the totals of usage, which do not depend on how files are read."""
    return {series: value for series, value in ledger.totals.items() if series[0] not in MOVING}


def used(ledger):
    """Return the totals of the agents' activity, which no change of a file may lower."""
    return {series: value for series, value in ledger.totals.items() if series[0] in USED}


def sessions(ledger):
    """Return the usage and the facts of each session, whichever file was read last."""
    return {
        key: {
            "models": record.models,
            "turns": record.turns,
            "tools": record.tools,
            "tool_errors": record.tool_errors,
            "compactions": record.compactions,
            "project": record.project,
            "facts": {
                name: getattr(record.facts, name)
                for name in record.facts.__struct_fields__
                if name != "data_path"
            },
        }
        for key, record in ledger.sessions.items()
    }


def build_databases(home):
    """Turn every script, such as `X.db.sql`, below a directory into the database `X.db`."""
    for script in sorted(Path(home).rglob("*.sql")):
        with closing(sqlite3.connect(script.with_suffix(""))) as database:
            # Tests do not need to survive a power failure.
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(script.read_text(encoding="utf-8"))
            database.commit()
        script.unlink()
