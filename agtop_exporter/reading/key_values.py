"""Reads key-value tables, in which VS Code and editors derived from it keep their state."""

from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.rows import TableRow


class _Value(TableRow):
    """The value in a row: text or bytes."""

    value: object = None


def value_of(database: Database, table: str, key: str) -> bytes:
    """Return the value of a key; b"" if there is none or it has another type."""
    for row in database.find(table, _Value, where="key = ?", values=(key,), limit=1):
        if isinstance(row.value, str):
            return row.value.encode()
        return row.value if isinstance(row.value, bytes) else b""
    return b""
