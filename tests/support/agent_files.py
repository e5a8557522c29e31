"""Writes files as agents do, and counts the events and totals of a home."""

import json
from pathlib import Path

from driving import refresh

from agtop_exporter.ledger import Ledger


def write_lines(path, *records):
    """Write JSON Lines. A string is written unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_document(path, document, *, indent=None):
    """Write one JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
    return path


def counted(home, agent):
    """Return the result of one refresh of a home: session id -> SessionState."""
    ledger = Ledger()
    refresh(ledger, Path(home), [agent])
    return {session_id: record for (_, session_id), record in ledger.sessions.items()}
