"""Reads the key-value tables that VS Code, and editors derived from VS Code, write."""

from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.rows import TableRow


class _Value(TableRow):
    """A row of a key-value table: only its value, which is text or bytes."""

    value: object = None


def value_of(database: Database, table: str, key: str) -> bytes:
    """Return the value of a key; b"" if the key is missing or its value is a number."""
    for row in database.find(table, _Value, where="key = ?", values=(key,), limit=1):
        if isinstance(row.value, str):
            return row.value.encode()
        return row.value if isinstance(row.value, bytes) else b""
    return b""
