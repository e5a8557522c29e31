"""What a repaired ledger file notes about its lost rows, and which usage must be counted again.

The notes are metadata in the new file. They are deleted in the transaction that stores what was
restored. A program that is killed in between therefore restores it at its next start.
"""

import sqlite3
from collections.abc import Collection, Iterable

from agtop_exporter.ledger.schema import TABLES

INCOMPLETE = "incomplete"  # metadata: the tables that lost rows
COUNTING_AGAIN = "counting_again"  # metadata: the agents whose usage is counted again

OF_USAGE = frozenset(TABLES) - {"totals", "rate_limits", "metadata"}
"""The tables that are deleted if the usage is counted again."""

IN_MEMORY = frozenset(TABLES) - {"events", "old_keys", "hourly"}
"""The tables whose rows a running program has in memory. It writes them again after a repair."""

CONSEQUENCE = (
    "all transcripts are counted again; usage in deleted transcripts is in the counters only"
)
"""The end of the message about a repair after which the usage is counted again."""

OF_AGENTS = frozenset({"requests", "tokens", "turns", "sessions_started", "project_tokens"})
"""Totals whose first label is the agent. Each agent with usage has one of them."""


def encode_names(names: Iterable[str]) -> bytes:
    """Return the content of a note: names, separated by spaces."""
    return " ".join(sorted(names)).encode()


def decode_names(data: bytes) -> frozenset[str]:
    """Return the names in the content of a note."""
    return frozenset(data.decode().split())


def agent_of(name: str, *labels: str) -> tuple[str, ...]:
    """Return the agent of a total as a tuple, which is empty for a total of another kind."""
    return labels[:1] if name in OF_AGENTS else ()


def must_count_again(incomplete: Collection[str]) -> bool:
    """Return whether lost rows cannot be restored from the other tables.

    `incomplete` has the names of the tables with lost rows. Without the keys of the events, the
    sessions and the cursors do not show which records are counted. Without the sessions, the totals
    of projects and accounts cannot be restored.
    """
    lost = set(incomplete)
    without_keys = lost & {"events", "old_keys"} and lost & {"sessions", "cursors"}
    return bool(without_keys) or lost >= {"sessions", "totals"}


def note(target: sqlite3.Connection, incomplete: Collection[str], agents: Collection[str]) -> None:
    """Write the notes to `target`, the new database. `agents` have totals in it.

    If the usage must be counted again, delete the rows of OF_USAGE. The totals stay: they are the
    minimum of the new totals.
    """
    notes = {INCOMPLETE: incomplete}
    if must_count_again(incomplete):
        notes = {COUNTING_AGAIN: agents}
        for table in OF_USAGE:
            target.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
    insert = TABLES["metadata"].insert("metadata")
    for key, names in notes.items():
        if names:
            target.execute(insert, (key, encode_names(names)))
